//! The settings a method is tried with, and what came of each.

use crate::error::Result;
use ffjord_ode::{Method, Solver, Tolerance};
use serde::Serialize;

/// Evaluations after which a solve is given up.
const MAX_EVALUATIONS: usize = 200_000;

/// One solve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Tolerance, relative and absolute, of adaptive steps; none for fixed ones.
    pub tolerance: Option<f64>,
    /// Number of fixed steps.
    pub steps: Option<usize>,
    /// Evaluations of the right-hand side.
    pub nfe: f64,
    /// Largest error of a component of the final state, relative to 1 + its size.
    pub error: f64,
}

/// A method on a problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// The problem's name; its first letter is its class.
    pub problem: String,
    /// The method's name.
    pub method: &'static str,
    /// A point for each setting that led to the end, from coarse to fine.
    pub points: Vec<Point>,
}

impl Curve {
    /// Evaluations at the coarsest setting from which on, towards the finer, all errors are below `target`: a single
    /// small error among larger ones is luck. None where no setting is.
    pub fn cost(&self, target: f64) -> Option<f64> {
        let reached = self.points.iter().rev().take_while(|point| point.error <= target);
        reached.last().map(|point| point.nfe)
    }
}

/// The solver of reference solutions.
///
/// # Errors
/// Never with this tolerance.
pub fn reference_solver() -> Result<Solver> {
    Ok(Solver::new(Method::Dopri8).adaptive(Tolerance::new(1e-13, 1e-13)?))
}

/// Tries `method` with two tolerances a decade from 1e-2 to 1e-11, or with 10 to 20,480 fixed steps; `solve` returns
/// evaluations and error, or none where the solve failed.
///
/// # Errors
/// Those of `solve`.
pub fn curve(
    problem: &str,
    method: Method,
    mut solve: impl FnMut(&Solver) -> Result<Option<(f64, f64)>>,
) -> Result<Curve> {
    let mut points = Vec::new();
    let mut attempt = |solver: Solver, tolerance: Option<f64>, steps: Option<usize>| -> Result<()> {
        if let Some((nfe, error)) = solve(&solver.max_evaluations(MAX_EVALUATIONS))? {
            points.push(Point {
                tolerance,
                steps,
                nfe,
                error,
            });
        }
        Ok(())
    };
    if method.is_adaptive() {
        for half_decade in 4..=22 {
            let tolerance = 10.0_f64.powf(-0.5 * f64::from(half_decade));
            attempt(
                Solver::new(method).adaptive(Tolerance::new(tolerance, tolerance)?),
                Some(tolerance),
                None,
            )?;
        }
    } else {
        for doubling in 0..12 {
            let steps = 10 << doubling;
            attempt(Solver::new(method).fixed_steps(steps), None, Some(steps))?;
        }
    }
    Ok(Curve {
        problem: problem.to_string(),
        method: method.name(),
        points,
    })
}
