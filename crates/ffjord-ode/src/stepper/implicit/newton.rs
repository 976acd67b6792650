//! Newton's iteration for the equation of an implicit stage.

use super::gmres;
use crate::{
    error::{SolveError, StateError},
    norm::Tolerance,
    state::State,
    system::{Evaluator, System},
};

/// How a stage's equation ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Iteration {
    Converged,
    /// The iteration does not come closer to a solution.
    NotConverged,
    /// It came to an end, but products with the Jacobian are so large that their rounding hides slow components: the
    /// rounding relative to the vectors that were multiplied.
    TooStiff(f64),
    /// What the equation left open is not a finite number.
    NotFinite,
}

/// `z = s f(t, ψ + z)`, the equation of a stage: s is the step times the diagonal coefficient, z a stage's increment.
///
/// The increment is solved for, and not the value ψ + z: rounding is then relative to what changes in a step.
pub(super) struct StageEquation<'a, S> {
    pub(super) t: f64,
    /// The state at the step's start, for the weights of the norm.
    pub(super) start: &'a S,
    pub(super) psi: &'a S,
    pub(super) s: f64,
    /// The error allowed to a whole step; a stage may keep a hundredth of it.
    pub(super) tolerance: Tolerance,
}

/// What the iteration works on.
pub(super) struct Unknowns<'a, S> {
    /// The increment: a guess, then the solution.
    pub(super) z: &'a mut S,
    /// The value ψ + z.
    pub(super) value: &'a mut S,
    /// What the equation left open in the last iteration.
    pub(super) residual: &'a mut S,
}

/// Components of `y`, and how far the rounding of its numbers is above the tolerance, root mean square.
pub(super) fn rounding<S: State>(y: &S, tolerance: &Tolerance) -> Result<(usize, f64), StateError> {
    let count = y.scaled_error(y, y, tolerance)?.count.max(1);
    let ratio = y.epsilon() * (y.scaled_dot(y, y, y, tolerance)? / count as f64).sqrt();
    Ok((count, ratio))
}

impl<S: State> StageEquation<'_, S> {
    /// Solves the equation so far that what is open is small beside the tolerance.
    ///
    /// Norms are weighted by the tolerance. Every iteration takes an evaluation, and one for every product of GMRES. The
    /// linear equations `(1 − s ∂f/∂y) δ = residual` are solved to a part of the tolerance, and not of the residual: fast
    /// components make that so large that slow ones would not count. The corrections' rate θ tells what the next ones
    /// would add, `θ / (1 − θ)` of the last (Hairer and Wanner II, IV.8).
    pub(super) fn solve<Sys>(
        &self,
        f: &mut Evaluator<'_, Sys>,
        unknowns: Unknowns<'_, S>,
    ) -> Result<Iteration, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        const MAX_ITERATIONS: usize = 12;
        /// Part of a step's tolerance that the equation may leave open.
        const OPEN: f64 = 0.01;
        /// Part of that which a linear equation may leave.
        const LINEAR: f64 = 0.3;
        /// Corrections that are rounding alone, in units of that of the state's numbers.
        const ROUNDING: f64 = 2.0;
        /// Growth of the residual at which the iteration is given up; far from the solution it may grow a little.
        const HOPELESS: f64 = 2.0;
        let Unknowns { z, value, residual } = unknowns;
        let mut slope = z.zeros_like()?;
        let mut next = z.zeros_like()?;
        value.set_sum(&[(1.0, self.psi), (1.0, z)])?;
        let mut guess = z.zeros_like()?;
        guess.set_sum(&[(1.0, value)])?;
        let dot = |a: &S, b: &S| a.scaled_dot(b, self.start, &guess, &self.tolerance);
        let (count, rounding) = rounding(&guess, &self.tolerance)?;
        let components = (count as f64).sqrt();
        let open = OPEN * components;
        let mut previous = f64::NAN;
        let mut hopeless = f64::INFINITY;
        for _ in 0..MAX_ITERATIONS {
            f.rhs(self.t, value, &mut slope)?;
            residual.set_sum(&[(self.s, &slope), (-1.0, z)])?;
            let size = dot(residual, residual)?.sqrt();
            if !size.is_finite() {
                return Ok(Iteration::NotFinite);
            }
            if size >= hopeless {
                return Ok(Iteration::NotConverged);
            }
            hopeless = HOPELESS * size;
            let gmres::Solution { x: delta, left, growth } = gmres::solve(residual, LINEAR * open, dot, |v, out| {
                let mut product = v.zeros_like()?;
                f.jacobian_product((self.t, value), &slope, (v, &self.tolerance), &mut product)?;
                Ok::<(), SolveError<Sys::Error>>(out.set_sum(&[(1.0, v), (-self.s, &product)])?)
            })?;
            next.set_sum(&[(1.0, z), (1.0, &delta)])?;
            std::mem::swap(z, &mut next);
            value.set_sum(&[(1.0, self.psi), (1.0, z)])?;
            let correction = dot(&delta, &delta)?.sqrt();
            // What the corrections to come add up to: a rate is known from the second on.
            let remaining = match correction / previous {
                rate if rate < 1.0 => correction.min(correction * rate / (1.0 - rate)),
                _ => correction,
            };
            if correction <= ROUNDING * rounding * components || remaining.max(left) <= open {
                // In 1 − s ∂f/∂y slow components have the 1 alone.
                let hidden = residual.epsilon() * growth;
                return Ok(if hidden <= 1.0 {
                    Iteration::Converged
                } else {
                    Iteration::TooStiff(hidden)
                });
            }
            previous = correction;
        }
        Ok(Iteration::NotConverged)
    }
}
