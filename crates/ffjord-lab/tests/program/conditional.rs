//! Runs of tables some of whose columns the others are given: p(rest | given).

use crate::harness::{Place, json, table};
use ffjord_data::table::{LoadOptions, load};
use std::fs;

/// A table of `x`, `speed` and `y`, in which `x` is near twice the speed.
fn winds(rows: usize) -> String {
    let row = |index: usize| {
        let speed = (index as f64 * 0.7).sin() * 3.0 + 10.0;
        let noise = |factor: f64| (index as f64 * factor).cos();
        format!("{},{speed},{}\n", 2.0 * speed + noise(1.3), noise(2.1) - speed)
    };
    "x,speed,y\n".to_string() + &(0..rows).map(row).collect::<String>()
}

const GIVEN: [&str; 4] = ["--set", "data.path=rows.csv", "--set", "data.given=[\"speed\"]"];

fn values(place: &Place, name: &str) -> Vec<f64> {
    load(place.path(name), &LoadOptions::default())
        .unwrap()
        .values
        .into_vec()
}

/// A place with a conditional run of the table, in `run`.
fn trained(more: &[&str]) -> Place {
    let place = Place::new();
    place.write("rows.csv", winds(200));
    // So few iterations may not be better than the start, which knows nothing of conditions and would be kept.
    let kept = [
        "--set",
        "training.validate_at_start=false",
        "--set",
        "model.zero_field=false",
    ];
    place.succeed(&table("run", &[&GIVEN, &kept[..], more].concat()));
    place
}

#[test]
fn a_conditional_run_says_what_it_is_given_and_resumes() {
    let place = trained(&[]);
    let data = json(&place.path("run/data.json"));
    assert_eq!(
        (&data["dimension"], &data["given"]["names"][0]),
        (&2.into(), &"speed".into())
    );
    assert_eq!(data["given"]["rest"], serde_json::json!(["x", "y"]));
    assert_eq!(json(&place.path("run/config.json"))["data"]["given"][0], "speed");
    let result = json(&place.path("run/result.json"));
    assert_eq!(result["given"], serde_json::json!(["speed"]));
    assert!(result["density_integral"].is_null(), "{result}");
    // Given the speed, both columns vary little; by themselves they would take about 2.8 nats.
    let gaussian = result["gaussian_nll"].as_f64().unwrap();
    assert!(gaussian < 1.0, "{gaussian}");

    let pictures = fs::read(place.path("run/plots/pairs.png")).unwrap();
    fs::remove_dir_all(place.path("run/plots")).unwrap();
    place.succeed(&["plot", "run"]);
    assert!(fs::read(place.path("run/plots/pairs.png")).unwrap() == pictures);

    let resume = [&GIVEN[..], &["--resume"]].concat();
    let weights = fs::read(place.path("run/model.safetensors")).unwrap();
    place.succeed(&table("run", &resume));
    assert!(fs::read(place.path("run/model.safetensors")).unwrap() == weights);
    let other = ["--set", "data.path=rows.csv", "--set", "data.given=[\"y\"]", "--resume"];
    place.refuse(&table("run", &other), &["data.given", "speed", "--out DIR"]);
    for command in [
        ["trace-variance", "run"].as_slice(),
        &["work-precision", "--run", "run"],
    ] {
        place.refuse(command, &[command[0], "without `data.given`"]);
    }
}

#[test]
fn every_kind_of_flow_and_objective_is_given_columns() {
    let place = Place::new();
    place.write("rows.csv", winds(200));
    let spline = r#"model={ kind = "spline", blocks = 2, hidden = [8], activation = "relu", precision = "f32" }"#;
    let maf = r#"model={ kind = "maf", blocks = 2, hidden = [8], activation = "relu", precision = "f64" }"#;
    for (run, setting) in [
        ("matched", "objective=optimal-transport-flow-matching"),
        ("normed", "model.batch_norm=true"),
        ("spline", spline),
        ("maf", maf),
    ] {
        place.succeed(&table(run, &[&GIVEN[..], &["--set", setting]].concat()));
        place.succeed(&["eval", run, "--data", "rows.csv", "--out", "scores.csv"]);
        assert!(
            values(&place, "scores.csv").iter().all(|score| score.is_finite()),
            "{run}"
        );
        place.succeed(&["sample", run, "--given", "rows.csv", "--out", "samples.csv"]);
        assert_eq!(values(&place, "samples.csv").len(), 400, "{run}");
    }
}

#[test]
fn columns_of_a_table_without_names_have_numbers() {
    let place = Place::new();
    let rows = winds(200);
    let unnamed = rows.split_once('\n').unwrap().1;
    place.write("rows.csv", unnamed);
    place.succeed(&table(
        "run",
        &["--set", "data.path=rows.csv", "--set", "data.given=[\"1\"]"],
    ));
    place.succeed(&["eval", "run", "--data", "rows.csv"]);
    place.refuse(
        &table("other", &["--set", "data.path=rows.csv", "--set", "data.given=[\"3\"]"]),
        &["no column `3`", "0, 1, 2"],
    );
}

#[test]
fn columns_that_cannot_be_given_are_refused() {
    let place = Place::new();
    place.write("rows.csv", winds(200));
    for (given, words) in [
        (r#"["sped"]"#, &["no column `sped`", "x, speed, y"][..]),
        (r#"["speed", "speed"]"#, &["`speed` twice"]),
        (r#"["y", "x", "speed"]"#, &["all columns (x, speed, y)", "leave out"]),
        ("1.5", &["at `data`", "name or number"]),
    ] {
        let setting = format!("data.given={given}");
        let settings = ["--set", "data.path=rows.csv", "--set", &setting];
        place.refuse(&table("run", &settings), words);
        assert!(!place.path("run").exists());
    }
    place.write("rows.csv", winds(200).replacen("y", "speed", 1));
    place.refuse(&table("run", &GIVEN), &["several columns are named `speed`"]);
}

#[test]
fn eval_finds_conditions_by_name_or_in_a_file_of_their_own() {
    let place = trained(&[]);
    let eval = |arguments: &[&str], out: &str| {
        place.succeed(&[&["eval", "run", "--out", out], arguments].concat());
        values(&place, out)
    };
    let scores = eval(&["--data", "rows.csv"], "scores.csv");
    assert_eq!(scores.len(), 200);
    let mut reordered = String::new();
    let (mut x, mut speed) = ("x,y\n".to_string(), "note,speed\n".to_string());
    for (index, line) in winds(200).lines().enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        reordered += &format!("{},{},{}\n", fields[2], fields[0], fields[1]);
        if index > 0 {
            x += &format!("{},{}\n", fields[0], fields[2]);
            speed += &format!("7,{}\n", fields[1]);
        }
    }
    place.write("reordered.csv", reordered);
    place.write("x.csv", &x);
    place.write("speed.csv", &speed);
    assert_eq!(eval(&["--data", "reordered.csv"], "scores.csv"), scores);
    let apart = eval(&["--data", "x.csv", "--given", "speed.csv"], "scores.csv");
    assert_eq!(apart, scores);
    // Other conditions are other densities.
    place.write("fast.csv", "15\n".repeat(200));
    assert_ne!(eval(&["--data", "x.csv", "--given", "fast.csv"], "scores.csv"), scores);

    place.refuse(
        &["eval", "run", "--data", "x.csv"],
        &["x.csv", "no column `speed`", "--given FILE"],
    );
    place.write("wide.csv", winds(3).replace('\n', ",1\n").replacen(",1", ",z", 1));
    place.refuse(
        &["eval", "run", "--data", "wide.csv"],
        &["wide.csv", "column `z`", "x, y"],
    );
    place.refuse(
        &["eval", "run", "--data", "rows.csv", "--given", "speed.csv"],
        &["rows.csv", "column `speed`"],
    );
    place.refuse(
        &["eval", "run", "--data", "x.csv", "--given", "x.csv"],
        &["x.csv", "no column `speed`"],
    );
    place.write("short.csv", "10\n11\n");
    place.refuse(
        &["eval", "run", "--data", "x.csv", "--given", "short.csv"],
        &["200 rows are given 2 conditions"],
    );
}

#[test]
fn samples_are_drawn_for_every_row_of_conditions() {
    // Long enough to learn that x is twice the speed.
    let place = trained(&[
        "--set",
        "training.iterations=300",
        "--set",
        "training.batch=100",
        "--set",
        "training.validate_every=300",
        "--set",
        "training.schedule={ kind = \"constant\", rate = 0.02 }",
    ]);
    place.write("speeds.csv", "speed\n8\n12\n");
    let sample = ["sample", "run", "--given", "speeds.csv", "--out", "samples.csv"];
    let said = place.succeed(&sample);
    assert!(said.contains("2 samples of dimension 2"), "{said}");
    place.succeed(&[&sample[..], &["-n", "50"]].concat());
    let samples = values(&place, "samples.csv");
    assert_eq!(samples.len(), 200);
    let mean = |part: &[f64]| part.iter().step_by(2).sum::<f64>() / 50.0;
    let (slow, fast) = (mean(&samples[..100]), mean(&samples[100..]));
    assert!(
        (slow - 16.0).abs() < 2.0 && (fast - 24.0).abs() < 2.0,
        "{slow} and {fast}"
    );

    place.refuse(&["sample", "run", "-n", "3"], &["run", "speed", "--given FILE"]);
    place.write("other.csv", "spin\n8\n");
    place.refuse(
        &["sample", "run", "--given", "other.csv"],
        &["other.csv", "no column `speed`", "spin"],
    );
    let answer = place.run(&["sample", "run"]);
    assert_eq!(answer.code, Some(2), "{}", answer.stderr);
}

#[test]
fn a_run_that_is_given_nothing_refuses_conditions() {
    let place = Place::new();
    place.write("rows.csv", winds(200));
    place.succeed(&table("run", &["--set", "data.path=rows.csv"]));
    place.write("speeds.csv", "speed\n8\n12\n");
    place.refuse(
        &["sample", "run", "--given", "speeds.csv"],
        &["run", "given nothing", "--given"],
    );
    place.refuse(
        &["eval", "run", "--data", "rows.csv", "--given", "rows.csv"],
        &["run", "given nothing", "--given"],
    );
}

#[test]
fn the_gradients_of_a_conditional_run_are_checked() {
    let place = trained(&["--set", "solver.train.control={ kind = \"fixed\", steps = 4 }"]);
    place.succeed(&["gradcheck", "run", "--rows", "6", "--json", "check.json"]);
    let check = &json(&place.path("check.json"))["gradcheck"];
    assert!(
        check["adjoints"]
            .as_array()
            .unwrap()
            .iter()
            .all(|adjoint| adjoint["passes"] == true)
    );
}
