//! Rows that cannot be evaluated, and where results are written.

use crate::harness::{Place, csv, moons, table};
use ffjord_data::table::{LoadOptions, load};
use std::fs;

fn scores(place: &Place, name: &str) -> Vec<f64> {
    let options = LoadOptions {
        keep_non_finite: true,
        ..LoadOptions::default()
    };
    load(place.path(name), &options).unwrap().values.into_vec()
}

#[test]
fn rows_that_are_not_finite_are_named_and_the_others_evaluated() {
    let place = Place::new();
    place.succeed(&moons("run", &[]));
    place.write("whole.csv", "a,b\n0.5,0.25\n-1,2\n0,0\n1,1\n");
    place.succeed(&["eval", "run", "--data", "whole.csv", "--out", "whole-scores.csv"]);
    let expected = scores(&place, "whole-scores.csv");
    // Rows of the file: the header is none, and batches do not matter.
    place.write("holes.csv", "a,b\n0.5,0.25\n-1,2\n0,nan\n1,1\n");
    let answer = place.run(&[
        "eval",
        "run",
        "--data",
        "holes.csv",
        "--out",
        "scores.csv",
        "--batch",
        "2",
    ]);
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert_eq!(
        answer.stderr,
        "left out: holes.csv: row 2 (from 0, below any header), column b is NaN\n"
    );
    assert!(answer.stdout.contains("(3 rows"), "{}", answer.stdout);
    let found = scores(&place, "scores.csv");
    for row in [0, 1, 3] {
        assert!((found[row] - expected[row]).abs() < 1e-5, "{found:?} and {expected:?}");
    }
    assert!(found[2].is_nan(), "{found:?}");

    // What single precision cannot hold is infinite for the model.
    place.write("large.csv", "1e200,0\n".repeat(22));
    let answer = place.run(&["eval", "run", "--data", "large.csv", "--out", "scores.csv"]);
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert!(
        answer
            .stderr
            .contains("row 4 (from 0, below any header), column 0 is 1e200"),
        "{}",
        answer.stderr
    );
    assert!(answer.stderr.ends_with("left out: 2 more rows\n"), "{}", answer.stderr);
    assert!(answer.stdout.contains("no row could be evaluated"), "{}", answer.stdout);
}

#[test]
fn conditions_that_are_not_finite_leave_their_rows_out() {
    let place = Place::new();
    place.write("rows.csv", csv(200));
    let given = ["--set", "data.path=rows.csv", "--set", "data.given=[\"b\"]"];
    place.succeed(&table("run", &given));
    place.write("holes.csv", "b,a\n4,10\ninf,11\n5,9\n");
    let answer = place.run(&["eval", "run", "--data", "holes.csv", "--out", "scores.csv"]);
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert!(
        answer
            .stderr
            .contains("row 1 (from 0, below any header), column b is inf"),
        "{}",
        answer.stderr
    );
    let found = scores(&place, "scores.csv");
    assert!(
        found[0].is_finite() && found[1].is_nan() && found[2].is_finite(),
        "{found:?}"
    );
}

#[test]
fn a_failed_solve_costs_its_row_alone() {
    let place = Place::new();
    // Weights large enough for the field to overflow where the largest numbers of single precision are.
    let rate = "training.schedule={ kind = \"constant\", rate = 2.0 }";
    let settings = ["model.activation=softplus", "model.learn_end_time=false", rate];
    place.succeed(&moons("run", &settings.map(|setting| ["--set", setting]).concat()));
    let mut rows = "a,b\n".to_string();
    for row in 0..9 {
        rows += if row == 7 { "3e38,3e38\n" } else { "0.5,0.5\n" };
    }
    place.write("far.csv", rows);
    let answer = place.run(&[
        "eval",
        "run",
        "--data",
        "far.csv",
        "--batch",
        "3",
        "--out",
        "scores.csv",
    ]);
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert!(
        answer
            .stderr
            .starts_with("left out: far.csv: row 7 (from 0, below any header): "),
        "{}",
        answer.stderr
    );
    assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
    let found = scores(&place, "scores.csv");
    for (row, score) in found.iter().enumerate() {
        assert_eq!(score.is_finite(), row != 7, "{found:?}");
    }
    assert!((found[6] - found[0]).abs() < 1e-5, "{found:?}");
}

#[test]
fn an_output_never_overwrites_an_input() {
    let place = Place::new();
    place.write("rows.csv", csv(200));
    let given = ["--set", "data.path=rows.csv", "--set", "data.given=[\"b\"]"];
    place.succeed(&table("run", &given));
    let before = fs::read(place.path("rows.csv")).unwrap();
    for arguments in [
        ["eval", "run", "--data", "rows.csv", "--out", "./rows.csv"].as_slice(),
        &[
            "eval",
            "run",
            "--data",
            "other.csv",
            "--given",
            "rows.csv",
            "--out",
            "rows.csv",
        ],
        &["sample", "run", "--given", "rows.csv", "--out", "rows.csv"],
    ] {
        place.refuse(arguments, &["rows.csv", "would be lost", "another name"]);
        assert!(fs::read(place.path("rows.csv")).unwrap() == before);
    }
}

#[cfg(unix)]
#[test]
fn devices_stay_devices() {
    use std::os::unix::fs::FileTypeExt;
    let place = Place::new();
    place.succeed(&moons("run", &[]));
    place.write("rows.csv", "0.5,0.25\n-1,2\n");
    place.succeed(&["eval", "run", "--data", "rows.csv", "--out", "/dev/null"]);
    place.succeed(&["sample", "run", "-n", "2", "--out", "/dev/null"]);
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let said = place.succeed(&["sample", "run", "-n", "2", "--out", "/dev/stdout"]);
    assert_eq!(said.lines().filter(|line| line.contains(',')).count(), 2, "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_standard_error_without_room_ends_no_run_and_changes_no_exit_code() {
    let place = Place::new();
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let code = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.stdout(full()).stderr(full()).status().unwrap().code()
    };
    assert_eq!(code(&moons("deaf", &[])), Some(0));
    place.succeed(&moons("run", &[]));
    let bytes = |run: &str| fs::read(place.path(run).join("model.safetensors")).unwrap();
    assert!(bytes("deaf") == bytes("run"));
    place.write("rows.csv", "0.5,0.25\nnan,2\n");
    assert_eq!(
        code(&["eval", "run", "--data", "rows.csv", "--out", "scores.csv"]),
        Some(3)
    );
    assert_eq!(code(&moons("run", &[])), Some(1));
}
