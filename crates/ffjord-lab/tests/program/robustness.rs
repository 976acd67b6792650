//! `robustness` and `scale` on the smallest work.

use crate::harness::{Place, json};

/// The checks of a written result by name: the verdict, how often, and the faults.
fn verdicts(place: &Place) -> Vec<(String, String, u64)> {
    let report = json(&place.path("robustness.json"));
    let checks = report["checks"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_string();
    checks
        .map(|check| {
            (
                text(&check["name"]),
                text(&check["verdict"]),
                check["count"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_run_that_is_killed_and_resumed_ends_with_the_same_bits() {
    let place = Place::new();
    let said = place.succeed(&[
        "robustness",
        "--kills",
        "3",
        "--only",
        "kill",
        "--json",
        "robustness.json",
    ]);
    assert!(
        said.contains("3 kills") && said.contains("0 could not be resumed"),
        "{said}"
    );
    assert_eq!(
        verdicts(&place),
        [("kill -9 while training".to_string(), "ok".to_string(), 3)]
    );
    assert!(json(&place.path("robustness.json"))["provenance"]["hardware"].is_string());
}

#[test]
fn devices_without_room_and_batches_of_one_are_in_order() {
    let place = Place::new();
    for (only, times) in [("device", 6), ("batch of one", 4), ("seeds", 1)] {
        place.succeed(&["robustness", "--quick", "--only", only, "--json", "robustness.json"]);
        let [(_, verdict, count)] = verdicts(&place).try_into().unwrap();
        assert!(
            verdict == "skipped" || (verdict == "ok" && count >= times),
            "{only}: {verdict} of {count}"
        );
    }
    place.refuse(&["robustness", "--only", "fire"], &["fire", "kill -9"]);
}

#[test]
fn the_cost_of_several_processes_is_measured_and_drawn() {
    let place = Place::new();
    let said = place.succeed(&["scale", "--quick", "--beside", "tests", "--json", "scale.json"]);
    assert!(said.contains("times faster at 1,024"), "{said}");
    let report = json(&place.path("scale.json"));
    assert_eq!(report["beside"], "tests");
    let model = &report["scaling"]["models"][0];
    let runs = model["runs"].as_array().unwrap();
    assert_eq!((runs.len(), &runs[4]["measured"]["ranks"]), (5, &2.into()));
    assert!(
        runs.iter()
            .all(|run| run["measured"]["seconds"].as_f64().unwrap() > 0.0)
    );
    // Two columns, a time and a bias: a hidden layer of 8 with gates is some hundred numbers.
    let bytes = model["constants"]["gradient_bytes"].as_u64().unwrap();
    assert!((100..4_000).contains(&bytes), "{bytes}");
    let drawn = model["drawn"].as_array().unwrap();
    assert_eq!((drawn.len(), &drawn[10]["ranks"]), (11, &1_024.into()));
    assert!(drawn[10]["compute_seconds"].as_f64() <= drawn[10]["assumed_seconds"].as_f64());
    assert!(std::fs::read(place.path("scale.png")).unwrap().starts_with(b"\x89PNG"));
}
