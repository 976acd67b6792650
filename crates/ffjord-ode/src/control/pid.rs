//! Steps that follow the error: I, PI and PID control.

use super::{Attempt, Controller, Verdict};
use crate::{
    error::SetupError,
    norm::{ErrorMeasure, ErrorNorm, Tolerance},
};

/// Gains of a digital controller of the step size (Söderlind, ACM TOMS 29(1), 2003).
///
/// With error ratios rₙ and estimates of order q the step changes by the factor
/// `safety · rₙ^(−(I+P+D)/(q+1)) · rₙ₋₁^((P+2D)/(q+1)) · rₙ₋₂^(−D/(q+1))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pid {
    /// Weight of the error itself.
    pub integral: f64,
    /// Weight of its change.
    pub proportional: f64,
    /// Weight of the change of its change.
    pub derivative: f64,
}

impl Pid {
    /// The elementary controller, as in torchdiffeq: reacts to the last error alone.
    pub const I: Self = Self {
        integral: 1.0,
        proportional: 0.0,
        derivative: 0.0,
    };
    /// Gustafsson's PI.3.4: smoother step sequences, fewer rejections on mildly stiff problems.
    pub const PI: Self = Self {
        integral: 0.3,
        proportional: 0.4,
        derivative: 0.0,
    };
    /// Söderlind's H312 filter: the smoothest step sequences.
    pub const PID: Self = Self {
        integral: 2.0 / 9.0,
        proportional: 0.0,
        derivative: 1.0 / 18.0,
    };
}

/// How long a step may be after one that was accepted.
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
    /// 20(4), 1994; Hairer and Wanner II, IV.8). Saves rejections of implicit methods, whose steps grow fast.
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
#[derive(Debug, Clone, PartialEq)]
pub struct Adaptive {
    measure: ErrorMeasure,
    pid: Pid,
    safety: f64,
    min_factor: f64,
    max_factor: f64,
    next_step: NextStep,
    first_step: Option<f64>,
    min_step: f64,
    max_step: f64,
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
    fn check(&self) -> Result<(), SetupError> {
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

/// A controller that follows [`Adaptive`] settings.
#[derive(Debug, Clone)]
pub struct PidController {
    settings: Adaptive,
    /// Signed size of the next step.
    step: f64,
    /// Error ratios of the last two accepted steps, the last first.
    history: [f64; 2],
    /// Size of the last accepted step; infinite before the first.
    accepted: f64,
    /// Whether the last attempt was rejected.
    retrying: bool,
}

impl PidController {
    /// A controller with these settings.
    ///
    /// # Errors
    /// [`SetupError::InvalidSetting`] for settings outside their ranges.
    pub fn new(settings: Adaptive) -> Result<Self, SetupError> {
        settings.check()?;
        Ok(Self {
            settings,
            step: 0.0,
            history: [1.0; 2],
            accepted: f64::INFINITY,
            retrying: false,
        })
    }

    fn factor(&self, ratio: f64, order: u32) -> f64 {
        let Pid {
            integral,
            proportional,
            derivative,
        } = self.settings.pid;
        let exponent = 1.0 / (f64::from(order) + 1.0);
        let [previous, before] = self.history;
        self.settings.safety
            * ratio.powf(-(integral + proportional + derivative) * exponent)
            * previous.powf((proportional + 2.0 * derivative) * exponent)
            * before.powf(-derivative * exponent)
    }

    /// The factor by which the step that just meets the tolerance has changed from the last accepted step to one of size
    /// `tried` with this error: below 1 where the error grew by more than the step did.
    fn trend(&self, tried: f64, ratio: f64, order: u32) -> f64 {
        /// Smaller ratios say little of how the error grows.
        const SMALL: f64 = 1e-2;
        if self.accepted.is_infinite() {
            return 1.0;
        }
        let growth = ratio.max(SMALL) / self.history[0].max(SMALL);
        tried / self.accepted * growth.powf(-1.0 / (f64::from(order) + 1.0))
    }
}

impl Controller for PidController {
    fn measure(&self) -> Option<ErrorMeasure> {
        Some(self.settings.measure)
    }

    fn first_step(&self) -> Option<f64> {
        self.settings.first_step
    }

    fn begin(&mut self, t0: f64, t1: f64, first: f64) {
        self.step = first
            .clamp(self.settings.min_step, self.settings.max_step)
            .copysign(t1 - t0);
        (self.history, self.accepted, self.retrying) = ([1.0; 2], f64::INFINITY, false);
    }

    fn next_time(&self, t: f64) -> f64 {
        t + self.step
    }

    fn judge(&mut self, attempt: &Attempt) -> Verdict {
        /// Ratios below this say "no error"; it keeps the powers finite.
        const SMALLEST_RATIO: f64 = 1e-10;
        /// Part of the planned step below which an attempt was cut short by a stop time, and not by rounding.
        const CUT: f64 = 0.999;
        let ratio = attempt.error_ratio;
        let accepted = ratio <= 1.0;
        let shrinks = self.settings.next_step != NextStep::NotShorter;
        let floor = if accepted && !shrinks {
            1.0
        } else {
            self.settings.min_factor
        };
        let ceiling = if shrinks && self.retrying {
            1.0
        } else {
            self.settings.max_factor
        };
        let mut factor = if ratio.is_finite() {
            self.factor(ratio.max(SMALLEST_RATIO), attempt.error_order)
        } else {
            0.0
        };
        let tried = attempt.t_next - attempt.t;
        if accepted && self.settings.next_step == NextStep::Predicted {
            factor *= self.trend(tried, ratio, attempt.error_order).min(1.0);
        }
        let next = tried * factor.clamp(floor, ceiling);
        if accepted {
            self.accepted = tried;
            self.history = [ratio.max(SMALLEST_RATIO), self.history[0]];
            // A step cut short by a stop time says nothing against the longer one that was planned.
            let cut = tried.abs() < CUT * self.step.abs();
            let shorter = next.abs() <= self.step.abs();
            self.step = if shorter && (cut || !shrinks) { self.step } else { next };
        } else {
            // Whatever the gains say, a rejected step must shrink.
            self.step = if next.abs() < tried.abs() {
                next
            } else {
                tried * self.settings.safety.min(0.9)
            };
        }
        self.step = self.step.abs().min(self.settings.max_step).copysign(tried);
        self.retrying = !accepted;
        if accepted { Verdict::Accept } else { Verdict::Reject }
    }

    fn min_step(&self) -> f64 {
        self.settings.min_step
    }
}
