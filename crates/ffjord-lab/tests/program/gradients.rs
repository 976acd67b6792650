//! `gradcheck`.

use crate::harness::{Place, json, moons};

#[test]
fn every_adjoint_is_compared_on_a_runs_own_model() {
    let place = Place::new();
    let control = "solver.train.control={ kind = \"fixed\", steps = 4 }";
    place.succeed(&moons(
        "run",
        &["--set", "model.learn_end_time=false", "--set", control],
    ));
    let said = place.succeed(&["gradcheck", "run", "--rows", "6", "--json", "check.json"]);
    let check = &json(&place.path("check.json"))["gradcheck"];
    assert_eq!((&check["rows"], &check["fixed_steps"]), (&6.into(), &4.into()));
    let adjoints = check["adjoints"].as_array().unwrap();
    let names = ["checkpointed", "binomial", "reversible", "backsolve", "interpolated"];
    assert_eq!(adjoints.len(), names.len());
    for name in names {
        assert!(said.contains(name), "{name} in {said}");
        let adjoint = adjoints.iter().find(|adjoint| adjoint["adjoint"] == name).unwrap();
        for part in ["parameters", "state", "end_time"] {
            let exact = adjoint["error_of_steps"][part].as_f64().unwrap();
            let limit = if ["backsolve", "interpolated"].contains(&name) {
                1e-2
            } else {
                1e-7
            };
            assert!(exact < limit, "{name}, {part}: {exact}");
        }
        assert!(adjoint["peak_memory_mb"].as_f64().unwrap() > 0.0, "{adjoint}");
    }
    let evaluations = |name: &str| {
        let adjoint = adjoints.iter().find(|adjoint| adjoint["adjoint"] == name).unwrap();
        (
            adjoint["forward_evaluations"].as_f64().unwrap(),
            adjoint["backward_evaluations"].as_f64().unwrap(),
        )
    };
    assert_eq!(
        (evaluations("checkpointed"), evaluations("reversible")),
        ((16.0, 16.0), (5.0, 5.0))
    );
}

#[test]
fn adjoints_train() {
    let place = Place::new();
    for (adjoint, method) in [
        ("binomial", "rk4"),
        ("interpolated", "rk4"),
        ("reversible", "reversible_heun"),
    ] {
        let (adjoint_key, method_key) = (
            format!("solver.adjoint={adjoint}"),
            format!("solver.train.method={method}"),
        );
        place.succeed(&moons(adjoint, &["--set", &adjoint_key, "--set", &method_key]));
    }
}

#[test]
fn adjoints_that_do_not_go_with_the_method_are_refused() {
    let place = Place::new();
    for (adjoint, method, accepted) in [
        ("reversible", "rk4", "reversible_heun"),
        ("checkpointed", "adams", "dopri5"),
        ("checkpointed", "reversible_heun", "dopri5"),
        ("binomial", "kencarp4", "dopri5"),
    ] {
        let (adjoint_key, method_key) = (
            format!("solver.adjoint={adjoint}"),
            format!("solver.train.method={method}"),
        );
        place.refuse(
            &moons("refused", &["--set", &adjoint_key, "--set", &method_key]),
            &["at `solver.adjoint`", adjoint, method, accepted, "backsolve"],
        );
        assert!(!place.path("refused").exists());
    }
}
