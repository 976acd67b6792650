//! Reversible Heun: its path undone, and the gradient of its steps.

use ffjord_ode::{
    Evaluator, Method, ReversibleHeun, SetupError, SolveError, Solver, State, Stepper, System,
    adjoint::{Adjoint, AdjointMethod, DifferentiableSystem, Reversible},
};

use super::{
    adjoints::{WEIGHTS, Y0, adaptive, finite_differences, gradient},
    networks::Network,
    problems::largest_difference,
};

const METHOD: Method = Method::ReversibleHeun;

#[test]
fn the_gradient_is_that_of_the_steps_whatever_their_size() {
    for (t0, t1) in [(0.2, 1.7), (1.7, 0.2)] {
        for steps in [1, 2, 3, 20, 200] {
            let solver = Solver::new(METHOD).fixed_steps(steps);
            let (exact, differences) = (
                gradient(&Reversible, &solver, t0, t1),
                finite_differences(&solver, t0, t1),
            );
            let off = largest_difference(&exact, &differences);
            assert!(
                off < 1e-9,
                "{steps} steps, {t0} to {t1}: {off:e}\n{exact:?}\n{differences:?}"
            );
        }
    }
}

/// (y, ŷ, f(t, ŷ)) at every time, and the reverse mode of the steps with all of them at hand.
fn gradient_from_a_stored_path(system: &Network, times: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let combine = |terms: &[(f64, &Vec<f64>)]| {
        let mut sum = vec![0.0; Y0.len()];
        sum.set_sum(terms).unwrap();
        sum
    };
    let slope = |t, point: &Vec<f64>| {
        let mut slope = point.clone();
        system.rhs(t, point, &mut slope).unwrap();
        slope
    };
    let mut path = vec![(Y0.to_vec(), Y0.to_vec(), slope(times[0], &Y0.to_vec()))];
    for pair in times.windows(2) {
        let (h, (y, hat, f)) = (pair[1] - pair[0], path.last().unwrap());
        let next_hat = combine(&[(2.0, y), (-1.0, hat), (h, f)]);
        let next_f = slope(pair[1], &next_hat);
        let next_y = combine(&[(1.0, y), (0.5 * h, f), (0.5 * h, &next_f)]);
        path.push((next_y, next_hat, next_f));
    }
    let (mut y, mut hat, mut f) = (WEIGHTS.to_vec(), vec![0.0; Y0.len()], vec![0.0; Y0.len()]);
    let mut gradient = system.zero_gradient().unwrap();
    let mut product = hat.clone();
    let mut pull_back = |t, point: &Vec<f64>, v: &Vec<f64>| {
        let tape = system.linearize(t, point, &mut product.clone()).unwrap();
        system.pullback(tape, v, &mut product, &mut gradient).unwrap();
        product.clone()
    };
    for (i, pair) in times.windows(2).enumerate().rev() {
        let h = pair[1] - pair[0];
        let owed = pull_back(pair[1], &path[i + 1].1, &combine(&[(1.0, &f), (0.5 * h, &y)]));
        hat = combine(&[(1.0, &hat), (1.0, &owed)]);
        f = combine(&[(h, &hat), (0.5 * h, &y)]);
        y = combine(&[(1.0, &y), (2.0, &hat)]);
        hat = combine(&[(-1.0, &hat)]);
    }
    let owed = pull_back(times[0], &path[0].1, &f);
    (combine(&[(1.0, &y), (1.0, &hat), (1.0, &owed)]), gradient)
}

#[test]
fn the_reconstructed_path_gives_the_gradient_of_the_stored_one() {
    for steps in [10, 100, 1000] {
        let (system, solver) = (Network::new(), Solver::new(METHOD).fixed_steps(steps));
        let times: Vec<f64> = (0..=steps).map(|i| 2.0 * (i as f64 / steps as f64)).collect();
        let (y0, theta) = gradient_from_a_stored_path(&system, &times);
        let (_, record) = Reversible.forward(&solver, &system, &Y0.to_vec(), 0.0, 2.0).unwrap();
        let undone = Reversible.backward(&system, record, &WEIGHTS.to_vec()).unwrap();
        let off = largest_difference(&undone.y0, &y0).max(largest_difference(&undone.gradient, &theta));
        assert!(off < 1e-11, "{steps} steps: {off:e}");
    }
}

#[test]
fn adaptive_steps_follow_the_exact_gradient() {
    let differences = finite_differences(&Solver::new(Method::Dopri5).fixed_steps(300), 0.2, 1.7);
    let off = |tolerance| {
        largest_difference(
            &gradient(&Reversible, &adaptive(METHOD, tolerance), 0.2, 1.7),
            &differences,
        )
    };
    assert!(
        off(1e-6) < 1e-4 && off(1e-6) < off(1e-3),
        "{:e} and {:e}",
        off(1e-6),
        off(1e-3)
    );
}

#[test]
fn one_evaluation_a_step_both_ways() {
    let (system, solver) = (Network::new(), adaptive(METHOD, 1e-4));
    let (solution, record) = Reversible.forward(&solver, &system, &Y0.to_vec(), 0.0, 2.0).unwrap();
    assert_eq!(system.evaluations.take(), solution.stats.nfe);
    // The first slope, and the one that selects the first step.
    assert_eq!(
        solution.stats.nfe,
        2 + solution.stats.accepted + solution.stats.rejected
    );
    let stats = Reversible.backward(&system, record, &WEIGHTS.to_vec()).unwrap().stats;
    assert_eq!(
        (stats.nfe, stats.accepted),
        (solution.stats.accepted + 1, solution.stats.accepted)
    );
    assert_eq!(
        (system.evaluations.take(), system.pullbacks.take()),
        (stats.nfe, stats.nfe)
    );
}

#[test]
fn a_step_back_undoes_a_step() {
    let system = Network::new();
    let mut f = Evaluator::new(&system, usize::MAX);
    let mut stepper = ReversibleHeun::new(&Y0.to_vec()).unwrap();
    stepper.start(&mut f, 0.5, &Y0.to_vec()).unwrap();
    let mut visited = Vec::new();
    for i in 1..=50 {
        visited.push((stepper.state().clone(), stepper.companion().clone()));
        stepper.attempt(&mut f, 0.5 + 0.05 * f64::from(i)).unwrap();
        stepper.accept();
    }
    for i in (0..50).rev() {
        stepper.attempt(&mut f, 0.5 + 0.05 * f64::from(i)).unwrap();
        stepper.accept();
        let (y, companion) = visited.pop().unwrap();
        assert!(largest_difference(stepper.state(), &y) < 1e-13, "step {i}");
        assert!(largest_difference(stepper.companion(), &companion) < 1e-13, "step {i}");
    }
}

#[test]
fn adjoints_refuse_methods_that_are_not_theirs() {
    for (name, method) in [
        ("reversible", Method::Dopri5),
        ("checkpointed", METHOD),
        ("binomial", METHOD),
    ] {
        let adjoint: AdjointMethod = name.parse().unwrap();
        let error = adjoint
            .forward(
                &Solver::new(method).fixed_steps(3),
                &Network::new(),
                &Y0.to_vec(),
                0.0,
                1.0,
            )
            .unwrap_err();
        assert!(
            matches!(error, SolveError::Setup(SetupError::AdjointNeedsMethod { adjoint, .. }) if adjoint == name),
            "{error}"
        );
        assert!(error.to_string().contains(method.name()), "{error}");
    }
    // The solution itself needs no steps that an adjoint could undo.
    for name in ["backsolve", "interpolated"] {
        let adjoint: AdjointMethod = name.parse().unwrap();
        let solver = Solver::new(METHOD).fixed_steps(400);
        let differences = finite_differences(&Solver::new(Method::Dopri5).fixed_steps(300), 0.2, 1.7);
        let off = largest_difference(&gradient(&adjoint, &solver, 0.2, 1.7), &differences);
        assert!(off < 1e-4, "{name}: {off:e}");
    }
}

#[test]
fn an_empty_span_passes_the_cotangent_through() {
    let (system, solver) = (Network::new(), adaptive(METHOD, 1e-6));
    let (solution, record) = Reversible.forward(&solver, &system, &Y0.to_vec(), 1.0, 1.0).unwrap();
    assert_eq!(solution.state, Y0);
    let back = Reversible.backward(&system, record, &WEIGHTS.to_vec()).unwrap();
    assert_eq!(back.y0, WEIGHTS);
    assert!(back.gradient.iter().all(|&g| g == 0.0));
}
