//! Runs of own tables: columns by name, bad rows, going on, and folders in use.

use crate::harness::{Answer, Place, csv, json, table};
use crate::samples::{doubles, npz, numbers, plain, text};

/// A place with a run of `base.csv`.
fn trained(more: &[&str]) -> Place {
    let place = Place::new();
    place.write("base.csv", text("a,b,c", plain));
    place.succeed(&table("run", &[&["--set", "data.path=base.csv"], more].concat()));
    place
}

fn eval(place: &Place, data: &str, more: &[&str]) -> (Answer, Vec<f64>) {
    let arguments = ["eval", "run", "--data", data, "--out", "scores.csv"];
    let answer = place.run(&[&arguments[..], more].concat());
    let scores = std::fs::read_to_string(place.path("scores.csv")).unwrap_or_default();
    (
        answer,
        scores.lines().skip(1).map(|line| line.parse().unwrap()).collect(),
    )
}

#[test]
fn columns_are_matched_by_name() {
    let place = trained(&[]);
    let (answer, expected) = eval(&place, "base.csv", &[]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    place.write("reordered.csv", text("c,a,b", |row, [a, b, c]| plain(row, [c, a, b])));
    let (answer, scores) = eval(&place, "reordered.csv", &[]);
    assert!(
        answer.stdout.contains("taken by their names, as a, b, c"),
        "{}",
        answer.stdout
    );
    assert_eq!(scores, expected);
    // Without names columns are taken as they stand.
    let bare = text("a,b,c", plain);
    place.write("bare.csv", bare.split_once('\n').unwrap().1);
    assert_eq!(eval(&place, "bare.csv", &[]).1, expected);
    // An index beside them is left out where it is said, and refused else.
    place.write(
        "index.csv",
        text(",a,b,c", |row, values| format!("{row},{}", plain(row, values))),
    );
    place.refuse(
        &["eval", "run", "--data", "index.csv", "--out", "none.csv"],
        &["index.csv", "(a, b, c); unknown: Unnamed: 0", "--drop"],
    );
    assert_eq!(eval(&place, "index.csv", &["--drop", "Unnamed: 0"]).1, expected);
    place.write("other.csv", text("a,b,d", plain));
    place.refuse(
        &["eval", "run", "--data", "other.csv", "--out", "none.csv"],
        &["missing (or there twice): c; unknown: d"],
    );
}

#[test]
fn a_batch_larger_than_the_table_is_all_of_it() {
    let place = Place::new();
    place.write("rows.csv", csv(40));
    let larger = ["--set", "data.path=rows.csv", "--set", "training.batch=512"];
    let answer = place.run(&table("run", &larger));
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let said = "every batch is all 33 training rows, since training.batch=512 asks for more";
    assert!(answer.stderr.contains(said), "{}", answer.stderr);
}

#[test]
fn columns_that_training_left_out_may_be_there() {
    let place = Place::new();
    let named = text("who,a,b,c", |row, values| format!("bob,{}", plain(row, values)));
    place.write("named.csv", named);
    let settings = ["--set", "data.path=named.csv", "--set", "data.drop=who"];
    place.succeed(&table("run", &settings));
    let (answer, with) = eval(&place, "named.csv", &[]);
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
    place.write("base.csv", text("a,b,c", plain));
    assert_eq!(eval(&place, "base.csv", &[]).1, with);
    // Columns of arrays have numbers.
    place.write("rows.npy", doubles(&numbers(200)));
    let settings = ["--set", "data.path=rows.npy", "--set", "data.drop=[1]"];
    place.succeed(&table("array", &settings));
    place.succeed(&["eval", "array", "--data", "rows.npy"]);
}

#[test]
fn one_bad_row_costs_one_row() {
    let place = trained(&[]);
    let (_, expected) = eval(&place, "base.csv", &[]);
    let mut lines: Vec<String> = text("a,b,c", plain).lines().map(String::from).collect();
    lines[3] = "0.5,word,0.5".to_string();
    lines[5] = "0.5,0.5".to_string();
    lines[7] = "0.5,0.5,1e300".to_string();
    lines[9] = "0.5,,0.5".to_string();
    lines[11] = "1e30,0.5,0.5".to_string();
    place.write("holes.csv", lines.join("\n"));
    let (answer, scores) = eval(&place, "holes.csv", &[]);
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    for words in [
        "row 2 (from 0, below any header), column b is \"word\", which is no number",
        "row 4 (from 0, below any header), 2 fields instead of 3",
        "row 6 (from 0, below any header), column c is 1e300",
        "row 8 (from 0, below any header), column b is \"\"",
    ] {
        assert!(answer.stderr.contains(words), "{words} is not in {}", answer.stderr);
    }
    assert!(answer.stdout.contains("(196 rows"), "{}", answer.stdout);
    for (row, (score, expected)) in scores.iter().zip(&expected).enumerate() {
        match row {
            // So far out single precision has no squares.
            10 => assert!(score.is_finite() && *score < -1e50, "{score}"),
            2 | 4 | 6 | 8 => assert!(!score.is_finite(), "{row}: {score}"),
            _ => assert!((score - expected).abs() < 1e-5, "{row}: {score} and {expected}"),
        }
    }
    let distances = [1e2, 1e6, 1e12, 1e18, 1e20, 1e25, 1e30, 1e37];
    let far: String = distances.iter().map(|far| format!("{far:?},0.5,0.5\n")).collect();
    place.write("far.csv", format!("a,b,c\n{far}"));
    let (answer, scores) = eval(&place, "far.csv", &[]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert!(
        scores.windows(2).all(|pair| pair[0] > pair[1] && pair[1].is_finite()),
        "{scores:?}"
    );
    // Near the end of single precision numbers may overflow on the way through the maps, which costs the row alone.
    for far in ["5e37", "1e38", "2e38", "3e38"] {
        place.write(
            "overflow.csv",
            format!("a,b,c\n0.1,0.5,0.5\n{far},{far},{far}\n0.2,0.5,0.5\n"),
        );
        let (answer, scores) = eval(&place, "overflow.csv", &[]);
        assert!(matches!(answer.code, Some(0 | 3)), "{}", answer.stderr);
        assert!(scores[0].is_finite() && scores[2].is_finite(), "{scores:?}");
    }
    // Of several arrays `x` is the one.
    let mut rows = numbers(200);
    rows[5][1] = f64::NAN;
    place.write(
        "several.npz",
        npz(&[("other", doubles(&numbers(200))), ("x", doubles(&rows))]),
    );
    let (answer, _) = eval(&place, "several.npz", &[]);
    assert_eq!(answer.code, Some(3));
    assert!(
        answer.stdout.contains("array x") && answer.stderr.contains("row 5"),
        "{}",
        answer.stderr
    );
    place.write("several.npz", npz(&[("y", doubles(&rows)), ("z", doubles(&rows))]));
    place.refuse(
        &["eval", "run", "--data", "several.npz"],
        &["y [200, 3], z [200, 3]", "--array NAME"],
    );
}

#[test]
fn of_several_arrays_the_one_is_read_that_was_trained_on() {
    let place = Place::new();
    let archive = npz(&[("other", doubles(&numbers(200))), ("x", doubles(&numbers(150)))]);
    place.write("several.npz", archive);
    let data = ["--set", "data.path=several.npz", "--set", "data.array=other"];
    place.succeed(&table("run", &data));
    let (answer, scores) = eval(&place, "several.npz", &[]);
    assert!(answer.stdout.contains("array other"), "{}", answer.stdout);
    assert_eq!(scores.len(), 200);
    let (_, scores) = eval(&place, "several.npz", &["--array", "x"]);
    assert_eq!(scores.len(), 150);
    // One that has it under no such name has the usual one.
    place.write(
        "several.npz",
        npz(&[("x", doubles(&numbers(150))), ("y", doubles(&numbers(90)))]),
    );
    assert_eq!(eval(&place, "several.npz", &[]).1.len(), 150);
}

#[test]
fn a_run_goes_on_without_settings_longer_and_from_elsewhere() {
    let place = trained(&[]);
    let weights = |run: &str| std::fs::read(place.path(run).join("model.safetensors")).unwrap();
    let resume = |out: &str, more: &[&str]| {
        let arguments = ["experiment", "table", "--resume", "--out", out];
        place.succeed(&[&arguments[..], more].concat())
    };
    let before = weights("run");
    let result = json(&place.path("run/result.json"));
    resume("run", &[]);
    assert!(weights("run") == before);
    assert_eq!(json(&place.path("run/result.json"))["settings"], result["settings"]);
    // The table's schedule depends on the number of iterations.
    place.refuse(
        &[
            "experiment",
            "table",
            "--resume",
            "--out",
            "run",
            "--set",
            "training.iterations=8",
        ],
        &["training.iterations = 4 there, 8 now", "training.schedule"],
    );
    // Noise on a lattice goes on where it was.
    place.write(
        "stars.csv",
        text("a,b,stars", |row, [a, b, _]| format!("{a:?},{b:?},{}", row * 13 % 5)),
    );
    let constant = [
        "--set",
        "data.path=stars.csv",
        "--set",
        "data.dequantize=true",
        "--set",
        "training.schedule={ kind = \"constant\", rate = 1e-3 }",
    ];
    place.succeed(&table("short", &constant));
    place.succeed(&table(
        "long",
        &[&constant[..], &["--set", "training.iterations=8"]].concat(),
    ));
    resume("short", &["--set", "training.iterations=8"]);
    assert!(weights("short") == weights("long"));
    assert_eq!(json(&place.path("short/config.json"))["training"]["iterations"], 8);
    let fewer = [
        "experiment",
        "table",
        "--resume",
        "--out",
        "short",
        "--set",
        "training.iterations=6",
    ];
    place.refuse(&fewer, &["has trained 8 iterations already"]);
    place.refuse(
        &["experiment", "toy-moons", "--resume", "--out", "run"],
        &["run of the preset `table`", "`toy-moons`"],
    );

    // The run and its data move together, and the program is started elsewhere.
    std::fs::create_dir_all(place.path("moved/inner")).unwrap();
    for name in ["run", "base.csv"] {
        std::fs::rename(place.path(name), place.path("moved").join(name)).unwrap();
    }
    let mut command = place.command(&["experiment", "table", "--resume", "--out", "../run"]);
    let answer = Answer::new(&command.current_dir(place.path("moved/inner")).output().unwrap());
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    // The folder says which preset it is of. A file that is gone is asked for; one that is given anew is remembered.
    std::fs::rename(place.path("moved/base.csv"), place.path("new.csv")).unwrap();
    let words = ["there is no such file", "--set data.path=FILE"];
    place.refuse(&["experiment", "--resume", "--out", "moved/run"], &words);
    place.refuse(&["experiment", "--resume"], &["--out DIR"]);
    resume("moved/run", &["--set", "data.path=new.csv"]);
    let mut command = place.command(&["plot", "../run"]);
    let answer = Answer::new(&command.current_dir(place.path("moved/inner")).output().unwrap());
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
}

#[test]
fn a_row_of_a_lattice_has_its_score_wherever_it_stands() {
    let place = Place::new();
    let lines = |order: &[usize], stars: &dyn Fn(usize) -> f64| {
        let row = |row: &usize| format!("{:?},{}\n", numbers(200)[*row][0], stars(*row));
        format!("a,stars\n{}", order.iter().map(row).collect::<String>())
    };
    let stars = |row: usize| (row * 13 % 5) as f64;
    let order: Vec<usize> = (0..200).collect();
    place.write("stars.csv", lines(&order, &stars));
    place.succeed(&table(
        "run",
        &["--set", "data.path=stars.csv", "--set", "data.dequantize=true"],
    ));
    let (_, scores) = eval(&place, "stars.csv", &[]);
    let backwards: Vec<usize> = (0..199).rev().collect();
    place.write("backwards.csv", lines(&backwards, &stars));
    let (answer, of_backwards) = eval(&place, "backwards.csv", &[]);
    assert!(
        backwards
            .iter()
            .zip(&of_backwards)
            .all(|(row, score)| scores[*row] == *score)
    );
    assert!(!answer.stderr.contains("lattice"), "{}", answer.stderr);
    // What lies between the points is scored with a word.
    place.write(
        "between.csv",
        lines(&order, &|row| stars(row) + if row == 3 { 0.5 } else { 0.0 }),
    );
    let (answer, _) = eval(&place, "between.csv", &[]);
    let said = "column `stars` has values between the points of the lattice of step 1";
    assert!(
        answer.stderr.contains(said) && answer.stderr.contains("4.5 (1 in all)"),
        "{}",
        answer.stderr
    );
    // Without noise the number is none of a density, and every command says so.
    place.succeed(&table("bare", &["--set", "data.path=stars.csv"]));
    let said = place.succeed(&["eval", "bare", "--data", "stars.csv", "--out", "bare.csv"]);
    assert!(said.contains("no likelihood of a density: column `stars`"), "{said}");
    place.succeed(&["report", "bare", "--out", "report.html"]);
    let page = std::fs::read_to_string(place.path("report.html")).unwrap();
    assert!(page.contains("no likelihood of a density") && page.contains("200 rows × 2 columns"));
}

#[test]
fn files_are_read_as_the_run_was_told_of_its_own() {
    let place = trained(&[]);
    let (_, expected) = eval(&place, "base.csv", &[]);
    // Names in a comment count where they are the run's.
    let turned = text("", |row, [a, b, c]| plain(row, [c, a, b]));
    place.write("comment.csv", format!("# c,a,b\n{}", turned.trim_start()));
    assert_eq!(eval(&place, "comment.csv", &[]).1, expected);

    let body = text("", plain).trim_start().to_string();
    place.write("own.csv", format!("% by hand\n% a,b,c\n{body}"));
    let settings = ["data.path=own.csv", "data.comment=%", "data.header=comment"];
    place.succeed(&table("told", &settings.map(|setting| ["--set", setting]).concat()));
    place.succeed(&["eval", "told", "--data", "own.csv", "--out", "told.csv"]);
    // Lines above a table are no part of other files by themselves.
    place.write("above.csv", format!("Station 7\nby hand\n{}", text("a,b,c", plain)));
    let settings = ["data.path=above.csv", "data.skip_lines=2"];
    place.succeed(&table("above", &settings.map(|setting| ["--set", setting]).concat()));
    let arguments = ["eval", "above", "--data", "above.csv", "--out", "above.out.csv"];
    place.refuse(&arguments, &["say --skip-lines 2"]);
    place.succeed(&[&arguments[..], &["--skip-lines", "2"]].concat());
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let place = trained(&[]);
    let lock = ffjord_run::RunLock::take(&place.path("run")).unwrap();
    let holder = format!("process {} on ", std::process::id());
    let arguments = ["experiment", "table", "--resume", "--out", "run"];
    place.refuse(&arguments, &["run", &holder, "since 2", "--out DIR"]);
    drop(lock);
    place.succeed(&arguments);
}
