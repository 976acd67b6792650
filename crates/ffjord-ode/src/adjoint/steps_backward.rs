//! The exact gradient of steps that were taken, pulled back one after the other from the last to the first.

use super::{
    AdjointSolution, DifferentiableSystem,
    kept::Evaluation,
    require_finite,
    reverse_step::{ReverseStep, TimeSensitivity},
};
use crate::{error::SolveError, solution::Stats, state::State, tableau::Tableau};

/// dL/dt0 and dL/dt1 of steps whose sizes are held as fractions of the interval, or of the part of it between two jumps of
/// the right-hand side: these stay where they are.
pub(super) struct EndSensitivity {
    t0: f64,
    t1: f64,
    jumps: Vec<f64>,
    d_t0: f64,
    d_t1: f64,
}

impl EndSensitivity {
    /// Of an interval from `t0` to `t1`, before any step.
    pub(super) fn new(t0: f64, t1: f64, jumps: &[f64]) -> Self {
        let inside = |jump: &&f64| (**jump > t0.min(t1)) && (**jump < t0.max(t1));
        Self {
            t0,
            t1,
            jumps: jumps.iter().filter(inside).copied().collect(),
            d_t0: 0.0,
            d_t1: 0.0,
        }
    }

    /// Adds what the step from `t` to `t_next` owes to its times.
    pub(super) fn add(&mut self, (t, t_next): (f64, f64), step: &TimeSensitivity) {
        // t = a + θ (b − a) and h = Δθ (b − a), with the fractions θ held.
        let (a, b) = self.smooth_part(t);
        let span = b - a;
        let (fraction, width) = ((t - a) / span, (t_next - t) / span);
        if a == self.t0 {
            self.d_t0 += step.t * (1.0 - fraction) - step.h * width;
        }
        if b == self.t1 {
            self.d_t1 += step.t * fraction + step.h * width;
        }
    }

    /// The ends of the interval, or of the part of it between jumps, in which a step from `t` lies.
    fn smooth_part(&self, t: f64) -> (f64, f64) {
        let forwards = self.t1 >= self.t0;
        let behind = |jump: f64| if forwards { jump <= t } else { jump >= t };
        let before = self.jumps.iter().copied().rfind(|&jump| behind(jump));
        let after = self.jumps.iter().copied().find(|&jump| !behind(jump));
        (before.unwrap_or(self.t0), after.unwrap_or(self.t1))
    }

    /// The whole gradient, given dL/dy(t0) and dL/dθ.
    ///
    /// # Errors
    /// [`SolveError::NonFiniteGradient`] if dL/dy(t0) is not finite.
    pub(super) fn solution<S: State, G, E: std::error::Error>(
        self,
        y0: S,
        gradient: G,
        stats: Stats,
    ) -> Result<AdjointSolution<S, G>, SolveError<E>> {
        let found = y0.non_finite()?;
        if !found.is_empty() {
            return Err(SolveError::NonFiniteGradient { t: self.t0, found });
        }
        Ok(AdjointSolution {
            y0,
            gradient,
            t0: self.d_t0,
            t1: self.d_t1,
            stats,
        })
    }
}

/// The gradient of explicit Runge–Kutta steps, as far as they have been pulled back.
pub(super) struct StepsBackward<S, G> {
    step: ReverseStep<S>,
    gradient: G,
    ends: EndSensitivity,
    stats: Stats,
}

impl<S: State, G: State> StepsBackward<S, G> {
    /// Begins with dL/dy(t1), before the last step from `t0` to `t1` is pulled back; the right-hand side jumps at `jumps`.
    pub(super) fn new<Sys: DifferentiableSystem<S, Gradient = G>>(
        system: &Sys,
        tableau: &'static Tableau,
        (t0, t1): (f64, f64),
        jumps: &[f64],
        cotangent: &S,
    ) -> Result<Self, SolveError<Sys::Error>> {
        require_finite(cotangent, t1)?;
        Ok(Self {
            step: ReverseStep::new(tableau, jumps, t1 >= t0, cotangent)?,
            gradient: system
                .zero_gradient()
                .map_err(|source| SolveError::System { t: t1, source })?,
            ends: EndSensitivity::new(t0, t1, jumps),
            stats: Stats::default(),
        })
    }

    /// Pulls the step from `(t, y)` to `t_next` back.
    pub(super) fn pull_back<Sys: DifferentiableSystem<S, Gradient = G>>(
        &mut self,
        system: &Sys,
        times: (f64, f64),
        y: &S,
    ) -> Result<(), SolveError<Sys::Error>> {
        let sensitivity = self.step.pull_back(system, times, y, &mut self.gradient)?;
        self.count(times, &sensitivity);
        Ok(())
    }

    /// Pulls the step between `times` back, whose evaluations were kept.
    pub(super) fn pull_back_kept<Sys: DifferentiableSystem<S, Gradient = G>>(
        &mut self,
        system: &Sys,
        times: (f64, f64),
        evaluations: Vec<Evaluation<S, Sys::Tape>>,
    ) -> Result<(), SolveError<Sys::Error>> {
        let sensitivity = self
            .step
            .pull_back_kept(system, times, evaluations, &mut self.gradient)?;
        self.count(times, &sensitivity);
        Ok(())
    }

    fn count(&mut self, times: (f64, f64), sensitivity: &TimeSensitivity) {
        self.ends.add(times, sensitivity);
        self.stats += Stats {
            nfe: self.step.evaluations(),
            accepted: 1,
            rejected: 0,
        };
    }

    /// The gradient of the whole solve, its first step pulled back; `evaluations` were needed beside.
    pub(super) fn finish<E: std::error::Error>(
        self,
        evaluations: usize,
    ) -> Result<AdjointSolution<S, G>, SolveError<E>> {
        let mut stats = self.stats;
        stats.nfe += evaluations;
        self.ends.solution(self.step.into_cotangent(), self.gradient, stats)
    }
}
