//! What a flow starts with: maps that are fitted to the training rows.

use crate::harness::{Place, csv, json, table};
use std::fs;

/// Ten columns, most of them mixtures of the same four numbers: strongly correlated, one skewed, one of whole numbers that
/// are blurred.
fn correlated(rows: usize) -> String {
    let mut state = 1u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as f64 + 0.5) / f64::from(1u32 << 31)
    };
    let mut text = (0..10).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",") + "\n";
    for _ in 0..rows {
        let mut normal = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
        let hidden: Vec<f64> = (0..4).map(|_| normal()).collect();
        let mut row: Vec<f64> = (0..8)
            .map(|column| hidden[column % 4] * 3.0 + hidden[(column + 1) % 4] + 0.05 * normal())
            .collect();
        let (skewed, whole) = ((hidden[0] + 0.3 * normal()).exp(), (2.0 * hidden[1]).round());
        row.extend([skewed, whole + uniform()]);
        text += &(row
            .iter()
            .map(|value| format!("{value:.6}"))
            .collect::<Vec<_>>()
            .join(",")
            + "\n");
    }
    text
}

#[test]
fn a_correlated_table_is_never_worse_than_its_gaussian() {
    let place = Place::new();
    place.write("rows.csv", correlated(2500));
    let settings = [
        "data.path=rows.csv",
        "model.hidden=[32, 32]",
        "training.iterations=60",
        "training.batch=256",
        "training.validate_every=10",
        "training.validation_rows=200",
        "solver.test.control={ kind = \"adaptive\", rtol = 1e-3, atol = 1e-3 }",
        "evaluation.samples=50",
        "evaluation.curve_rows=200",
        "evaluation.tighter_rows=0",
    ];
    let mut arguments = vec!["experiment", "table", "--out", "run"];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    place.succeed(&arguments);
    let result = json(&place.path("run/result.json"));
    let gaussian = result["gaussian_nll"].as_f64().unwrap();
    let curve = result["test_curve"].as_array().unwrap();
    // From before the first iteration on.
    assert_eq!(curve.len(), 7);
    for point in curve {
        assert!(
            point["nll"].as_f64().unwrap() < gaussian,
            "{point}, where the Gaussian has {gaussian}"
        );
    }
}

#[test]
fn every_kind_of_flow_has_a_start_if_asked() {
    let place = Place::new();
    place.write("rows.csv", csv(300));
    for kind in ["spline", "maf", "cnf"] {
        let model = format!(
            r#"model={{ kind = "{kind}", blocks = 1, hidden = [8], activation = "tanh", precision = "f64", start = {{ maps = ["whitening", "marginals"], knots = 9 }} }}"#
        );
        let settings = ["--set", "data.path=rows.csv", "--set", &model];
        place.succeed(&table(kind, &settings));
        place.succeed(&["eval", kind, "--data", "rows.csv"]);
        place.succeed(&["sample", kind, "-n", "5", "--out", "samples.csv"]);
        // The columns' names, and five rows.
        let samples = fs::read_to_string(place.path("samples.csv")).unwrap();
        assert_eq!(samples.lines().count(), 1 + 5, "{samples}");
        place.succeed(&table(kind, &[&settings[..], &["--resume"]].concat()));
    }
}

#[test]
fn starts_that_nothing_can_be_done_with_are_refused() {
    let place = Place::new();
    place.write("rows.csv", csv(200));
    for (start, words) in [
        (r#"{ maps = ["marginals"], knots = 1 }"#, "`model.start.knots`"),
        (r#"{ maps = ["rotation"] }"#, "`marginals` or `whitening`"),
        (r#"{ map = [] }"#, "`maps`"),
    ] {
        let setting = format!("model.start={start}");
        let answer = table("run", &["--set", "data.path=rows.csv", "--set", &setting]);
        place.refuse(&answer, &[words]);
    }
}
