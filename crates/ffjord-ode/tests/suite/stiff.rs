//! Stiff problems: the implicit method takes few steps where explicit ones crawl, with and without a product of the
//! system's own.

use std::{cell::Cell, convert::Infallible};

use ffjord_ode::{
    Adaptive, Method, NextStep, OnBudget, Outcome, Solution, SolveError, Solver, StopReason, System, Tolerance,
};

use super::{
    problems::{HARMONIC, Problem, TRACKING, largest_difference},
    stiff_problems::{HIRES, OREGONATOR, ROBERTSON, StiffProblem, VAN_DER_POL},
};

fn solver(rtol: f64, atol: f64) -> Solver {
    Solver::new(Method::KenCarp4).adaptive(Tolerance::new(rtol, atol).unwrap())
}

/// Robertson's reaction: rate constants 0.04, 3e7 and 1e4.
fn robertson(_t: f64, y: &[f64; 3], dy: &mut [f64; 3]) {
    let (slow, fast, back) = (0.04 * y[0], 3e7 * y[1] * y[1], 1e4 * y[1] * y[2]);
    *dy = [-slow + back, slow - back - fast, fast];
}

#[test]
fn robertsons_reaction_is_followed() {
    // Hairer and Wanner II, IV.10: the state at t = 40.
    let expected = [0.7158270687, 9.185534764e-6, 0.2841637457];
    let solution = solver(1e-6, 1e-10)
        .solve(&robertson, &[1.0, 0.0, 0.0], 0.0, 40.0)
        .unwrap();
    for (y, expected) in solution.state.iter().zip(expected) {
        assert!((y - expected).abs() < 1e-4 * expected, "{:?}", solution.state);
    }
    assert!(solution.stats.accepted < 150, "{:?}", solution.stats);
}

/// Van der Pol's oscillator with μ = 1000, half a period.
struct VanDerPol {
    products: Cell<usize>,
    exact: bool,
}

impl System<Vec<f64>> for VanDerPol {
    type Error = Infallible;

    fn rhs(&self, _t: f64, y: &Vec<f64>, dy: &mut Vec<f64>) -> Result<(), Infallible> {
        dy[0] = y[1];
        dy[1] = 1000.0 * (1.0 - y[0] * y[0]) * y[1] - y[0];
        Ok(())
    }

    fn jacobian_product(
        &self,
        _t: f64,
        y: &Vec<f64>,
        v: &Vec<f64>,
        product: &mut Vec<f64>,
    ) -> Result<bool, Infallible> {
        if self.exact {
            self.products.set(self.products.get() + 1);
            product[0] = v[1];
            product[1] = (-2000.0 * y[0] * y[1] - 1.0) * v[0] + 1000.0 * (1.0 - y[0] * y[0]) * v[1];
        }
        Ok(self.exact)
    }
}

#[test]
fn products_of_the_system_replace_finite_differences() {
    let solve = |exact| {
        let system = VanDerPol {
            products: Cell::new(0),
            exact,
        };
        let solution = solver(1e-6, 1e-8).solve(&system, &vec![2.0, 0.0], 0.0, 1000.0).unwrap();
        (solution, system.products.get())
    };
    let ((own, products), (differences, none)) = (solve(true), solve(false));
    assert!(products > 0 && none == 0);
    assert!(
        largest_difference(&own.state, &differences.state) < 1e-2,
        "{own:?} {differences:?}"
    );
    for solution in [&own, &differences] {
        assert!(solution.stats.accepted < 1500, "{:?}", solution.stats);
    }
    let crawl = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-6, 1e-8).unwrap());
    let system = VanDerPol {
        products: Cell::new(0),
        exact: false,
    };
    let error = crawl
        .max_steps(20_000)
        .solve(&system, &vec![2.0, 0.0], 0.0, 1000.0)
        .unwrap_err();
    assert!(matches!(error, SolveError::MaxSteps { .. }), "{error}");
}

#[test]
fn errors_follow_the_tolerance_however_stiff_the_problem() {
    let stiff = Problem {
        rhs: |t, y, dy| dy[0] = -1e6 * (y[0] - t.cos()) - t.sin(),
        ..TRACKING
    };
    for problem in [TRACKING, stiff] {
        let mut steps = Vec::new();
        for exponent in [4, 6, 8] {
            let tolerance = 10.0_f64.powi(-exponent);
            let solution = problem.solve(&solver(tolerance, tolerance)).unwrap();
            let error = problem.error(solution.t, &solution.state);
            assert!(error < 10.0 * tolerance, "{error:e} at {tolerance:e}");
            steps.push(solution.stats.accepted);
        }
        assert!(steps[0] < 30, "{steps:?}");
    }
}

#[test]
fn large_systems_need_no_matrix() {
    // Diffusion on a line of 400 points: y_i = Σ of two modes, each of which decays by itself.
    const N: usize = 400;
    let scale = (N as f64 + 1.0).powi(2);
    let heat = |_: f64, y: &Vec<f64>, dy: &mut Vec<f64>| {
        for i in 0..N {
            let left = if i > 0 { y[i - 1] } else { 0.0 };
            let right = y.get(i + 1).copied().unwrap_or(0.0);
            dy[i] = scale * (left - 2.0 * y[i] + right);
        }
    };
    let mode = |k: f64| move |i: usize| (k * std::f64::consts::PI * (i as f64 + 1.0) / (N as f64 + 1.0)).sin();
    let rate = |k: f64| 2.0 * scale * (1.0 - (k * std::f64::consts::PI / (N as f64 + 1.0)).cos());
    let at = |t: f64| -> Vec<f64> {
        (0..N)
            .map(|i| mode(1.0)(i) * (-rate(1.0) * t).exp() + mode(20.0)(i) * (-rate(20.0) * t).exp())
            .collect()
    };
    let solution = solver(1e-5, 1e-7).solve(&heat, &at(0.0), 0.0, 0.1).unwrap();
    assert!(largest_difference(&solution.state, &at(0.1)) < 1e-4);
    assert!(solution.stats.accepted < 60, "{:?}", solution.stats);
}

/// Components of sizes from 1e12 to 1e-12, none of which may hide another.
#[test]
fn every_component_is_followed_however_large_the_others() {
    for large in [1e6, 1e10, 1e12] {
        let mixed = |t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [0.0, -1000.0 * (y[1].powi(3) - t.cos())];
        // The solution beside a constant of size 1.
        let alone = |t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -1000.0 * (y[0].powi(3) - t.cos());
        let expected = Solver::new(Method::Dopri8)
            .adaptive(Tolerance::new(1e-12, 1e-12).unwrap())
            .solve(&alone, &[1.0], 0.0, 1.0)
            .unwrap()
            .state[0];
        let solution = solver(1e-6, 1e-8).solve(&mixed, &[large, 1.0], 0.0, 1.0).unwrap();
        assert!(
            (solution.state[1] - expected).abs() < 1e-6,
            "{large:e}: {:?}",
            solution.state
        );
        assert!(solution.stats.nfe < 2000, "{large:e}: {:?}", solution.stats);
    }
    // yᵢ = sᵢ cos t behind a rate of 1e5, over 24 decades.
    const SIZES: [f64; 9] = [1e12, 1e9, 1e6, 1e3, 1.0, 1e-3, 1e-6, 1e-9, 1e-12];
    let decades = |t: f64, y: &[f64; 9], dy: &mut [f64; 9]| {
        for i in 0..9 {
            let relative = y[i] / SIZES[i];
            dy[i] = SIZES[i] * (-1e5 * (relative.powi(3) - t.cos().powi(3)) - t.sin());
        }
    };
    let solution = solver(1e-6, 1e-20).solve(&decades, &SIZES, 0.0, 1.0).unwrap();
    for (y, size) in solution.state.iter().zip(SIZES) {
        assert!((y / size - 1.0_f64.cos()).abs() < 1e-5, "{:?}", solution.state);
    }
}

#[test]
fn published_solutions_are_met() {
    // Largest relative errors of a component, and evaluations, at a relative tolerance of 1e-7.
    for (problem, error, evaluations) in [
        (VAN_DER_POL, 1e-6, 28_000),
        (ROBERTSON, 1e-5, 24_000),
        (HIRES, 1e-6, 13_000),
        (OREGONATOR, 5e-5, 40_000),
    ] {
        let solution = problem.solve(&solver(1e-7, 1e-7 * problem.atol)).unwrap();
        let found = problem.error(solution.state.iter().copied());
        assert!(found < error, "{}: {found:e}, {:?}", problem.name, solution.stats);
        assert!(
            solution.stats.nfe < evaluations,
            "{}: {:?}",
            problem.name,
            solution.stats
        );
    }
}

/// The problem's solve with states in f32.
fn solve_f32(problem: &StiffProblem, solver: &Solver) -> Result<Solution<Vec<f32>>, SolveError<Infallible>> {
    let rhs = |_: f64, y: &Vec<f32>, dy: &mut Vec<f32>| {
        let wide: Vec<f64> = y.iter().map(|&y| f64::from(y)).collect();
        let mut slope = vec![0.0; wide.len()];
        (problem.rhs)(&wide, &mut slope);
        dy.iter_mut().zip(slope).for_each(|(dy, slope)| *dy = slope as f32);
    };
    let y0: Vec<f32> = problem.initial.iter().map(|&y| y as f32).collect();
    solver.solve(&rhs, &y0, 0.0, problem.end)
}

#[test]
fn published_solutions_are_met_in_single_precision() {
    // To where the reaction is slow; what comes after is below.
    let robertson = StiffProblem {
        end: 40.0,
        expected: &[0.7158270687, 9.185534764e-6, 0.2841637457],
        ..ROBERTSON
    };
    for (problem, error) in [
        (VAN_DER_POL, 1e-4),
        (robertson, 1e-5),
        (HIRES, 1e-4),
        (OREGONATOR, 1e-2),
    ] {
        let solution = solve_f32(&problem, &solver(1e-5, 1e-5 * problem.atol)).unwrap();
        let found = problem.error(solution.state.iter().map(|&y| f64::from(y)));
        assert!(found < error, "{}: {found:e}, {:?}", problem.name, solution.stats);
    }
}

/// Rates of 1e4 and steps of 1e4 leave nothing of slow components in the products that GMRES takes in single precision:
/// at t = 1e11 what is left of the first reactant was once wrong by 40 to 970 per cent.
#[test]
fn equations_too_stiff_for_single_precision_are_refused_and_not_answered_wrongly() {
    for exponent in 3..=5 {
        let rtol = 10.0_f64.powi(-exponent);
        let solver = solver(rtol, rtol * ROBERTSON.atol);
        let error = solve_f32(&ROBERTSON, &solver).unwrap_err();
        let predicted =
            Adaptive::new(Tolerance::new(rtol, rtol * ROBERTSON.atol).unwrap()).next_step(NextStep::Predicted);
        let other = solve_f32(&ROBERTSON, &Solver::new(Method::KenCarp4).adaptive_with(predicted)).unwrap_err();
        for error in [&error, &other] {
            assert!(
                matches!(error, SolveError::TooStiff { t, ratio, .. } if *t > 1e4 && *ratio > 1.0),
                "{rtol:e}: {error}"
            );
        }
        assert!(error.to_string().contains("f64 states, or radau5"), "{error}");
        let partial = solve_f32(&ROBERTSON, &solver.on_budget(OnBudget::Partial)).unwrap();
        assert!(
            matches!(partial.outcome, Outcome::Partial(StopReason::TooStiff { .. })),
            "{partial:?}"
        );
        // What was reached is right.
        let double = StiffProblem {
            end: partial.t,
            ..ROBERTSON
        };
        let double = double.solve(&self::solver(1e-8, 1e-16)).unwrap().state;
        let errors = partial
            .state
            .iter()
            .zip(&double)
            .map(|(y, double)| (f64::from(*y) / double - 1.0).abs());
        let error = errors.fold(0.0, f64::max);
        assert!(error < 3.0 * rtol, "{rtol:e}: {error:e}");
    }
}

#[test]
fn single_precision_is_as_good_as_double_or_says_why_not() {
    let mut kept = 0;
    for exponent in 8..32 {
        let tolerance = 10.0_f64.powf(f64::from(exponent) / -4.0);
        let solver = solver(tolerance, tolerance);
        match HARMONIC.solve_f32(&solver) {
            Ok(single) => {
                let double = HARMONIC.solve(&solver).unwrap();
                let wide: Vec<f64> = single.state.iter().map(|&y| f64::from(y)).collect();
                let (error, expected) = (HARMONIC.error(single.t, &wide), HARMONIC.error(double.t, &double.state));
                assert!(
                    error < expected + 2.0 * tolerance,
                    "{error:e}, {expected:e} at {tolerance:e}"
                );
                kept += 1;
            }
            Err(error) => {
                assert!(
                    matches!(error, SolveError::Rounding { t: 0.0, ratio, .. } if ratio > 0.125),
                    "{error}"
                );
                assert!(
                    tolerance < 5e-7 && error.to_string().contains("f64"),
                    "{tolerance:e}: {error}"
                );
            }
        }
    }
    assert_eq!(kept, 18);
}
