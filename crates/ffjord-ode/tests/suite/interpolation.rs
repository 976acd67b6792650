//! Values between steps: their order, their ends, and agreement of the ways to ask for them.

use ffjord_ode::{Method, SaveAt, SetupError, Solver, Tolerance};

use super::problems::{self, Problem, largest_difference, measured_order};

/// Largest error inside one step of size h.
fn error_inside_a_step(problem: &Problem, method: Method, t0: f64, h: f64) -> f64 {
    let rhs = |t: f64, y: &Vec<f64>, dy: &mut Vec<f64>| (problem.rhs)(t, y, dy);
    let solver = Solver::new(method).fixed_steps(1).save_at(SaveAt::Dense);
    let dense = solver
        .solve(&rhs, &(problem.exact)(t0), t0, t0 + h)
        .unwrap()
        .dense
        .unwrap();
    let inside = (1..20).map(|i| t0 + h * f64::from(i) / 20.0);
    inside
        .map(|t| problem.error(t, &dense.at(t).unwrap()))
        .fold(0.0, f64::max)
}

#[test]
fn interpolants_have_their_order() {
    for problem in [problems::HARMONIC, problems::LOGISTIC, problems::COSINE] {
        for method in problems::fixed_order() {
            // The leading errors of high orders nearly cancel on logistic growth.
            if method.interpolation_order() > 4 && problem.name == problems::LOGISTIC.name {
                continue;
            }
            // Small enough for the leading term, large enough for rounding not to show.
            let largest = match method.interpolation_order() {
                1 | 2 => 0.02,
                3 | 4 => 0.08,
                _ => 0.6,
            };
            let points: Vec<(f64, f64)> = [1.0, 0.5, 0.25]
                .map(|part| {
                    (
                        part * largest,
                        error_inside_a_step(&problem, method, 0.3, part * largest),
                    )
                })
                .to_vec();
            // The error of one step is an order higher than that of the whole.
            let nominal = f64::from(method.interpolation_order()) + 1.0;
            let order = measured_order(&points);
            // Verner's interpolant misses the conditions of the next order by 2e-7, which shows in the smallest steps only.
            let above = if method == Method::Vern7 { 1.0 } else { 0.0 };
            assert!(
                order > nominal - 0.2 && order < nominal + above + 0.2,
                "{method} on {}: order {order}, {points:?}",
                problem.name
            );
        }
    }
}

#[test]
fn dense_output_is_continuous_and_meets_the_steps() {
    for problem in [problems::HARMONIC, problems::COSINE_BACK, problems::ORBIT] {
        for method in Method::ALL.into_iter().filter(|method| method.is_adaptive()) {
            let solver = Solver::new(method).adaptive(Tolerance::new(1e-7, 1e-7).unwrap());
            let dense = problem
                .solve(&solver.clone().save_at(SaveAt::Dense))
                .unwrap()
                .dense
                .unwrap();
            let steps = problem.solve(&solver.save_at(SaveAt::Steps)).unwrap().saved;
            assert_eq!(dense.steps().len() + 1, steps.len());
            assert_eq!(dense.at(steps[0].t).unwrap(), steps[0].state);
            for (step, (start, end)) in dense.steps().iter().zip(steps.iter().zip(&steps[1..])) {
                assert_eq!((step.t0(), step.t1()), (start.t, end.t));
                assert!(largest_difference(&step.at(start.t).unwrap(), &start.state) < 1e-14);
                assert!(
                    largest_difference(&step.at(end.t).unwrap(), &end.state) < 1e-12,
                    "{method}"
                );
            }
        }
    }
}

#[test]
fn saved_times_are_those_of_dense_output() {
    for problem in [problems::HARMONIC, problems::COSINE_BACK] {
        let (t0, t1) = problem.span;
        let times: Vec<f64> = (0..=40).map(|i| t0 + (t1 - t0) * f64::from(i) / 40.0).collect();
        for method in problems::fixed_order() {
            let solver = Solver::new(method).fixed_steps(97);
            let saved = problem
                .solve(&solver.clone().save_at(SaveAt::Times(times.clone())))
                .unwrap();
            let dense = problem.solve(&solver.save_at(SaveAt::Dense)).unwrap().dense.unwrap();
            assert_eq!(saved.saved.len(), times.len());
            for (point, &t) in saved.saved.iter().zip(&times) {
                assert_eq!(point.t, t);
                assert!(
                    largest_difference(&point.state, &dense.at(t).unwrap()) < 1e-13,
                    "{method}"
                );
            }
            assert_eq!(saved.saved.last().unwrap().state, saved.state);
        }
    }
}

/// Values of torchdiffeq's algorithm (dopri5, rtol 1e-3, atol 1e-6) between its steps.
#[test]
fn dopri5_interpolates_as_torchdiffeq() {
    let expected = [
        (1.0, [0.8416785983293836, 0.5402791387017178]),
        (2.5, [0.5984569121485906, -0.8018302380455123]),
        (7.3, [0.8525001381182868, 0.5234131159797872]),
    ];
    let solver = Solver::new(Method::Dopri5)
        .adaptive(Tolerance::new(1e-3, 1e-6).unwrap())
        .save_at(SaveAt::Times(expected.iter().map(|(t, _)| *t).collect()));
    let solution = problems::HARMONIC.solve(&solver).unwrap();
    for (point, (_, value)) in solution.saved.iter().zip(expected) {
        assert!(largest_difference(&point.state, &value) < 1e-13, "{point:?}");
    }
}

#[test]
fn saving_costs_no_evaluations_but_the_last_slope() {
    let bare = problems::HARMONIC
        .solve(&Solver::new(Method::Rk4).fixed_steps(20))
        .unwrap();
    let dense = problems::HARMONIC
        .solve(&Solver::new(Method::Rk4).fixed_steps(20).save_at(SaveAt::Dense))
        .unwrap();
    assert_eq!((bare.stats.nfe, dense.stats.nfe), (80, 81));
    let tolerance = Tolerance::new(1e-6, 1e-6).unwrap();
    let bare = problems::HARMONIC
        .solve(&Solver::new(Method::Dopri5).adaptive(tolerance))
        .unwrap();
    let dense = Solver::new(Method::Dopri5).adaptive(tolerance).save_at(SaveAt::Dense);
    assert_eq!(problems::HARMONIC.solve(&dense).unwrap().stats, bare.stats);
}

#[test]
fn times_outside_the_solve_are_refused() {
    let dense = problems::DECAY
        .solve(&Solver::new(Method::Rk4).fixed_steps(5).save_at(SaveAt::Dense))
        .unwrap();
    let dense = dense.dense.unwrap();
    for t in [-0.1, 5.1, f64::NAN] {
        assert!(dense.at(t).is_err(), "{t}");
    }
    for times in [
        vec![6.0],
        vec![-1.0],
        vec![2.0, 1.0],
        vec![f64::NAN],
        vec![1.0, f64::INFINITY],
    ] {
        let solver = Solver::new(Method::Rk4).fixed_steps(5).save_at(SaveAt::Times(times));
        let error = problems::DECAY.solve(&solver).unwrap_err();
        let refused = matches!(
            error,
            ffjord_ode::SolveError::Setup(SetupError::InvalidTimes { purpose: "save", .. })
        );
        assert!(refused, "{error}");
    }
}
