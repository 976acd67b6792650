//! Implicit steps whose equations have no solution that can be found: that is what the solve says, and not that something
//! is not a number.

use std::convert::Infallible;

use ffjord_ode::{Adaptive, Matrix, Method, OnBudget, Outcome, SolveError, Solver, StopReason, System, Tolerance};

const IMPLICIT: [Method; 2] = [Method::KenCarp4, Method::Radau5];

fn adaptive(method: Method) -> Solver {
    Solver::new(method).adaptive_with(Adaptive::new(Tolerance::new(1e-6, 1e-6).unwrap()).first_step(0.1))
}

/// A force that turns round at y = 1/2, far too strong for any step that time can tell apart: y stays there, and no stage
/// has a slope that is consistent with its value.
fn trap(_t: f64, y: &[f64; 1], dy: &mut [f64; 1]) {
    dy[0] = if y[0] > 0.5 { -1e20 } else { 1e20 };
}

#[test]
fn steps_without_a_solution_are_not_called_infinite() {
    for method in IMPLICIT {
        let error = adaptive(method).solve(&trap, &[0.5], 1.0, 2.0).unwrap_err();
        assert!(
            matches!(error, SolveError::NotConverged { method: name, t: 1.0, dt } if name == method.name() && dt > 0.0),
            "{method}: {error}"
        );
        let text = error.to_string();
        assert!(
            text.contains("does not converge") && text.contains("continuous"),
            "{text}"
        );
        let partial = adaptive(method).on_budget(OnBudget::Partial);
        let partial = partial.solve(&trap, &[0.5], 1.0, 2.0).unwrap();
        assert!(
            matches!(partial.outcome, Outcome::Partial(StopReason::NotConverged { dt }) if dt > 0.0),
            "{method}: {:?}",
            partial.outcome
        );
    }
}

#[test]
fn fixed_steps_too_large_for_their_equations_say_so() {
    // Singular at t = π/2: no value at the end of a step of 10 fits its slope there.
    let tangent = |_: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 1.0 + y[0] * y[0];
    for method in IMPLICIT {
        let solve = |steps, end| Solver::new(method).fixed_steps(steps).solve(&tangent, &[0.0], 0.0, end);
        let error = solve(1, 10.0).unwrap_err();
        assert!(
            matches!(error, SolveError::NotConverged { t: 0.0, dt: 10.0, .. }),
            "{method}: {error}"
        );
        assert!(error.to_string().contains("smaller steps"), "{error}");
        let short = solve(50, 1.0).unwrap().state[0];
        assert!((short - 1.0_f64.tan()).abs() < 1e-4, "{method}: {short}");
    }
}

/// y₁' = y₂, 0 = y₂² − t: from t = 0 on there is a solution, before there is none.
struct Rootless;

impl System<[f64; 2]> for Rootless {
    type Error = Infallible;

    fn rhs(&self, t: f64, y: &[f64; 2], dy: &mut [f64; 2]) -> Result<(), Infallible> {
        *dy = [y[1], y[1] * y[1] - t];
        Ok(())
    }

    fn mass_matrix(&self) -> Option<Matrix> {
        Some(Matrix::diagonal(&[1.0, 0.0]))
    }
}

#[test]
fn algebraic_equations_without_a_solution_are_called_that() {
    // Backwards in time the root y₂ = √t ends at t = 0.
    let error = adaptive(Method::Radau5)
        .solve(&Rootless, &[0.0, 1.0], 1.0, -1.0)
        .unwrap_err();
    let SolveError::NotConverged { t, .. } = error else {
        panic!("{error}")
    };
    assert!(t.abs() < 1e-3, "{error}");
}

#[test]
fn a_tolerance_below_the_rounding_may_end_in_a_partial_solution() {
    let decay = |_: f64, y: &[f32; 1], dy: &mut [f32; 1]| dy[0] = -y[0];
    for method in IMPLICIT {
        let solver = Solver::new(method).adaptive(Tolerance::new(1e-9, 1e-9).unwrap());
        let partial = solver
            .on_budget(OnBudget::Partial)
            .solve(&decay, &[1.0], 0.0, 1.0)
            .unwrap();
        assert!(
            matches!(partial.outcome, Outcome::Partial(StopReason::Rounding { ratio }) if ratio > 0.125),
            "{method}: {:?}",
            partial.outcome
        );
        assert_eq!((partial.t, partial.state), (0.0, [1.0]));
    }
}
