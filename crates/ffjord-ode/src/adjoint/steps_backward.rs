//! The exact gradient of steps that were taken, pulled back one after the other from the last to the first.

use super::{
    AdjointSolution, DifferentiableSystem,
    kept::Evaluation,
    require_finite,
    reverse_step::{ReverseStep, TimeSensitivity},
};
use crate::{error::SolveError, solution::Stats, state::State, tableau::Tableau};

/// dL/dt0 and dL/dt1 of steps whose sizes are held as fractions of the interval.
pub(super) struct EndSensitivity {
    t0: f64,
    t1: f64,
    d_t0: f64,
    d_t1: f64,
}

impl EndSensitivity {
    /// Of an interval from `t0` to `t1`, before any step.
    pub(super) fn new(t0: f64, t1: f64) -> Self {
        Self {
            t0,
            t1,
            d_t0: 0.0,
            d_t1: 0.0,
        }
    }

    /// Adds what the step from `t` to `t_next` owes to its times.
    pub(super) fn add(&mut self, (t, t_next): (f64, f64), step: &TimeSensitivity) {
        // t = t0 + θ (t1 − t0) and h = Δθ (t1 − t0), with the fractions θ held.
        let span = self.t1 - self.t0;
        let (fraction, width) = ((t - self.t0) / span, (t_next - t) / span);
        self.d_t0 += step.t * (1.0 - fraction) - step.h * width;
        self.d_t1 += step.t * fraction + step.h * width;
    }

    /// The whole gradient, given dL/dy(t0) and dL/dθ.
    ///
    /// # Errors
    /// [`SolveError::NonFinite`] if dL/dy(t0) is not finite.
    pub(super) fn solution<S: State, G, E: std::error::Error>(
        self,
        y0: S,
        gradient: G,
        stats: Stats,
    ) -> Result<AdjointSolution<S, G>, SolveError<E>> {
        require_finite(&y0, self.t0)?;
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
    /// Begins with dL/dy(t1), before the last step from `t0` to `t1` is pulled back.
    pub(super) fn new<Sys: DifferentiableSystem<S, Gradient = G>>(
        system: &Sys,
        tableau: &'static Tableau,
        (t0, t1): (f64, f64),
        cotangent: &S,
    ) -> Result<Self, SolveError<Sys::Error>> {
        require_finite(cotangent, t1)?;
        Ok(Self {
            step: ReverseStep::new(tableau, cotangent)?,
            gradient: system
                .zero_gradient()
                .map_err(|source| SolveError::System { t: t1, source })?,
            ends: EndSensitivity::new(t0, t1),
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
