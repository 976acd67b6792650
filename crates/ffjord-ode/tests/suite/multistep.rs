//! Adams methods: any order, steps of any sizes, and orders that follow the solution.

use std::cell::Cell;

use ffjord_ode::{
    AdamsKind, AdamsMethod, ConstantStep, FixedAdams, Limits, Method, SaveAt, SetupError, SolveError, Solver, StepGrid,
    Tolerance,
    adjoint::{Adjoint, Backsolve, Checkpointed},
    integrate,
};

use super::{
    networks::{D, Network},
    problems::{self, Problem, largest_difference, measured_order},
};

fn error(problem: &Problem, kind: AdamsKind, order: u32, steps: usize) -> f64 {
    let rhs = |t: f64, y: &Vec<f64>, dy: &mut Vec<f64>| (problem.rhs)(t, y, dy);
    let (y0, (t0, t1)) = (problem.initial(), problem.span);
    let mut stepper = FixedAdams::new(AdamsMethod::new("adams", kind, order).unwrap(), &y0).unwrap();
    let mut control = ConstantStep::new(StepGrid::Count(steps), t0, t1).unwrap();
    let limits = Limits {
        save_at: SaveAt::Steps,
        ..Limits::default()
    };
    let solution = integrate(&rhs, &y0, (t0, t1), &mut stepper, &mut control, &limits).unwrap();
    let points = solution.saved.iter();
    points
        .map(|point| problem.error(point.t, &point.state))
        .fold(0.0, f64::max)
}

#[test]
fn fixed_orders_are_reached() {
    for kind in [AdamsKind::Bashforth, AdamsKind::BashforthMoulton] {
        for order in 1..=7 {
            let base = if order < 3 { 1000 } else { 160 };
            let points =
                [base, 2 * base, 4 * base].map(|n| (1.0 / n as f64, error(&problems::HARMONIC, kind, order, n)));
            let measured = measured_order(&points);
            // Of order 1, and of order 2 without damping, errors on a centre grow as (1 + h²)^n and its like.
            let off = if order < 3 { 0.4 } else { 0.2 };
            assert!(
                (measured - f64::from(order)).abs() < off,
                "{kind:?} {order}: {measured}, {points:?}"
            );
        }
    }
    for order in [0, 8] {
        let refused = AdamsMethod::new("adams", AdamsKind::Bashforth, order);
        assert!(matches!(refused, Err(SetupError::InvalidSetting { .. })), "{refused:?}");
    }
}

#[test]
fn a_step_cut_short_costs_no_order() {
    for method in [Method::ExplicitAdams, Method::FixedAdams] {
        let points = [800, 1600, 3200].map(|n| {
            // Every fifth step in two unequal parts.
            let stops = (0..n / 5)
                .map(|i| (5.0 * f64::from(i) + 0.3) * 10.0 / f64::from(n))
                .collect();
            let solver = Solver::new(method).fixed_steps(n as usize).stop_at(stops);
            let solution = problems::COSINE.solve(&solver).unwrap();
            assert_eq!(solution.stats.accepted as i32, n + n / 5);
            (1.0 / f64::from(n), problems::COSINE.error(solution.t, &solution.state))
        });
        let order = measured_order(&points);
        assert!((order - 4.0).abs() < 0.2, "{method}: {order}, {points:?}");
    }
}

#[test]
fn the_order_rises_on_a_smooth_solution_and_saves_evaluations() {
    let tight = Tolerance::new(1e-10, 1e-10).unwrap();
    let nfe = |method: Method| {
        let solution = problems::HARMONIC.solve(&Solver::new(method).adaptive(tight)).unwrap();
        let error = problems::HARMONIC.error(solution.t, &solution.state);
        assert!(error < 1e-7, "{method}: {error:e}");
        solution.stats.nfe
    };
    assert!(2 * nfe(Method::Adams) < nfe(Method::Dopri5));
}

#[test]
fn a_jump_lowers_the_order_and_is_passed() {
    let rhs = |t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = if t < 1.0 { t.cos() } else { -y[0] };
    let solver = Solver::new(Method::Adams).adaptive(Tolerance::new(1e-8, 1e-8).unwrap());
    let solution = solver.solve(&rhs, &[0.0], 0.0, 3.0).unwrap();
    let exact = 1.0_f64.sin() * (-2.0_f64).exp();
    assert!((solution.state[0] - exact).abs() < 1e-6, "{solution:?}");
    assert!(solution.stats.nfe < 800, "{:?}", solution.stats);
}

#[test]
fn fixed_steps_need_a_fixed_order() {
    let error = problems::DECAY
        .solve(&Solver::new(Method::Adams).fixed_steps(10))
        .unwrap_err();
    assert!(
        matches!(
            error,
            SolveError::Setup(SetupError::NeedsErrorEstimate { method: "adams" })
        ),
        "{error}"
    );
}

#[test]
fn rejected_attempts_evaluate_once_and_accepted_ones_twice() {
    let calls = Cell::new(0);
    let rhs = |t: f64, y: &[f64; 1], dy: &mut [f64; 1]| {
        calls.set(calls.get() + 1);
        dy[0] = y[0] * t.cos();
    };
    let solver = Solver::new(Method::Adams).adaptive(Tolerance::new(1e-6, 1e-6).unwrap());
    let stats = solver.solve(&rhs, &[1.0], 0.0, 10.0).unwrap().stats;
    assert_eq!(stats.nfe, calls.get());
    // The slope at the very end is not needed; the size of the first step takes one evaluation.
    assert_eq!(stats.nfe, 1 + 2 * stats.accepted + stats.rejected);
}

#[test]
fn gradients_come_from_solving_backwards_and_the_checkpointed_adjoint_refuses() {
    let (system, y0, cotangent) = (Network::new(), vec![0.3; D], vec![1.0, -0.5, 2.0]);
    let tolerance = Tolerance::new(1e-9, 1e-9).unwrap();
    let reference = Solver::new(Method::Dopri5).adaptive(tolerance);
    let (_, record) = Checkpointed.forward(&reference, &system, &y0, 0.0, 1.0).unwrap();
    let exact = Checkpointed.backward(&system, record, &cotangent).unwrap();
    for solver in [
        Solver::new(Method::Adams).adaptive(tolerance),
        Solver::new(Method::KenCarp4).adaptive(tolerance),
        Solver::new(Method::ExplicitAdams).fixed_steps(400),
        Solver::new(Method::FixedAdams).fixed_steps(400),
    ] {
        let error = Checkpointed.forward(&solver, &system, &y0, 0.0, 1.0).unwrap_err();
        assert!(
            matches!(error, SolveError::Setup(SetupError::NotRecomputable { .. })),
            "{error}"
        );
        assert!(error.to_string().contains("backsolve"), "{error}");
        let adjoint = Backsolve::new();
        let (_, record) = adjoint.forward(&solver, &system, &y0, 0.0, 1.0).unwrap();
        let gradient = adjoint.backward(&system, record, &cotangent).unwrap();
        let method = solver.method();
        assert!(largest_difference(&gradient.y0, &exact.y0) < 1e-6, "{method}");
        assert!(
            largest_difference(&gradient.gradient, &exact.gradient) < 1e-6,
            "{method}"
        );
    }
}
