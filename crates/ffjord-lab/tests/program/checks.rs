//! `check`: whether a model fits.

use crate::harness::{Place, json, moons, table};
use crate::samples::{plain, text};

#[test]
fn a_run_is_checked_on_its_own_rows_and_on_a_file() {
    let place = Place::new();
    place.succeed(&moons("run", &["--set", "evaluation.toy_rows=200"]));
    let said = place.succeed(&["check", "run"]);
    for words in [
        "noise: of 2 columns",
        "χ²",
        "99 % of the model's mass",
        "energy distance",
        "lowest ln p",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let fit = json(&place.path("run/check.json"))["fit"].clone();
    assert_eq!(
        (fit["rows"].as_u64(), fit["transforms"].as_array().map(Vec::len)),
        (Some(200), Some(3))
    );
    assert_eq!(fit["levels"].as_array().map(Vec::len), Some(11));
    // Four iterations are far from enough.
    assert!(
        fit["two_sample"]["energy_p_value"].as_f64().unwrap() < 0.01,
        "{}",
        fit["two_sample"]
    );
    assert!(
        std::fs::read(place.path("run/check.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
    // The model's own samples look like its samples.
    place.succeed(&["sample", "run", "-n", "300", "--seed", "5", "--out", "own.npy"]);
    let said = place.succeed(&["check", "run", "--data", "own.npy", "--out", "own"]);
    assert!(said.contains("no more than chance"), "{said}");
    let fit = json(&place.path("own/check.json"))["fit"].clone();
    for p_value in ["energy_p_value", "accuracy_p_value"] {
        assert!(fit["two_sample"][p_value].as_f64().unwrap() > 0.01, "{fit}");
    }
    for transform in fit["transforms"].as_array().unwrap() {
        assert!(transform["p_value"].as_f64().unwrap() > 1e-3, "{transform}");
    }
    for level in fit["levels"].as_array().unwrap() {
        let number = |name: &str| level[name].as_f64().unwrap();
        assert!(
            (number("observed") - number("expected")).abs() < 4.0 * number("standard_error"),
            "{level}"
        );
    }
}

#[test]
fn what_cannot_be_checked_is_said() {
    let place = Place::new();
    place.write("rows.csv", text("a,b,c", plain));
    let given = ["--set", "data.path=rows.csv", "--set", "data.given=[\"c\"]"];
    place.succeed(&table("run", &given));
    let said = place.succeed(&["check", "run", "--data", "rows.csv"]);
    assert!(
        !said.contains("densest region") && said.contains("energy distance"),
        "{said}"
    );
    place.write("few.csv", "a,b,c\n1,2,3\n2,3,4\n");
    place.refuse(&["check", "run", "--data", "few.csv"], &["2 rows", "8 are needed"]);
    place.refuse(&["check", "nowhere"], &["nowhere"]);
}
