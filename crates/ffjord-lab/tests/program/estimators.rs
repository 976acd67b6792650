//! `trace-variance`, `figure`, and training with what the follow-up literature adds.

use crate::harness::{Place, json, moons};
use ffjord_train::read_metrics;

#[test]
fn variances_are_measured_for_every_estimator() {
    let place = Place::new();
    // A middle narrower than the plane: also the trace at the bottleneck.
    place.succeed(&moons("run", &["--set", "model.hidden=[4, 1]"]));
    let said = place.succeed(&[
        "trace-variance",
        "run",
        "--rows",
        "4",
        "--repetitions",
        "20",
        "--json",
        "variance.json",
    ]);
    for name in ["exact", "rademacher", "orthogonal", "hutch++", "xtrace", "xnystrace"] {
        assert!(said.contains(name), "{name} in {said}");
    }
    let report = json(&place.path("variance.json"));
    assert_eq!((&report["dimension"], &report["bottleneck"]), (&2.into(), &1.into()));
    let measured = report["measured"].as_array().unwrap();
    let of = |estimator: &str, of: &str, products: f64| {
        let found = measured
            .iter()
            .find(|one| one["estimator"] == estimator && one["of"] == of && one["products"].as_f64() == Some(products));
        found.and_then(|one| one["variance"].as_f64()).unwrap()
    };
    assert_eq!(of("exact", "jacobian", 2.0), 0.0);
    assert!(of("hutchinson, gaussian", "jacobian", 1.0) > 0.0);
    assert!(of("hutchinson, orthogonal", "jacobian", 2.0) < 1e-10);
    // One sign squared is 1: the middle of width 1 is exact with a single probe.
    assert!(of("hutchinson, rademacher", "bottleneck", 1.0) < 1e-10);
    place.refuse(&["trace-variance", "nothing"], &["nothing"]);
}

#[test]
fn the_integral_of_the_density_is_drawn_against_the_tolerance() {
    let place = Place::new();
    place.succeed(&moons("run", &["--set", "solver.test.method=dopri5"]));
    place.succeed(&["figure", "8", "--run", "run", "--out", "figure", "--points", "24"]);
    let report = json(&place.path("figure/figure8.json"));
    let integrals = report["integrals"].as_array().unwrap();
    let of = |precision: &str, tolerance: f64| {
        let found = integrals
            .iter()
            .find(|one| one["precision"] == precision && one["tolerance"].as_f64() == Some(tolerance));
        found.unwrap().clone()
    };
    let nfe = |tolerance| of("f64", tolerance)["nfe"].as_f64().unwrap();
    assert!(nfe(1e-9) > 2.0 * nfe(1e-1));
    assert!((of("f32", 1e-5)["integral"].as_f64().unwrap() - 1.0).abs() < 0.1);
    let table = std::fs::read_to_string(place.path("figure/figure8.md")).unwrap();
    assert_eq!(table.lines().count(), 2 + integrals.len());
    assert!(place.path("figure/figure8.png").is_file());
    place.succeed(&["figure", "1", "--run", "run", "--out", "figure"]);
    assert!(place.path("figure/figure1.png").is_file());
    place.refuse(&["figure", "9"], &["figure 9", "accepted are 1"]);
}

#[test]
fn regularised_training_reports_its_integrals() {
    let place = Place::new();
    let settings = [
        "solver.train.method=dopri5",
        "solver.train.control={ kind = \"adaptive\", rtol = 1e-6, atol = 1e-6 }",
        "solver.train.trace=gaussian",
        "solver.train.probes=2",
        "training.tolerance={ kind = \"geometric\", first = 1e4, last = 1.0 }",
        "training.end_time_spread=0.3",
        "training.spectral_norm=0.2",
        "regularisation.l2=0.1",
        "regularisation.acceleration=0.1",
    ];
    let more: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    place.succeed(&moons("run", &more));
    let lines = read_metrics(place.path("run/metrics.jsonl")).unwrap();
    let training: Vec<_> = lines.iter().filter(|line| line["kind"] == "train").collect();
    assert_eq!(training.len(), 4);
    for line in &training {
        for term in ["l2", "acceleration", "trace-variance"] {
            assert!(
                line["terms"][term].as_f64().is_some_and(|value| value > 0.0),
                "{term} in {line}"
            );
        }
    }
    let nfe = |line: &serde_json::Value| line["nfe_forward"].as_f64().unwrap();
    assert!(nfe(training[0]) < nfe(training[3]), "tolerances tighten");
}
