//! `eval` and `sample`.

use crate::harness::{Place, csv, moons, table};
use ffjord_data::table::{LoadOptions, load};

#[test]
fn every_row_gets_its_likelihood() {
    let place = Place::new();
    place.succeed(&moons("run", &[]));
    place.write("rows.csv", "0.5,0.25\n-1,2\n0,0\n");
    let said = place.succeed(&["eval", "run", "--data", "rows.csv", "--batch", "2"]);
    let written = load(place.path("rows-log_likelihood.csv"), &LoadOptions::default()).unwrap();
    assert_eq!(written.names, Some(vec!["log_likelihood".to_string()]));
    let values = written.values.as_slice();
    assert_eq!(values.len(), 3);
    let mean = values.iter().sum::<f64>() / 3.0;
    assert!(
        said.contains(&format!("log-likelihood {mean:.6}")),
        "{said} with mean {mean}"
    );
    assert!(said.contains("3 rows"), "{said}");
    // The size of the batches does not matter.
    place.succeed(&["eval", "run", "--data", "rows.csv", "--out", "whole.csv"]);
    let whole = load(place.path("whole.csv"), &LoadOptions::default()).unwrap();
    assert_eq!(values, whole.values.as_slice());

    place.write("wide.csv", "1,2,3\n4,5,6\n");
    place.refuse(&["eval", "run", "--data", "wide.csv"], &["wide.csv", "3 columns", "2"]);
    // Toy densities have no other units.
    place.succeed(&[
        "eval",
        "run",
        "--data",
        "rows.csv",
        "--standardized",
        "--out",
        "same.csv",
    ]);
    let bytes = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert!(bytes("same.csv") == bytes("whole.csv"));
}

#[test]
fn tables_are_evaluated_and_sampled_in_their_own_units() {
    let place = Place::new();
    place.write("rows.csv", csv(200));
    place.succeed(&table("run", &["--set", "data.path=rows.csv"]));
    let values = |name: &str| load(place.path(name), &LoadOptions::default()).unwrap().values;
    let said = place.succeed(&["eval", "run", "--data", "rows.csv", "--out", "own.csv"]);
    assert!(said.contains("read rows.csv: 200 rows × 2 columns (a, b)"), "{said}");
    assert!(said.contains("nats in the data's units"), "{said}");
    // Densities of standardised rows lie above by Σ ln σ.
    let scales = crate::harness::json(&place.path("run/data.json"))["scales"].clone();
    let number = |part: usize, column: usize| scales[part][column].as_f64().unwrap();
    let rows = values("rows.csv");
    let mut standard = "a,b\n".to_string();
    for row in rows.iter_rows() {
        let z = |column: usize| (row[column] - number(0, column)) / number(1, column);
        standard += &format!("{},{}\n", z(0), z(1));
    }
    place.write("standard.csv", &standard);
    let arguments = ["eval", "run", "--data", "standard.csv", "--out", "scores.csv"];
    let answer = place.run(&[&arguments[..], &["--standardized"]].concat());
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
    let log_scale = number(1, 0).ln() + number(1, 1).ln();
    for (own, standardised) in values("own.csv").as_slice().iter().zip(values("scores.csv").as_slice()) {
        assert!(
            (own + log_scale - standardised).abs() < 1e-4,
            "{own} and {standardised}"
        );
    }
    // Rows in the wrong units are noticed.
    let answer = place.run(&["eval", "run", "--data", "rows.csv", "--standardized", "--out", "x.csv"]);
    assert!(
        answer.stderr.starts_with("warning: ") && answer.stderr.contains("leave --standardized out"),
        "{}",
        answer.stderr
    );

    let mean = |name: &str| values(name).column_means()[0];
    place.succeed(&["sample", "run", "-n", "300", "--out", "standard.npy", "--standardized"]);
    place.succeed(&["sample", "run", "-n", "300", "--out", "own.npy"]);
    place.succeed(&["sample", "run", "-n", "300", "--out", "own-samples.csv"]);
    assert!(mean("standard.npy").abs() < 1.0 && (mean("own.npy") - 10.0).abs() < 3.0);
    assert!((mean("own.npy") - mean("own-samples.csv")).abs() < 1e-9);
}

#[test]
fn a_rows_density_does_not_depend_on_its_neighbours() {
    let place = Place::new();
    let adaptive = "solver.test.control={ kind = \"adaptive\", rtol = 1e-3, atol = 1e-3 }";
    let rate = "training.schedule={ kind = \"constant\", rate = 0.3 }";
    let settings = ["solver.test.method=dopri5", adaptive, rate].map(|setting| ["--set", setting]);
    place.succeed(&moons("run", &settings.concat()));
    place.write("alone.csv", "0.5,0.25\n");
    place.write("beside.csv", "0.5,0.25\n-30,25\n4,-9\n");
    let first = |data: &str, more: &[&str]| {
        place.succeed(&[&["eval", "run", "--data", data, "--out", "scores.csv"], more].concat());
        load(place.path("scores.csv"), &LoadOptions::default())
            .unwrap()
            .values
            .row(0)[0]
    };
    assert_eq!(first("alone.csv", &[]), first("beside.csv", &[]));
    let shared = |data| first(data, &["--shared-steps"]);
    let (alone, beside) = (shared("alone.csv"), shared("beside.csv"));
    assert!(alone != beside && (alone - beside).abs() < 0.1, "{alone} and {beside}");
}

#[test]
fn samples_follow_the_seed_and_only_the_seed() {
    let place = Place::new();
    place.succeed(&moons("run", &[]));
    for (seed, out) in [("1", "a.npy"), ("1", "b.npy"), ("2", "c.npy")] {
        let said = place.succeed(&["sample", "run", "-n", "20", "--seed", seed, "--out", out]);
        assert!(said.contains("20 samples of dimension 2"), "{said}");
    }
    let bytes = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert!(bytes("a.npy") == bytes("b.npy") && bytes("a.npy") != bytes("c.npy"));
    place.refuse(
        &["sample", "run", "-n", "2", "--out", "a.txt"],
        &["a.txt", ".npy or .csv"],
    );
}
