//! Radau IIA of order 5: published solutions, evaluations beside SciPy's, Jacobians of every origin, mass matrices.

use std::{cell::Cell, convert::Infallible};

use ffjord_ode::{
    Matrix, Method, NonFinite, ScaledError, SetupError, SolveError, Solver, Sparsity, State, StateError, System,
    Tolerance,
};

use super::{
    problems::largest_difference,
    stiff_problems::{HIRES, OREGONATOR, ROBERTSON, StiffProblem, VAN_DER_POL},
};

fn solver(rtol: f64, atol: f64) -> Solver {
    Solver::new(Method::Radau5).adaptive(Tolerance::new(rtol, atol).unwrap())
}

/// Largest relative errors at the end and evaluations, those of Jacobians among them, of `solve_ivp(method="Radau")` of
/// SciPy 1.17.1 at relative tolerances of 1e-3 to 1e-9 and the absolute ones that the problems say.
#[rustfmt::skip]
const SCIPY: [(StiffProblem, [(f64, usize); 7]); 4] = [
    (VAN_DER_POL, [(1.6e-4, 2059), (2.3e-6, 3073), (1.8e-7, 4835), (8.6e-9, 7667), (3.4e-10, 13173), (2.9e-11, 22880), (9.1e-13, 39753)]),
    (ROBERTSON, [(1.2e-4, 1009), (3.8e-6, 1620), (3.5e-7, 2686), (2.1e-8, 4493), (1.4e-9, 7727), (7.7e-11, 13527), (2.8e-12, 23735)]),
    (HIRES, [(2.6e-5, 698), (1.4e-5, 1061), (1.9e-7, 1663), (1.3e-7, 2535), (1.2e-8, 4037), (7.7e-10, 6727), (3.5e-11, 11385)]),
    (OREGONATOR, [(1.5e-4, 3062), (1.7e-5, 4275), (6e-7, 6650), (5.4e-8, 10682), (2.8e-9, 17357), (1.3e-10, 29128), (7.6e-12, 49879)]),
];

/// Evaluations at this error, by straight lines between the points' logarithms; `None` outside of them.
fn evaluations_at(error: f64, points: &[(f64, usize)]) -> Option<f64> {
    points.windows(2).find_map(|pair| {
        let [(e0, n0), (e1, n1)] = [pair[0], pair[1]].map(|(e, n)| (e.ln(), (n as f64).ln()));
        let part = (error.ln() - e0) / (e1 - e0);
        (0.0..=1.0).contains(&part).then(|| (n0 + part * (n1 - n0)).exp())
    })
}

#[test]
fn evaluations_at_equal_error_are_at_most_those_of_scipy_and_a_third() {
    for (problem, theirs) in SCIPY {
        let mut logarithms = Vec::new();
        for exponent in 3..=9 {
            let rtol = 10.0_f64.powi(-exponent);
            let solution = problem.solve(&solver(rtol, rtol * problem.atol)).unwrap();
            let error = problem.error(solution.state);
            assert!(error < 100.0 * rtol, "{} at {rtol:e}: {error:e}", problem.name);
            if let Some(evaluations) = evaluations_at(error, &theirs) {
                logarithms.push((solution.stats.nfe as f64 / evaluations).ln());
            }
        }
        let mean = (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp();
        assert!(
            logarithms.len() >= 5 && mean < 1.3,
            "{}: {mean}, {logarithms:?}",
            problem.name
        );
    }
}

#[test]
fn single_precision_meets_published_solutions() {
    for problem in [VAN_DER_POL, ROBERTSON, HIRES, OREGONATOR] {
        let rhs = |_: f64, y: &Vec<f32>, dy: &mut Vec<f32>| {
            let wide: Vec<f64> = y.iter().map(|&y| f64::from(y)).collect();
            let mut slope = vec![0.0; wide.len()];
            (problem.rhs)(&wide, &mut slope);
            dy.iter_mut().zip(slope).for_each(|(dy, slope)| *dy = slope as f32);
        };
        let y0: Vec<f32> = problem.initial.iter().map(|&y| y as f32).collect();
        let solve = |solver: Solver| solver.solve(&rhs, &y0, 0.0, problem.end);
        let solution = solve(solver(1e-5, 1e-5 * problem.atol)).unwrap();
        let error = problem.error(solution.state.iter().map(|&y| f64::from(y)));
        assert!(error < 2e-5, "{}: {error:e} {:?}", problem.name, solution.state);
        let error = solve(solver(1e-9, 1e-12)).unwrap_err();
        assert!(matches!(error, SolveError::Rounding { .. }), "{error}");
    }
}

#[test]
fn components_of_very_different_sizes_do_not_hide_each_other() {
    let mixed = |t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [0.0, -1000.0 * (y[1].powi(3) - t.cos())];
    let beside = |large: f64| solver(1e-6, 1e-8).solve(&mixed, &[large, 1.0], 0.0, 1.0).unwrap();
    let (none, some) = (beside(0.0), beside(1e12));
    assert!((none.state[1] - some.state[1]).abs() < 1e-6, "{none:?} {some:?}");
}

/// Diffusion on a line of 60 points.
struct Diffusion {
    given: bool,
    banded: bool,
    jacobians: Cell<usize>,
}

const N: usize = 60;

impl System<Vec<f64>> for Diffusion {
    type Error = Infallible;

    fn rhs(&self, _t: f64, y: &Vec<f64>, dy: &mut Vec<f64>) -> Result<(), Infallible> {
        for i in 0..N {
            let left = if i > 0 { y[i - 1] } else { 0.0 };
            let right = y.get(i + 1).copied().unwrap_or(0.0);
            dy[i] = 3600.0 * (left - 2.0 * y[i] + right) - y[i].powi(3);
        }
        Ok(())
    }

    fn jacobian(&self, _t: f64, y: &Vec<f64>, jacobian: &mut Matrix) -> Result<bool, Infallible> {
        if self.given {
            self.jacobians.set(self.jacobians.get() + 1);
            for i in 0..N {
                jacobian[(i, i)] = -7200.0 - 3.0 * y[i] * y[i];
                if i > 0 {
                    jacobian[(i, i - 1)] = 3600.0;
                    jacobian[(i - 1, i)] = 3600.0;
                }
            }
        }
        Ok(self.given)
    }

    fn sparsity(&self) -> Option<Sparsity> {
        self.banded.then(|| Sparsity::banded(N, 1, 1))
    }
}

#[test]
fn jacobians_of_every_origin_give_the_same_solution() {
    let y0: Vec<f64> = (0..N).map(|i| (i as f64 * 0.3).sin()).collect();
    let solve = |given, banded| {
        let system = Diffusion {
            given,
            banded,
            jacobians: Cell::new(0),
        };
        let solution = solver(1e-7, 1e-9).solve(&system, &y0, 0.0, 1.0).unwrap();
        (solution, system.jacobians.get())
    };
    let ((given, count), (banded, _), (dense, _)) = (solve(true, true), solve(false, true), solve(false, false));
    for other in [&banded, &dense] {
        assert!(largest_difference(&given.state, &other.state) < 1e-8);
        assert_eq!(given.stats.accepted, other.stats.accepted);
    }
    // A Jacobian costs an evaluation where it is given, three by groups of a band, and one a column otherwise.
    assert!(
        count >= 1 && count < given.stats.accepted / 4,
        "{count}, {:?}",
        given.stats
    );
    assert_eq!(banded.stats.nfe, given.stats.nfe + 2 * count);
    assert_eq!(dense.stats.nfe, given.stats.nfe + (N - 1) * count);
}

/// Robertson's reaction with its mass balance in place of the third equation.
struct Balanced;

impl System<[f64; 3]> for Balanced {
    type Error = Infallible;

    fn rhs(&self, _t: f64, y: &[f64; 3], dy: &mut [f64; 3]) -> Result<(), Infallible> {
        let slow = -0.04 * y[0] + 1e4 * y[1] * y[2];
        *dy = [slow, -slow - 3e7 * y[1] * y[1], y[0] + y[1] + y[2] - 1.0];
        Ok(())
    }

    fn mass_matrix(&self) -> Option<Matrix> {
        Some(Matrix::diagonal(&[1.0, 1.0, 0.0]))
    }
}

#[test]
fn mass_matrices_may_be_singular() {
    let solution = solver(1e-7, 1e-14)
        .solve(&Balanced, &[1.0, 0.0, 0.0], 0.0, 1e11)
        .unwrap();
    let error = ROBERTSON.error(solution.state);
    assert!(error < 1e-5, "{error:e} {solution:?}");
    assert!((solution.state.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

/// 2 y₁' + y₂' = −y₁, y₁' + 2 y₂' = −y₂: y₁ ± y₂ decay at rates 1/3 and 1.
struct Coupled;

impl System<[f64; 2]> for Coupled {
    type Error = Infallible;

    fn rhs(&self, _t: f64, y: &[f64; 2], dy: &mut [f64; 2]) -> Result<(), Infallible> {
        *dy = [-y[0], -y[1]];
        Ok(())
    }

    fn mass_matrix(&self) -> Option<Matrix> {
        let mut mass = Matrix::diagonal(&[2.0, 2.0]);
        (mass[(0, 1)], mass[(1, 0)]) = (1.0, 1.0);
        Some(mass)
    }
}

#[test]
fn mass_matrices_are_used_and_refused() {
    let solution = solver(1e-9, 1e-9).solve(&Coupled, &[1.0, 0.0], 0.0, 2.0).unwrap();
    let (sum, difference) = ((-2.0_f64 / 3.0).exp(), (-2.0_f64).exp());
    let exact = [(sum + difference) / 2.0, (sum - difference) / 2.0];
    assert!(
        largest_difference(&solution.state, &exact) < 1e-7,
        "{:?}",
        solution.state
    );
    for method in Method::ALL
        .into_iter()
        .filter(|&method| method != Method::Radau5 && method.is_adaptive())
    {
        let other = Solver::new(method).adaptive(Tolerance::new(1e-6, 1e-6).unwrap());
        let error = other.solve(&Coupled, &[1.0, 0.0], 0.0, 2.0).unwrap_err();
        assert!(
            matches!(error, SolveError::Setup(SetupError::MassMatrix { what }) if what == method.name()),
            "{error}"
        );
    }
}

/// A state that does not give its components.
#[derive(Debug, Clone)]
struct Opaque(Vec<f64>);

impl State for Opaque {
    fn zeros_like(&self) -> Result<Self, StateError> {
        self.0.zeros_like().map(Self)
    }
    fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError> {
        let terms: Vec<(f64, &Vec<f64>)> = terms.iter().map(|(c, x)| (*c, &x.0)).collect();
        self.0.set_sum(&terms)
    }
    fn dot(&self, other: &Self) -> Result<f64, StateError> {
        self.0.dot(&other.0)
    }
    fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
        self.0.scaled_error(&y0.0, &y1.0, tolerance)
    }
    fn non_finite(&self) -> Result<NonFinite, StateError> {
        self.0.non_finite()
    }
}

#[test]
fn states_that_do_not_suit_are_refused_and_kencarp4_takes_them() {
    let decay = |_: f64, y: &Opaque, dy: &mut Opaque| dy.0[0] = -1000.0 * y.0[0];
    let error = solver(1e-6, 1e-6)
        .solve(&decay, &Opaque(vec![1.0]), 0.0, 1.0)
        .unwrap_err();
    assert!(matches!(error, SolveError::State(StateError::NoComponents)), "{error}");
    let other = Solver::new(Method::KenCarp4).adaptive(Tolerance::new(1e-6, 1e-6).unwrap());
    assert!(other.solve(&decay, &Opaque(vec![1.0]), 0.0, 1.0).unwrap().state.0[0].abs() < 1e-5);
    let long = |_: f64, y: &Vec<f64>, dy: &mut Vec<f64>| dy.clone_from(y);
    let error = solver(1e-6, 1e-6).solve(&long, &vec![1.0; 2049], 0.0, 1.0).unwrap_err();
    let expected = StateError::TooManyComponents {
        found: 2049,
        limit: 2048,
    };
    assert_eq!(error.to_string(), expected.to_string());
}

#[test]
fn a_mass_matrix_of_another_size_is_refused() {
    struct Wrong;
    impl System<[f64; 1]> for Wrong {
        type Error = Infallible;
        fn rhs(&self, _t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Infallible> {
            *dy = *y;
            Ok(())
        }
        fn mass_matrix(&self) -> Option<Matrix> {
            Some(Matrix::zeros(2))
        }
    }
    let error = solver(1e-6, 1e-6).solve(&Wrong, &[1.0], 0.0, 1.0).unwrap_err();
    assert!(
        matches!(
            error,
            SolveError::Setup(SetupError::WrongSize {
                found: 2,
                expected: 1,
                ..
            })
        ),
        "{error}"
    );
}
