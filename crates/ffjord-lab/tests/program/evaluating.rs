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
    for (one, other) in values.iter().zip(whole.values.as_slice()) {
        assert!((one - other).abs() < 1e-5, "{one} and {other}");
    }

    place.write("wide.csv", "1,2,3\n4,5,6\n");
    place.refuse(&["eval", "run", "--data", "wide.csv"], &["wide.csv", "3 columns", "2"]);
    place.refuse(&["eval", "run", "--data", "rows.csv", "--raw"], &["--raw"]);
}

#[test]
fn raw_rows_are_standardised_first_and_samples_put_back() {
    let place = Place::new();
    place.write("rows.csv", csv(200));
    place.succeed(&table("run", &["--set", "data.path=rows.csv"]));
    place.succeed(&["eval", "run", "--data", "rows.csv", "--raw", "--out", "raw.csv"]);
    let values = load(place.path("raw.csv"), &LoadOptions::default()).unwrap().values;
    assert_eq!(values.rows(), 200);

    let mean = |name: &str| {
        load(place.path(name), &LoadOptions::default())
            .unwrap()
            .values
            .column_means()[0]
    };
    place.succeed(&["sample", "run", "-n", "300", "--out", "standard.npy"]);
    place.succeed(&["sample", "run", "-n", "300", "--out", "raw.npy", "--raw"]);
    place.succeed(&["sample", "run", "-n", "300", "--out", "raw.csv", "--raw"]);
    assert!(mean("standard.npy").abs() < 1.0 && (mean("raw.npy") - 10.0).abs() < 3.0);
    assert!((mean("raw.npy") - mean("raw.csv")).abs() < 1e-9);
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
