//! Measured orders of every method on every problem, and the way there and back.

use ffjord_ode::{Method, SaveAt, Solver, Tolerance};

use super::problems::{self, Problem, measured_order};

/// Largest error over all steps: at single times the leading error term may cancel.
fn error(problem: &Problem, method: Method, steps: usize) -> f64 {
    let solver = Solver::new(method).fixed_steps(steps).save_at(SaveAt::Steps);
    let solution = problem.solve(&solver).unwrap();
    assert_eq!(solution.saved.len(), steps + 1);
    solution
        .saved
        .iter()
        .map(|point| problem.error(point.t, &point.state))
        .fold(0.0, f64::max)
}

#[test]
fn every_method_has_its_order() {
    let short = Problem {
        span: (0.0, 4.0),
        ..problems::COSINE
    };
    let back = Problem {
        span: (10.0, 0.0),
        ..problems::HARMONIC
    };
    for problem in [problems::DECAY, problems::HARMONIC, problems::LOGISTIC, short, back] {
        for method in problems::fixed_order() {
            // The leading errors of high orders nearly cancel on logistic growth.
            if method.order() >= 7 && problem.name == problems::LOGISTIC.name {
                continue;
            }
            let (t0, t1) = problem.span;
            let counts = match method.order() {
                1 => [3200, 6400, 12800],
                2 | 3 => [400, 800, 1600],
                4 if !method.is_adaptive() => [160, 320, 640],
                4 | 5 => [80, 160, 320],
                // Few enough that rounding does not show.
                _ => [3.0, 4.0, 6.0].map(|a_unit_of_time| (a_unit_of_time * (t1 - t0).abs()) as usize),
            };
            let points = counts.map(|n| (1.0 / n as f64, error(&problem, method, n)));
            let (order, nominal) = (measured_order(&points), f64::from(method.order()));
            assert!(
                (order - nominal).abs() < 0.2,
                "{method} on {}: order {order}, errors {points:?}",
                problem.name
            );
        }
    }
}

#[test]
fn adaptive_errors_follow_the_tolerance() {
    for problem in problems::ALL {
        for method in [
            Method::Bosh3,
            Method::Dopri5,
            Method::Tsit5,
            Method::Vern7,
            Method::Dopri8,
            Method::Adams,
        ] {
            for exponent in [4, 6, 8] {
                let tolerance = 10.0_f64.powi(-exponent);
                let solver = Solver::new(method).adaptive(Tolerance::new(tolerance, tolerance).unwrap());
                let solution = problem.solve(&solver).unwrap();
                let error = problem.error(solution.t, &solution.state);
                assert!(
                    error < 1000.0 * tolerance,
                    "{method} on {} at {tolerance:e}: {error:e}",
                    problem.name
                );
            }
        }
    }
}

#[test]
fn there_and_back_again() {
    for problem in [
        problems::HARMONIC,
        problems::LOGISTIC,
        problems::COSINE,
        problems::ORBIT,
    ] {
        for method in [
            Method::Rk4,
            Method::Rk4ThreeEighths,
            Method::Bosh3,
            Method::Dopri5,
            Method::Tsit5,
            Method::Vern7,
            Method::Dopri8,
            Method::ExplicitAdams,
            Method::FixedAdams,
            Method::Adams,
            Method::KenCarp4,
        ] {
            let solver = if method.is_adaptive() {
                Solver::new(method).adaptive(Tolerance::new(1e-9, 1e-9).unwrap())
            } else {
                Solver::new(method).fixed_steps(2000)
            };
            let there = problem.solve(&solver).unwrap();
            let rhs = |t: f64, y: &Vec<f64>, dy: &mut Vec<f64>| (problem.rhs)(t, y, dy);
            let back = solver
                .solve(&rhs, &there.state, problem.span.1, problem.span.0)
                .unwrap();
            assert_eq!(back.t, problem.span.0);
            let error = problem.error(back.t, &back.state);
            assert!(error < 1e-5, "{method} on {}: {error:e}", problem.name);
        }
    }
}

#[test]
fn f32_states_reach_f32_accuracy() {
    for problem in [
        problems::DECAY,
        problems::HARMONIC,
        problems::COSINE,
        problems::COSINE_BACK,
    ] {
        for solver in [
            Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-5, 1e-6).unwrap()),
            Solver::new(Method::Rk4).fixed_steps(400),
        ] {
            let solution = problem.solve_f32(&solver).unwrap();
            let state: Vec<f64> = solution.state.iter().map(|&y| f64::from(y)).collect();
            let error = problem.error(solution.t, &state);
            assert!(error < 2e-4, "{} on {}: {error:e}", solver.method(), problem.name);
        }
    }
}
