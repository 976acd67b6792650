//! Solves on a card, as far as a machine without one can tell.

use crate::harness::{Place, moons};

#[test]
fn a_card_that_is_not_there_is_refused_before_anything_is_written() {
    let place = Place::new();
    let words = ["CUDA cannot be used here", "doctor"];
    place.refuse(&moons("run", &["--device", "cuda:999"]), &words);
    place.refuse(&["bench", "--quick", "--device", "cuda:999"], &words);
    assert!(!place.path("run").exists());
}

#[test]
fn devices_and_flows_that_cards_do_not_have_are_named() {
    let place = Place::new();
    place.refuse(&moons("run", &["--set", "device=gpu"]), &["gpu", "cuda:N"]);
    let discrete = ["experiment", "power-spline", "--device", "cuda"];
    place.refuse(&discrete, &["device", "continuous", "cpu"]);
}

#[test]
fn the_doctor_says_what_was_looked_for() {
    let said = Place::new().run(&["doctor"]).stdout;
    assert!(
        ["driver", "NVRTC", "nvcc"].iter().all(|what| said.contains(what)),
        "{said}"
    );
}

#[test]
fn the_processor_plays_a_card_that_is_checked() {
    let place = Place::new();
    // No section begins, but for the first.
    let line = ["gpu-check", "--device", "cpu", "--seconds", "0", "--json", "check.json"];
    place.run(&line);
    let report = std::fs::read_to_string(place.path("check.json")).unwrap();
    assert!(report.contains("left out: the time was over"), "{report}");
}
