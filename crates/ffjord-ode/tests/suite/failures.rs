//! Solves that cannot go on: they end, say why, and never return a number that is not one.

use std::cell::Cell;

use ffjord_ode::{
    Adaptive, Method, NonFinite, OnBudget, Outcome, SaveAt, SolveError, Solver, StateError, StopReason, Tolerance,
};

use super::problems::fixed_order;

pub type Rhs = fn(f64, &[f64; 1], &mut [f64; 1]);

const STILL: Rhs = |_, _, dy| dy[0] = 0.0;
pub const DECAY: Rhs = |_, y, dy| dy[0] = -y[0];
const BLOW_UP: Rhs = |_, y, dy| dy[0] = y[0] * y[0];
/// NaN from t = 1 on.
const ROOT: Rhs = |t, _, dy| dy[0] = (1.0 - t).sqrt();

pub fn tolerance() -> Tolerance {
    Tolerance::new(1e-6, 1e-8).unwrap()
}

pub fn adaptive(method: Method) -> Solver {
    Solver::new(method).adaptive(tolerance())
}

/// Every method, adaptive where it can be and in fixed steps.
pub fn solvers() -> Vec<Solver> {
    let fixed = fixed_order().map(|method| Solver::new(method).fixed_steps(50));
    let adaptive = Method::ALL
        .into_iter()
        .filter(|method| method.is_adaptive())
        .map(adaptive);
    fixed.chain(adaptive).collect()
}

#[test]
fn an_empty_span_returns_the_initial_state() {
    let forbidden: Rhs = |_, _, _| unreachable!("nothing is to be evaluated");
    for solver in solvers() {
        for save_at in [SaveAt::End, SaveAt::Steps, SaveAt::Dense, SaveAt::Times(vec![0.3, 0.3])] {
            let expected = match &save_at {
                SaveAt::Steps => 1,
                SaveAt::Times(times) => times.len(),
                _ => 0,
            };
            let solution = solver
                .clone()
                .save_at(save_at)
                .solve(&forbidden, &[7.0], 0.3, 0.3)
                .unwrap();
            assert_eq!((solution.t, solution.state, solution.stats.nfe), (0.3, [7.0], 0));
            assert!(solution.is_complete());
            assert_eq!(solution.saved.len(), expected);
            if let Some(dense) = solution.dense {
                assert_eq!(dense.at(0.3).unwrap(), [7.0]);
            }
        }
    }
}

#[test]
fn spans_of_one_ulp_and_of_any_size_work() {
    for solver in [
        adaptive(Method::Dopri5),
        adaptive(Method::Heun),
        Solver::new(Method::Rk4).fixed_steps(1),
    ] {
        for (t0, t1) in [
            (1.0, 1.0 + f64::EPSILON),
            (1.0 + f64::EPSILON, 1.0),
            (0.0, 5e-324),
            (0.0, 1e-300),
        ] {
            let solution = solver.solve(&DECAY, &[1.0], t0, t1).unwrap();
            assert_eq!(solution.t, t1);
            assert!((solution.state[0] - 1.0).abs() < 1e-12);
        }
        let solution = solver.solve(&STILL, &[1.0], 0.0, 1e300).unwrap();
        assert_eq!((solution.t, solution.state), (1e300, [1.0]));
    }
}

#[test]
fn an_empty_state_is_solved() {
    for solver in solvers() {
        let rhs = |_: f64, _: &Vec<f64>, _: &mut Vec<f64>| ();
        assert!(solver.solve(&rhs, &vec![], 0.0, 1.0).unwrap().state.is_empty());
    }
}

#[test]
fn a_bad_start_fails_at_once() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for solver in solvers() {
            let rhs = |_: f64, _: &Vec<f64>, dy: &mut Vec<f64>| dy.fill(0.0);
            let error = solver.solve(&rhs, &vec![0.0, bad, 0.0, bad], 0.5, 1.0).unwrap_err();
            assert!(
                matches!(&error, SolveError::NonFinite { t: 0.5, found, .. } if found.first() == [1, 3]),
                "{error}"
            );

            let calls = Cell::new(0);
            let rhs = |_: f64, _: &Vec<f64>, dy: &mut Vec<f64>| {
                calls.set(calls.get() + 1);
                dy.copy_from_slice(&[0.0, 0.0, bad]);
            };
            let error = solver.solve(&rhs, &vec![0.0; 3], 0.5, 1.0).unwrap_err();
            assert!(
                matches!(&error, SolveError::NonFinite { t: 0.5, found, .. } if found.first() == [2]),
                "{error}"
            );
            assert_eq!(calls.get(), 1);
        }
    }
}

#[test]
fn a_nan_on_the_way_is_approached_and_reported() {
    for solver in solvers() {
        let error = solver.solve(&ROOT, &[1.0], 0.0, 2.0).unwrap_err();
        let SolveError::NonFinite { t, found, .. } = &error else {
            panic!("{}: {error}", solver.method())
        };
        // A fixed step of 0.04 may straddle the end of the domain.
        assert!(*t <= 1.04 + 1e-12 && *t > 0.9, "{}: {error}", solver.method());
        assert_eq!(found.first(), [0], "{}: {error}", solver.method());
    }
}

#[test]
fn an_infinite_end_is_never_accepted() {
    // The slope is finite where it is evaluated; only the step overflows.
    let rhs: Rhs = |_, _, dy| dy[0] = f64::MAX;
    for solver in solvers() {
        match solver.solve(&rhs, &[0.0], 0.0, 10.0) {
            Err(SolveError::NonFinite { .. } | SolveError::StepTooSmall { .. }) => {}
            other => panic!("{}: {other:?}", solver.method()),
        }
    }
}

#[test]
fn blow_up_ends_at_the_singularity() {
    for solver in [
        adaptive(Method::Bosh3),
        adaptive(Method::Dopri5),
        adaptive(Method::Tsit5),
    ] {
        let error = solver.solve(&BLOW_UP, &[1.0], 0.0, 2.0).unwrap_err();
        let (SolveError::StepTooSmall { t, .. } | SolveError::NonFinite { t, .. }) = error else {
            panic!("{error}")
        };
        assert!((t - 1.0).abs() < 1e-3, "{error}");
        assert!(error.to_string().len() > 80, "the text names a remedy: {error}");
    }
}

#[test]
fn the_minimum_step_is_kept() {
    let calls = Cell::new(0);
    let rough = |t: f64, _: &[f64; 1], dy: &mut [f64; 1]| {
        calls.set(calls.get() + 1);
        dy[0] = (1e6 * t).sin() * 1e3;
    };
    let control = Adaptive::new(tolerance()).min_step(1e-3);
    let solver = Solver::new(Method::Dopri5).adaptive_with(control);
    let error = solver.solve(&rough, &[0.0], 0.0, 1.0).unwrap_err();
    assert!(
        matches!(error, SolveError::StepTooSmall { min_step: 1e-3, .. }),
        "{error}"
    );
    let partial = solver
        .on_budget(OnBudget::Partial)
        .solve(&rough, &[0.0], 0.0, 1.0)
        .unwrap();
    assert_eq!(
        partial.outcome,
        Outcome::Partial(StopReason::StepTooSmall { min_step: 1e-3 })
    );
}

#[test]
fn budgets_fail_or_return_what_there_is() {
    let solver = adaptive(Method::Dopri5).save_at(SaveAt::Steps);
    let whole = solver.solve(&DECAY, &[1.0], 0.0, 5.0).unwrap();

    let steps = solver.clone().max_steps(5);
    let error = steps.solve(&DECAY, &[1.0], 0.0, 5.0).unwrap_err();
    assert!(matches!(error, SolveError::MaxSteps { limit: 5, .. }), "{error}");
    let partial = steps
        .on_budget(OnBudget::Partial)
        .solve(&DECAY, &[1.0], 0.0, 5.0)
        .unwrap();
    assert_eq!(partial.outcome, Outcome::Partial(StopReason::MaxSteps { limit: 5 }));
    assert_eq!(partial.stats.accepted + partial.stats.rejected, 5);
    assert_eq!(partial.saved, whole.saved[..partial.saved.len()]);
    assert_eq!((partial.t, partial.state), (whole.saved[5].t, whole.saved[5].state));

    for limit in 0..20 {
        let evaluations = solver.clone().max_evaluations(limit);
        let error = evaluations.solve(&DECAY, &[1.0], 0.0, 5.0).unwrap_err();
        assert!(
            matches!(error, SolveError::MaxEvaluations { limit: l, .. } if l == limit),
            "{error}"
        );
        let partial = evaluations
            .on_budget(OnBudget::Partial)
            .solve(&DECAY, &[1.0], 0.0, 5.0)
            .unwrap();
        assert_eq!(partial.outcome, Outcome::Partial(StopReason::MaxEvaluations { limit }));
        assert_eq!(partial.stats.nfe, limit);
        let last = &whole.saved[partial.stats.accepted];
        assert_eq!((partial.t, partial.state), (last.t, last.state));
    }
}

#[test]
fn an_unreachable_tolerance_ends() {
    let tight = Tolerance::new(1e-30, 1e-30).unwrap();
    for method in Method::ALL.into_iter().filter(|method| method.is_adaptive()) {
        let solver = Solver::new(method).adaptive(tight).max_steps(2000);
        let error = solver.solve(&DECAY, &[1.0], 0.0, 1.0).unwrap_err();
        assert!(
            matches!(
                error,
                SolveError::StepTooSmall { .. } | SolveError::MaxSteps { .. } | SolveError::Rounding { .. }
            ),
            "{method}: {error}"
        );
    }
}

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the sensor is out of range")]
struct OutOfRange;

#[test]
fn errors_of_the_system_come_out_with_their_time() {
    let rhs = |t: f64, y: &[f64; 1], dy: &mut [f64; 1]| {
        dy[0] = -y[0];
        if t > 0.5 { Err(OutOfRange) } else { Ok(()) }
    };
    for solver in solvers() {
        let error = solver.solve(&rhs, &[1.0], 0.0, 1.0).unwrap_err();
        assert!(
            matches!(error, SolveError::System { t, source: OutOfRange } if t > 0.5),
            "{error}"
        );
        assert!(error.to_string().contains("out of range"));
    }
}

#[test]
fn a_right_hand_side_that_changes_the_shape_is_refused() {
    let rhs = |_: f64, y: &Vec<f64>, dy: &mut Vec<f64>| {
        dy.clone_from(y);
        dy.push(0.0);
    };
    for solver in solvers() {
        let error = solver.solve(&rhs, &vec![1.0; 3], 0.0, 1.0).unwrap_err();
        assert!(
            matches!(error, SolveError::State(StateError::LengthMismatch { .. })),
            "{error}"
        );
    }
}

#[test]
fn what_was_reached_before_a_nan_is_returned_if_asked_for() {
    for solver in solvers() {
        let partial = solver.clone().on_budget(OnBudget::Partial).save_at(SaveAt::Steps);
        let solution = partial.solve(&ROOT, &[1.0], 0.0, 2.0).unwrap();
        let Outcome::Partial(StopReason::NonFinite { dt }) = solution.outcome else {
            panic!("{}: {:?}", solver.method(), solution.outcome)
        };
        assert!(
            dt > 0.0 && solution.t > 0.9 && solution.t <= 1.04 + 1e-12,
            "{}: {}",
            solver.method(),
            solution.t
        );
        assert_eq!(solution.saved.last().map(|point| point.state), Some(solution.state));
        // A start that is not a number leaves nothing to return.
        let refused = partial.solve(&ROOT, &[f64::NAN], 0.0, 2.0);
        assert!(matches!(refused, Err(SolveError::NonFinite { .. })), "{refused:?}");
    }
}

#[test]
fn a_time_too_large_for_the_steps_is_called_that() {
    let wave: Rhs = |t, _, dy| dy[0] = (20.0 * (t - 1e15)).cos();
    for solver in [
        adaptive(Method::Dopri5),
        adaptive(Method::Adams),
        Solver::new(Method::Rk4).fixed_steps(1000),
    ] {
        let error = solver.solve(&wave, &[0.0], 1e15, 1e15 + 10.0).unwrap_err();
        assert!(
            matches!(error, SolveError::TimeTooCoarse { spacing: 0.125, .. }),
            "{}: {error}",
            solver.method()
        );
        assert!(error.to_string().contains("measure time from"), "{error}");
        let partial = solver
            .on_budget(OnBudget::Partial)
            .solve(&wave, &[0.0], 1e15, 1e15 + 10.0)
            .unwrap();
        assert_eq!(
            partial.outcome,
            Outcome::Partial(StopReason::TimeTooCoarse { spacing: 0.125 })
        );
    }
}

#[test]
fn indices_say_what_they_count_and_are_bounded() {
    let rhs = |_: f64, _: &Vec<f64>, dy: &mut Vec<f64>| dy.fill(f64::NAN);
    let error = adaptive(Method::Dopri5)
        .solve(&rhs, &vec![0.0; 1_000_000], 0.0, 1.0)
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("elements 0, 1, 2, 3, 4, 5, 6, 7 and 999992 more"),
        "{text}"
    );
    let SolveError::NonFinite { found, .. } = error else {
        panic!("{text}")
    };
    assert_eq!(
        (found.unit(), found.first().len(), found.total()),
        ("element", NonFinite::LISTED, 1_000_000)
    );
    assert_eq!(NonFinite::new("row", [3]).to_string(), "row 3");
}
