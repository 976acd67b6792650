//! Gradients of a solve, against finite differences, closed forms and each other.

use ffjord_ode::{
    Adaptive, Method, OnBudget, SaveAt, SetupError, SolveError, Solver, System, Tolerance,
    adjoint::{Adjoint, AdjointMethod, AdjointNorm, AdjointSolution, Backsolve, Checkpointed, Reversible},
};

use super::{
    networks::{D, Network},
    problems::largest_difference,
};

pub const Y0: [f64; D] = [0.5, -0.3, 0.8];
/// dL/dy(t1) of the loss L = weights·y.
pub const WEIGHTS: [f64; D] = [1.0, -2.0, 0.5];

/// Every adjoint of Runge–Kutta methods.
fn adjoints() -> [AdjointMethod; 4] {
    ["checkpointed", "binomial", "backsolve", "interpolated"].map(|name| name.parse().unwrap())
}

pub fn runge_kutta() -> impl Iterator<Item = Method> {
    Method::ALL.into_iter().filter(|method| method.tableau().is_some())
}

pub fn adaptive(method: Method, tolerance: f64) -> Solver {
    Solver::new(method).adaptive(Tolerance::new(tolerance, tolerance).unwrap())
}

fn loss(solver: &Solver, theta: &[f64], y0: &[f64], t0: f64, t1: f64) -> f64 {
    let state = solver
        .solve(&Network::with(theta.to_vec()), &y0.to_vec(), t0, t1)
        .unwrap()
        .state;
    state.iter().zip(WEIGHTS).map(|(y, w)| y * w).sum()
}

/// (dL/dy0, dL/dθ, dL/dt0, dL/dt1) laid out one after the other.
pub fn flat(solution: &AdjointSolution<Vec<f64>, Vec<f64>>) -> Vec<f64> {
    [&solution.y0[..], &solution.gradient, &[solution.t0, solution.t1]].concat()
}

pub fn gradient<A: Adjoint<Vec<f64>, Network>>(adjoint: &A, solver: &Solver, t0: f64, t1: f64) -> Vec<f64> {
    let system = Network::new();
    let (solution, record) = adjoint.forward(solver, &system, &Y0.to_vec(), t0, t1).unwrap();
    assert_eq!(solution.t, t1);
    flat(&adjoint.backward(&system, record, &WEIGHTS.to_vec()).unwrap())
}

/// Central differences of fourth order in every input.
pub fn finite_differences(solver: &Solver, t0: f64, t1: f64) -> Vec<f64> {
    let theta = Network::new().theta;
    let inputs: Vec<f64> = [&Y0[..], &theta, &[t0, t1]].concat();
    let at = |inputs: &[f64]| {
        let (y0, rest) = inputs.split_at(D);
        let (theta, times) = rest.split_at(theta.len());
        loss(solver, theta, y0, times[0], times[1])
    };
    let moved = |i: usize, by: f64| {
        let mut inputs = inputs.clone();
        inputs[i] += by;
        at(&inputs)
    };
    let h = 1e-3;
    let difference = |i| (8.0 * (moved(i, h) - moved(i, -h)) - (moved(i, 2.0 * h) - moved(i, -2.0 * h))) / (12.0 * h);
    (0..inputs.len()).map(difference).collect()
}

#[test]
fn checkpointed_is_exact_for_every_method_whatever_the_step() {
    for (t0, t1) in [(0.2, 1.7), (1.7, 0.2)] {
        for method in runge_kutta() {
            for solver in [Solver::new(method).fixed_steps(3), Solver::new(method).fixed_steps(20)] {
                let (exact, differences) = (
                    gradient(&Checkpointed::new(), &solver, t0, t1),
                    finite_differences(&solver, t0, t1),
                );
                let off = largest_difference(&exact, &differences);
                assert!(
                    off < 1e-9,
                    "{method}, {t0} to {t1}: {off:e}\n{exact:?}\n{differences:?}"
                );
            }
        }
    }
}

#[test]
fn adjoints_of_adaptive_solves_agree_with_finite_differences() {
    for (t0, t1) in [(0.2, 1.7), (1.7, 0.2)] {
        let differences = finite_differences(&Solver::new(Method::Dopri5).fixed_steps(300), t0, t1);
        for method in [Method::Bosh3, Method::Dopri5, Method::Tsit5] {
            let solver = adaptive(method, if method == Method::Bosh3 { 1e-9 } else { 1e-11 });
            for adjoint in adjoints() {
                let off = largest_difference(&gradient(&adjoint, &solver, t0, t1), &differences);
                assert!(off < 1e-7, "{adjoint}, {method}, {t0} to {t1}: {off:e}");
            }
        }
    }
}

#[test]
fn backsolve_takes_any_method_of_its_own() {
    let solver = adaptive(Method::Dopri5, 1e-11);
    let reference = gradient(&Checkpointed::new(), &solver, 0.2, 1.7);
    for (backward, bound) in [
        (Backsolve::new().solver(Solver::new(Method::Rk4).fixed_steps(200)), 1e-8),
        (Backsolve::new().solver(adaptive(Method::Tsit5, 1e-10)), 1e-8),
        (Backsolve::new().norm(AdjointNorm::Full), 1e-8),
        (Backsolve::new().tolerance(Tolerance::new(1e-4, 1e-4).unwrap()), 1e-3),
    ] {
        let off = largest_difference(&gradient(&backward, &solver, 0.2, 1.7), &reference);
        assert!(off < bound, "{backward:?}: {off:e}");
    }
    // Fixed steps forward, an adaptive tolerance backward.
    let mixed = Backsolve::new().tolerance(Tolerance::new(1e-10, 1e-10).unwrap());
    let off = largest_difference(
        &gradient(&mixed, &Solver::new(Method::Dopri5).fixed_steps(200), 0.2, 1.7),
        &reference,
    );
    assert!(off < 1e-8, "{off:e}");
}

#[test]
fn backsolve_follows_its_tolerance() {
    let solver = adaptive(Method::Dopri5, 1e-12);
    let reference = gradient(&Checkpointed::new(), &solver, 0.2, 1.7);
    let off = |tolerance| {
        let adjoint = Backsolve::new().tolerance(Tolerance::new(tolerance, tolerance).unwrap());
        largest_difference(&gradient(&adjoint, &solver, 0.2, 1.7), &reference)
    };
    assert!(
        off(1e-9) < 1e-7 && off(1e-9) < off(1e-3),
        "{:e} and {:e}",
        off(1e-9),
        off(1e-3)
    );
}

#[test]
fn the_semi_norm_takes_no_more_evaluations_than_the_full_norm() {
    let mut saved = 0;
    for end in [0.5, 1.0, 2.0, 4.0, 8.0] {
        for tolerance in [1e-4, 1e-6, 1e-8] {
            let nfe = |norm| {
                let (system, adjoint) = (Network::new(), Backsolve::new().norm(norm));
                let solver = adaptive(Method::Dopri5, tolerance);
                let (_, record) = adjoint.forward(&solver, &system, &Y0.to_vec(), 0.0, end).unwrap();
                adjoint.backward(&system, record, &WEIGHTS.to_vec()).unwrap().stats.nfe
            };
            let (semi, full) = (nfe(AdjointNorm::SemiNorm), nfe(AdjointNorm::Full));
            saved += full as isize - semi as isize;
        }
    }
    assert!(saved > 0, "{saved}");
}

#[test]
fn evaluations_forward_and_backward_are_counted_apart() {
    let (system, solver) = (Network::new(), adaptive(Method::Dopri5, 1e-6));
    let (solution, record) = Checkpointed::new()
        .forward(&solver, &system, &Y0.to_vec(), 0.0, 2.0)
        .unwrap();
    assert_eq!(system.evaluations.take(), solution.stats.nfe);
    assert_eq!(record.steps().len(), solution.stats.accepted + 1);
    let stats = Checkpointed::new()
        .backward(&system, record, &WEIGHTS.to_vec())
        .unwrap()
        .stats;
    // The seventh stage serves the error estimate alone.
    assert_eq!(
        (stats.nfe, stats.accepted),
        (6 * solution.stats.accepted, solution.stats.accepted)
    );
    assert_eq!(
        (system.evaluations.take(), system.pullbacks.take()),
        (stats.nfe, stats.nfe)
    );

    let adjoint = Backsolve::new();
    let (solution, record) = adjoint.forward(&solver, &system, &Y0.to_vec(), 0.0, 2.0).unwrap();
    assert_eq!(system.evaluations.take(), solution.stats.nfe);
    let stats = adjoint.backward(&system, record, &WEIGHTS.to_vec()).unwrap().stats;
    // Two evaluations for the ends of time need no reverse product.
    assert_eq!(
        (system.evaluations.take(), system.pullbacks.take()),
        (stats.nfe, stats.nfe - 2)
    );
}

#[test]
fn an_empty_span_passes_the_cotangent_through_and_its_ends_move_along_the_slope() {
    let mut slope = Y0.to_vec();
    Network::new().rhs(1.0, &Y0.to_vec(), &mut slope).unwrap();
    let along: f64 = slope.iter().zip(WEIGHTS).map(|(f, w)| f * w).sum();
    let reversible = (AdjointMethod::Reversible(Reversible), Method::ReversibleHeun);
    let others = adjoints().map(|adjoint| (adjoint, Method::Dopri5));
    for (adjoint, method) in others.into_iter().chain([reversible]) {
        let (system, solver) = (Network::new(), adaptive(method, 1e-6));
        let (solution, record) = adjoint.forward(&solver, &system, &Y0.to_vec(), 1.0, 1.0).unwrap();
        assert_eq!(solution.state, Y0);
        let back = adjoint.backward(&system, record, &WEIGHTS.to_vec()).unwrap();
        assert_eq!(back.y0, WEIGHTS);
        assert!(back.gradient.iter().all(|&g| g == 0.0));
        assert_eq!((back.t0, back.t1), (-along, along), "{adjoint}");
    }
}

#[test]
fn a_partial_solution_has_the_gradient_of_what_was_reached() {
    let solver = adaptive(Method::Dopri5, 1e-11)
        .max_steps(30)
        .on_budget(OnBudget::Partial)
        .stop_at(vec![0.3, 7.5]);
    for adjoint in adjoints() {
        let system = Network::new();
        let (solution, record) = adjoint.forward(&solver, &system, &Y0.to_vec(), 0.0, 8.0).unwrap();
        assert!(solution.t > 0.3 && solution.t < 7.5 && !solution.is_complete());
        let whole = adaptive(Method::Dopri5, 1e-11).stop_at(vec![0.3]);
        let (_, reference) = Checkpointed::new()
            .forward(&whole, &system, &Y0.to_vec(), 0.0, solution.t)
            .unwrap();
        let reference = Checkpointed::new()
            .backward(&system, reference, &WEIGHTS.to_vec())
            .unwrap();
        match adjoint.backward(&system, record, &WEIGHTS.to_vec()) {
            Ok(back) => assert!(largest_difference(&flat(&back), &flat(&reference)) < 1e-7),
            // The way back has the same budget and may need a step more: then it says so.
            Err(error) => assert!(matches!(error, SolveError::MaxSteps { .. }), "{error}"),
        }
    }
}

#[test]
fn bad_cotangents_and_savers_are_refused() {
    for adjoint in adjoints() {
        let (system, solver) = (Network::new(), adaptive(Method::Dopri5, 1e-6));
        let (_, record) = adjoint.forward(&solver, &system, &Y0.to_vec(), 0.0, 1.0).unwrap();
        let error = adjoint
            .backward(&system, record, &vec![0.0, f64::NAN, 0.0])
            .unwrap_err();
        assert!(error.to_string().contains("cotangent"), "{error}");
        assert!(
            matches!(&error, SolveError::NonFiniteCotangent { t, found } if *t == 1.0 && found.first() == [1]),
            "{error}"
        );

        let saving = solver.save_at(SaveAt::Dense);
        let error = adjoint.forward(&saving, &system, &Y0.to_vec(), 0.0, 1.0).unwrap_err();
        assert!(
            matches!(error, SolveError::Setup(SetupError::AdjointSavesEndOnly)),
            "{error}"
        );
    }
    let error = "discretise".parse::<AdjointMethod>().unwrap_err().to_string();
    assert!(AdjointMethod::NAMES.iter().all(|name| error.contains(name)), "{error}");
}

#[test]
fn controllers_of_every_kind_are_differentiated_through() {
    use ffjord_ode::Pid;
    let differences = finite_differences(&Solver::new(Method::Dopri5).fixed_steps(300), 0.0, 1.0);
    for pid in [Pid::PI, Pid::PID] {
        let control = Adaptive::new(Tolerance::new(1e-10, 1e-10).unwrap())
            .pid(pid)
            .max_step(0.1);
        let solver = Solver::new(Method::Tsit5)
            .adaptive_with(control)
            .stop_at(vec![0.25, 0.5]);
        for adjoint in adjoints() {
            let off = largest_difference(&gradient(&adjoint, &solver, 0.0, 1.0), &differences);
            assert!(off < 1e-7, "{adjoint}, {pid:?}: {off:e}");
        }
    }
}
