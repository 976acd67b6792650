//! Every method on the classical problems.

use super::{Curve, curve, problems, reference_solver};
use crate::error::{Result, StudyError};
use ffjord_ode::Method;
use std::path::PathBuf;

/// Every method on every problem of DETEST.
///
/// # Errors
/// When a reference solve fails.
pub fn classical_curves() -> Result<Vec<Curve>> {
    let mut curves = Vec::new();
    for problem in problems() {
        let rhs = |t: f64, y: &Vec<f64>, dy: &mut Vec<f64>| (problem.rhs)(t, y, dy);
        let solve = |solver: &ffjord_ode::Solver| solver.solve(&rhs, &problem.y0, 0.0, problem.end());
        let reference = solve(&reference_solver()?).map_err(|error| StudyError::Reference {
            path: PathBuf::from(problem.name),
            reason: error.to_string(),
        })?;
        for method in Method::ALL {
            curves.push(curve(problem.name, method, |solver| {
                // A solve that fails, as at a loose tolerance it may, is no point of the curve.
                let Ok(solution) = solve(solver) else {
                    return Ok(None);
                };
                let errors = solution.state.iter().zip(&reference.state);
                let error = errors.map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max);
                Ok(Some((solution.stats.nfe as f64, error)))
            })?);
        }
    }
    Ok(curves)
}
