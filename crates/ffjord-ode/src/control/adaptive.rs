//! Settings of steps that follow the error.

use super::Pid;
use crate::{
    error::SetupError,
    norm::{ErrorMeasure, ErrorNorm, Tolerance},
};

/// How long a step may be after one that was accepted.
///
/// ```
/// use ffjord_ode::{Adaptive, Method, NextStep, Solver, Tolerance};
///
/// let pendulum = |_t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -y[0].sin()];
/// let tolerance = Tolerance::new(1e-6, 1e-6)?;
/// let evaluations = |next_step| {
///     let solver = Solver::new(Method::Dopri5).adaptive_with(Adaptive::new(tolerance).next_step(next_step));
///     solver.solve(&pendulum, &[2.0, 0.0], 0.0, 20.0).map(|solution| solution.stats.nfe)
/// };
/// assert!(evaluations(NextStep::Predicted)? <= evaluations(NextStep::NotShorter)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NextStep {
    /// At least as long, as in torchdiffeq. A step that was accepted with an error close to the tolerance is tried again
    /// in the same length, and likely to be rejected.
    #[default]
    NotShorter,
    /// As long as its error says, but not longer right after a rejection (Hairer, Nørsett, Wanner I, II.4).
    ByError,
    /// The same, and shorter where the error grew from the step before to this one, by as much again (Gustafsson, ACM TOMS
    /// 20(4), 1994; Hairer and Wanner II, IV.8). Saves rejections where the size of
    /// the solution's derivatives changes fast, and with implicit methods, whose steps grow fast.
    Predicted,
}

/// Settings of adaptive steps.
///
/// ```
/// use ffjord_ode::{Adaptive, ErrorNorm, Method, Pid, Solver, Tolerance};
/// let control = Adaptive::new(Tolerance::new(1e-6, 1e-8)?).pid(Pid::PI).norm(ErrorNorm::Max).max_step(0.5);
/// let solver = Solver::new(Method::Dopri5).adaptive_with(control);
/// # let _ = solver;
/// # Ok::<(), ffjord_ode::SetupError>(())
/// ```
///
/// The fields are there to be read, by a backend that controls steps elsewhere; the methods of their names set them.
///
/// A step that starts at 0.1, grows by at most a factor of 2 and never exceeds 0.5:
///
/// ```
/// use ffjord_ode::{Adaptive, Method, SaveAt, Solver, Tolerance};
/// let control =
///     Adaptive::new(Tolerance::new(1e-2, 1e-2)?).first_step(0.1).factors(0.2, 2.0).safety(0.8).max_step(0.5);
/// let solver = Solver::new(Method::Dopri5).adaptive_with(control.scale_tolerance(0.1)?).save_at(SaveAt::Steps);
/// let still = |_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 0.0;
/// let times: Vec<f64> = solver.solve(&still, &[1.0], 0.0, 1.7)?.saved.iter().map(|point| point.t).collect();
/// for (time, expected) in times.iter().zip([0.0, 0.1, 0.3, 0.7, 1.2, 1.7]) {
///     assert!((time - expected).abs() < 1e-12);
/// }
/// assert_eq!(times.len(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Adaptive {
    /// What errors are measured with.
    pub measure: ErrorMeasure,
    /// The gains.
    pub pid: Pid,
    /// What the step whose error is just tolerable is multiplied with.
    pub safety: f64,
    /// The smallest factor between two steps.
    pub min_factor: f64,
    /// The largest factor between two steps.
    pub max_factor: f64,
    /// How long a step may be after one that was accepted.
    pub next_step: NextStep,
    /// The size of the first step, if it is not selected.
    pub first_step: Option<f64>,
    /// The smallest step.
    pub min_step: f64,
    /// The largest step.
    pub max_step: f64,
}

impl Adaptive {
    /// I control with torchdiffeq's settings: RMS norm, safety 0.9, factors from 0.2 to 10, first step selected.
    pub fn new(tolerance: Tolerance) -> Self {
        Self {
            measure: ErrorMeasure {
                tolerance,
                norm: ErrorNorm::Rms,
            },
            pid: Pid::I,
            safety: 0.9,
            min_factor: 0.2,
            max_factor: 10.0,
            next_step: NextStep::NotShorter,
            first_step: None,
            min_step: 0.0,
            max_step: f64::INFINITY,
        }
    }

    /// Replaces the tolerance.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Tolerance) -> Self {
        self.measure.tolerance = tolerance;
        self
    }

    /// Multiplies both parts of the tolerance.
    ///
    /// # Errors
    /// [`SetupError::InvalidTolerance`] if the result is none.
    pub fn scale_tolerance(self, factor: f64) -> Result<Self, SetupError> {
        let tolerance = self.measure.tolerance;
        Ok(self.tolerance(Tolerance::new(tolerance.rtol() * factor, tolerance.atol() * factor)?))
    }

    /// Replaces the error norm.
    #[must_use]
    pub fn norm(mut self, norm: ErrorNorm) -> Self {
        self.measure.norm = norm;
        self
    }

    /// Replaces the gains.
    #[must_use]
    pub fn pid(mut self, pid: Pid) -> Self {
        self.pid = pid;
        self
    }

    /// Aims at the step `safety` times the one whose error is expected to be just tolerable; in (0, 1].
    #[must_use]
    pub fn safety(mut self, safety: f64) -> Self {
        self.safety = safety;
        self
    }

    /// Bounds the change of the step from one attempt to the next: `0 < min < 1 < max`. After accepted steps it
    /// does not shrink unless [`next_step`](Self::next_step) lets it.
    #[must_use]
    pub fn factors(mut self, min: f64, max: f64) -> Self {
        (self.min_factor, self.max_factor) = (min, max);
        self
    }

    /// How long a step may be after one that was accepted; [`NextStep::NotShorter`] unless set.
    ///
    /// ```
    /// use ffjord_ode::{Adaptive, Method, NextStep, Solver, Tolerance};
    /// let kepler = |_: f64, y: &[f64; 4], dy: &mut [f64; 4]| {
    ///     let cube = y[0].hypot(y[1]).powi(3);
    ///     *dy = [y[2], y[3], -y[0] / cube, -y[1] / cube];
    /// };
    /// let control = Adaptive::new(Tolerance::new(1e-8, 1e-8)?);
    /// let stats = |control| {
    ///     let solver = Solver::new(Method::Dopri5).adaptive_with(control);
    ///     solver.solve(&kepler, &[0.5, 0.0, 0.0, 3.0_f64.sqrt()], 0.0, 20.0).map(|solution| solution.stats)
    /// };
    /// let (by_error, not_shorter) = (stats(control.clone().next_step(NextStep::ByError))?, stats(control)?);
    /// assert!(by_error.rejected < not_shorter.rejected && by_error.nfe < not_shorter.nfe);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn next_step(mut self, next_step: NextStep) -> Self {
        self.next_step = next_step;
        self
    }

    /// Sets the size of the first step instead of having it selected.
    #[must_use]
    pub fn first_step(mut self, size: f64) -> Self {
        self.first_step = Some(size);
        self
    }

    /// Ends the solve where the error asks for steps smaller than this.
    #[must_use]
    pub fn min_step(mut self, size: f64) -> Self {
        self.min_step = size;
        self
    }

    /// Takes no step larger than this.
    #[must_use]
    pub fn max_step(mut self, size: f64) -> Self {
        self.max_step = size;
        self
    }

    /// What errors are measured with.
    pub(super) fn measure(&self) -> ErrorMeasure {
        self.measure
    }

    /// Whether the settings are within their ranges.
    pub(super) fn check(&self) -> Result<(), SetupError> {
        let first = self.first_step.unwrap_or(1.0);
        let gain = self.pid.integral + self.pid.proportional + self.pid.derivative;
        let settings = [
            (
                "safety",
                self.safety,
                self.safety > 0.0 && self.safety <= 1.0,
                "above 0 and at most 1",
            ),
            (
                "min_factor",
                self.min_factor,
                self.min_factor > 0.0 && self.min_factor < 1.0,
                "between 0 and 1",
            ),
            (
                "max_factor",
                self.max_factor,
                self.max_factor > 1.0 && self.max_factor.is_finite(),
                "above 1",
            ),
            (
                "first_step",
                first,
                first > 0.0 && first.is_finite(),
                "positive and finite",
            ),
            (
                "min_step",
                self.min_step,
                self.min_step >= 0.0 && self.min_step.is_finite(),
                "finite, not negative",
            ),
            (
                "max_step",
                self.max_step,
                self.max_step > 0.0 && self.max_step >= self.min_step,
                "at least min_step",
            ),
            (
                "sum of the PID gains",
                gain,
                gain > 0.0 && gain.is_finite(),
                "positive and finite",
            ),
        ];
        match settings.into_iter().find(|(_, _, valid, _)| !valid) {
            Some((setting, given, _, accepted)) => Err(SetupError::InvalidSetting {
                setting,
                given,
                accepted,
            }),
            None => Ok(()),
        }
    }
}
