//! `experiment` and `plot`: run folders, and going on with them.

use crate::harness::{Answer, Place, csv, json, moons, table};
use std::collections::BTreeSet;
use std::fs;
#[cfg(unix)]
use std::time::{Duration, Instant};

/// How long a run may take to its first line of metrics, on a machine that has much else to do.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_secs(120);

fn names(folder: &std::path::Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn presets_are_listed_with_what_they_do() {
    let list = Place::new().succeed(&["experiment", "--list"]);
    for name in ["power-quick", "toy-moons", "toy-moons-fast", "table"] {
        let line = list.lines().find(|line| line.split(' ').next() == Some(name));
        assert!(line.is_some_and(|line| line.contains("FFJORD")), "{name} in {list}");
    }
}

#[test]
fn a_run_leaves_a_whole_folder() {
    let place = Place::new();
    let said = place.succeed(&moons("run", &["--seed", "3"]));
    assert!(said.contains("test NLL"), "{said}");
    let run = place.path("run");
    let expected = [
        "checkpoint-4.safetensors",
        "checkpoint.json",
        "config.json",
        "data.json",
        "metrics.jsonl",
        "model.safetensors",
        "plots",
        "result.json",
        "run.lock",
        "started.json",
    ];
    assert_eq!(names(&run), set(&expected));
    let pictures = set(&["density.png", "overview.png", "training.png", "trajectories.png"]);
    assert_eq!(names(&run.join("plots")), pictures);
    let result = json(&run.join("result.json"));
    assert_eq!(result["seed"], 3);
    assert_eq!(result["training"]["iterations"], 4);
    assert_eq!(result["test"]["likelihood"]["rows"], 60);
    assert_eq!(result["validation_curve"].as_array().unwrap().len(), 2);
    let mass = result["density_integral"].as_f64().unwrap();
    assert!((mass - 1.0).abs() < 0.05, "{mass}");

    let metrics = fs::read(run.join("metrics.jsonl")).unwrap();
    assert_eq!(metrics.iter().filter(|byte| **byte == b'\n').count(), 6);

    // `plot` draws the same pictures again.
    let before = fs::read(run.join("plots/density.png")).unwrap();
    fs::remove_dir_all(run.join("plots")).unwrap();
    place.succeed(&["plot", "run"]);
    assert_eq!(names(&run.join("plots")), pictures);
    assert_eq!(fs::read(run.join("plots/density.png")).unwrap(), before);
}

#[test]
fn several_seeds_are_several_runs_and_a_mean() {
    let place = Place::new();
    let said = place.succeed(&moons("runs", &["--seed", "2,0"]));
    assert!(said.contains("over 2 seeds"), "{said}");
    let summary = json(&place.path("runs/seeds.json"));
    let each = |index: usize| summary["runs"][index]["likelihood"]["nll"].as_f64().unwrap();
    let (first, second) = (each(0), each(1));
    assert_eq!(summary["runs"][0]["seed"], 0);
    assert_eq!(json(&place.path("runs/seed2/result.json"))["seed"], 2);
    let close = |key: &str, value: f64| (summary["nll"][key].as_f64().unwrap() - value).abs() < 1e-12;
    assert!(close("mean", 0.5 * (first + second)), "{summary}");
    assert!(
        close("standard_error_over_seeds", 0.5 * (first - second).abs()),
        "{summary}"
    );
    // What is there is found before anything is trained.
    let answer = moons("runs", &["--seeds", "3"]);
    place.refuse(&answer, &["seed0", "holds a run already"]);
    assert!(!place.path("runs/seed1").exists());
}

#[test]
fn the_solvers_error_is_measured_at_a_tighter_tolerance() {
    let place = Place::new();
    let adaptive = "solver.test.control={ kind = \"adaptive\", rtol = 1e-3, atol = 1e-3 }";
    let settings = ["--set", "solver.test.method=dopri5", "--set", adaptive];
    place.succeed(&moons(
        "run",
        &[&settings[..], &["--set", "evaluation.tighter_rows=30"]].concat(),
    ));
    let result = json(&place.path("run/result.json"));
    let tighter = &result["test"]["tighter"];
    assert_eq!((&tighter["rows"], &tighter["rtol"]), (&30.into(), &1e-5.into()));
    assert!(tighter["difference"].as_f64().unwrap().abs() < 1e-2, "{tighter}");
    assert!(
        tighter["nfe"].as_f64() >= result["test"]["likelihood"]["nfe"].as_f64(),
        "{tighter}"
    );
    // Fixed steps have no tolerance.
    place.succeed(&moons("fixed", &[]));
    assert!(json(&place.path("fixed/result.json"))["test"]["tighter"].is_null());
}

#[test]
fn runs_are_drawn_on_one_clock() {
    let place = Place::new();
    place.succeed(&moons("one", &["--set", "evaluation.curve_rows=10"]));
    place.succeed(&moons("two", &["--seed", "1"]));
    let said = place.succeed(&["plot", "--compare", "one", "two/result.json", "--out", "both.png"]);
    assert!(said.contains("both.png") && place.path("both.png").is_file(), "{said}");
    let curve = |run: &str| json(&place.path(run).join("result.json"))["test_curve"].clone();
    assert_eq!(curve("one").as_array().unwrap().len(), 2);
    assert!(curve("one")[1]["nll"].is_number());
    assert_eq!(curve("two").as_array().unwrap().len(), 0);
    place.succeed(&["plot", "--compare", "one", "--top", "1e6", "--out", "below.png"]);
    place.refuse(&["plot", "--compare", "one", "--top", "-1e6"], &["finite"]);
    place.refuse(&["plot", "--compare", "none"], &["none", "result.json"]);
}

#[test]
fn a_table_is_run_with_its_columns_and_scales() {
    let place = Place::new();
    place.write("rows.csv", csv(200));
    place.succeed(&table("run", &["--set", "data.path=rows.csv"]));
    let run = place.path("run");
    assert_eq!(json(&run.join("data.json"))["dimension"], 2);
    assert!(json(&run.join("result.json"))["gaussian_nll"].is_number());

    // The same rows in other units are other data.
    place.write("rows.csv", csv(200).replace("1", "2"));
    let resumed = table("run", &["--set", "data.path=rows.csv", "--resume"]);
    place.refuse(&resumed, &["the data have changed", "--out DIR"]);
}

#[test]
fn a_run_folder_is_never_overwritten() {
    let place = Place::new();
    place.succeed(&moons("run", &[]));
    let before = fs::read(place.path("run/model.safetensors")).unwrap();
    place.refuse(&moons("run", &[]), &["holds a run already", "--resume", "--out DIR"]);
    let other = moons("run", &["--resume", "--set", "training.batch=17"]);
    place.refuse(&other, &["training.batch = 16 there, 17 now"]);
    // A finished run that is resumed ends as it did.
    place.succeed(&moons("run", &["--resume"]));
    assert_eq!(fs::read(place.path("run/model.safetensors")).unwrap(), before);

    fs::remove_file(place.path("run/config.json")).unwrap();
    place.refuse(&moons("run", &[]), &["config.json", "--out DIR"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_that_is_resumed_ends_with_the_same_bytes() {
    interrupt(800, &[]);
}

#[cfg(unix)]
#[test]
fn a_discrete_flow_and_flow_matching_resume_as_well() {
    // Statistics that a first batch sets, orders that are drawn, and draws of the objective.
    let glow = r#"model={ kind = "glow", blocks = 2, hidden = [8], activation = "relu", precision = "f32" }"#;
    interrupt(400, &["--set", glow]);
    interrupt(400, &["--set", "objective=optimal-transport-flow-matching"]);
}

#[cfg(unix)]
#[test]
fn a_fitted_start_is_loaded_and_not_fitted_anew() {
    interrupt(800, &["--set", r#"model.start={ maps = ["marginals", "whitening"] }"#]);
}

/// Interrupts a run of so many iterations and resumes it; a second one runs through.
#[cfg(unix)]
fn interrupt(iterations: usize, settings: &[&str]) {
    use std::process::{Command, Stdio};

    let place = Place::new();
    let iterations = format!("training.iterations={iterations}");
    let long = [
        settings,
        &["--set", &iterations, "--set", "training.validate_every=400"],
    ]
    .concat();
    place.succeed(&moons("whole", &long));

    let mut command = place.command(&moons("cut", &long));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let metrics = place.path("cut/metrics.jsonl");
    // The handler is there before the first line of metrics.
    let start = Instant::now();
    while !fs::metadata(&metrics).is_ok_and(|metadata| metadata.len() > 0) {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("the run ended before it could be interrupted: {status}");
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("no line of metrics after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let answer = Answer::new(&child.wait_with_output().unwrap());
    assert_eq!(answer.code, Some(130), "{}", answer.stderr);
    assert!(answer.stdout.contains("--resume"), "{}", answer.stdout);
    assert!(!place.path("cut/model.safetensors").exists());

    let resumed: Vec<&str> = long.iter().copied().chain(["--resume"]).collect();
    place.succeed(&moons("cut", &resumed));
    let bytes = |name: &str| fs::read(place.path(name)).unwrap();
    assert!(bytes("cut/model.safetensors") == bytes("whole/model.safetensors"));
    assert!(bytes("cut/plots/density.png") == bytes("whole/plots/density.png"));
}
