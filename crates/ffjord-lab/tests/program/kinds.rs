//! Every kind of model and objective: a run, its likelihoods and its samples.

use crate::harness::{Place, csv, json, moons, table};
use std::fs;

/// Whether `eval` and `sample` work on a run folder of two columns.
fn evaluate_and_sample(place: &Place, run: &str) {
    let said = place.succeed(&["eval", run, "--data", "rows.csv"]);
    assert!(said.contains("200 rows"), "{said}");
    place.succeed(&["sample", run, "-n", "7", "--out", "samples.csv"]);
    let written = fs::read_to_string(place.path("samples.csv")).unwrap();
    // Samples have the names of the table's columns.
    assert!(
        written.starts_with("a,b\n") && written.lines().count() == 8,
        "{written}"
    );
}

#[test]
fn every_kind_of_discrete_flow_runs_on_a_table() {
    let place = Place::new();
    place.write("rows.csv", csv(200));
    for (kind, blocks) in [("real-nvp", 2), ("glow", 2), ("maf", 2), ("made", 1), ("spline", 2)] {
        let model = format!(
            r#"model={{ kind = "{kind}", blocks = {blocks}, hidden = [8], activation = "relu", precision = "f32" }}"#
        );
        let settings = ["--set", "data.path=rows.csv", "--set", &model];
        place.succeed(&table(kind, &settings));
        let result = json(&place.path(kind).join("result.json"));
        assert!(result["test"]["likelihood"]["nll"].is_number(), "{kind}: {result}");
        assert_eq!(result["test"].get("solver"), None, "{kind} solves nothing");
        evaluate_and_sample(&place, kind);
        place.succeed(&["plot", kind]);
        for command in ["gradcheck", "trace-variance"] {
            place.refuse(&[command, kind], &[command, "no continuous block", "model.kind=cnf"]);
        }
        for command in [["figure", "8"].as_slice(), &["work-precision"]] {
            place.refuse(&[command, &["--run", kind]].concat(), &["no continuous block"]);
        }
        place.succeed(&table(kind, &[settings.as_slice(), &["--resume"]].concat()));
    }
}

#[test]
fn flow_matching_trains_continuous_flows() {
    let place = Place::new();
    place.write("rows.csv", csv(200));
    let settings = ["--set", "data.path=rows.csv", "--set", "objective=flow-matching"];
    let said = place.succeed(&table("matched", &settings));
    assert!(
        said.contains("flow matching trains the velocity alone and solves no equation")
            && said.contains("solver.train"),
        "{said}"
    );
    evaluate_and_sample(&place, "matched");
    let metrics = fs::read_to_string(place.path("matched/metrics.jsonl")).unwrap();
    assert!(metrics.contains("flow_matching"), "{metrics}");
    assert!(place.path("matched/plots/training.png").is_file());
    place.refuse(
        &moons(
            "norms",
            &["--set", "objective=flow-matching", "--set", "model.batch_norm=true"],
        ),
        &["at `objective`", "model.batch_norm=false"],
    );
}

#[test]
fn tables_too_narrow_for_couplings_are_refused() {
    let place = Place::new();
    let rows: String = (0..200).map(|row| format!("{}\n", f64::from(row).sin())).collect();
    place.write("rows.csv", format!("a\n{rows}"));
    let model = r#"model={ kind = "glow", blocks = 2, hidden = [8], activation = "relu", precision = "f32" }"#;
    place.refuse(
        &table("narrow", &["--set", "data.path=rows.csv", "--set", model]),
        &["at least two columns"],
    );
}
