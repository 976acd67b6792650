//! Newton's iteration for the equation of an implicit stage.

use super::gmres;
use crate::{
    error::SolveError,
    norm::{ErrorNorm, Tolerance},
    state::State,
    system::{Evaluator, System},
};

/// How a stage's equation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Iteration {
    Converged,
    Failed,
}

/// `Y = ψ + s f(t, Y)`, the equation of a stage: s is the step times the diagonal coefficient.
pub(super) struct StageEquation<'a, S> {
    pub(super) t: f64,
    pub(super) psi: &'a S,
    pub(super) s: f64,
    /// The error allowed to a whole step; a stage may keep a hundredth of it.
    pub(super) tolerance: Tolerance,
}

impl<S: State> StageEquation<'_, S> {
    /// Improves the guess `y` until the residual is small; leaves the last residual in `residual`.
    ///
    /// Every iteration takes an evaluation, and one for every product of GMRES. The linear equations
    /// `(1 − s ∂f/∂y) δ = residual` are solved inexactly: what they leave, the next iteration takes.
    pub(super) fn solve<Sys>(
        &self,
        f: &mut Evaluator<'_, Sys>,
        y: &mut S,
        residual: &mut S,
    ) -> Result<Iteration, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        const MAX_ITERATIONS: usize = 12;
        /// Part of a step's tolerance that the equation may leave open.
        const OPEN: f64 = 0.01;
        /// Reduction of the residual that a linear equation is solved to.
        const FORCING: f64 = 1e-2;
        /// The residual that rounding leaves, in units of the state's precision.
        const ROUNDING: f64 = 8.0;
        let mut slope = y.zeros_like()?;
        let mut previous = f64::INFINITY;
        for _ in 0..MAX_ITERATIONS {
            f.rhs(self.t, y, &mut slope)?;
            residual.set_sum(&[(1.0, self.psi), (self.s, &slope), (-1.0, y)])?;
            let ratio = ErrorNorm::Rms.ratio(&residual.scaled_error(self.psi, y, &self.tolerance)?);
            let rounding = ROUNDING * y.epsilon() * (gmres::norm(y)? + gmres::norm(self.psi)?);
            if ratio <= OPEN || gmres::norm(residual)? <= rounding {
                return Ok(Iteration::Converged);
            }
            // Far from the solution a residual may grow a little before it falls; a NaN never falls.
            let hopeless = 2.0 * previous;
            if ratio.is_nan() || ratio >= hopeless {
                return Ok(Iteration::Failed);
            }
            previous = ratio;
            let delta = gmres::solve(residual, FORCING, |v, out| {
                let mut product = v.zeros_like()?;
                f.jacobian_product((self.t, y), &slope, v, &mut product)?;
                Ok::<(), SolveError<Sys::Error>>(out.set_sum(&[(1.0, v), (-self.s, &product)])?)
            })?;
            slope.set_sum(&[(1.0, y), (1.0, &delta)])?;
            std::mem::swap(y, &mut slope);
        }
        Ok(Iteration::Failed)
    }
}
