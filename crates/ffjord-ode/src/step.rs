//! What an observer of a solve sees.

use crate::solution::Stats;

/// A step that has been accepted, as an observer of the solve sees it.
///
/// [`Solver::solve_observed`](crate::Solver::solve_observed) has an example.
///
/// ```
/// use std::ops::ControlFlow;
/// use ffjord_ode::{Method, Solver};
/// let growth = |_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 2.0;
/// let mut seen = Vec::new();
/// Solver::new(Method::Heun).fixed_steps(2).solve_observed(&growth, &[1.0], 0.0, 1.0, &[], |step| {
///     seen.push((step.t0, step.t1, step.y1[0] - step.y0[0], step.stats.nfe));
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(seen, [(0.0, 0.5, 1.0, 2), (0.5, 1.0, 1.0, 4)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Step<'a, S> {
    /// Time at which the step starts.
    pub t0: f64,
    /// Time at which it ends: that of the event, if a terminal one happened in it.
    pub t1: f64,
    /// The state at its start.
    pub y0: &'a S,
    /// The state at its end.
    pub y1: &'a S,
    /// Its error relative to the tolerance; 0 where no error is measured.
    pub error_ratio: f64,
    /// What the solve has taken so far, this step included.
    pub stats: Stats,
}
