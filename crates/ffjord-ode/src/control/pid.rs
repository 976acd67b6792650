//! Steps that follow the error: I, PI and PID control.

use super::{Adaptive, Attempt, Controller, NextStep, Verdict};
use crate::{error::SetupError, norm::ErrorMeasure};

/// Gains of a digital controller of the step size (Söderlind, ACM TOMS 29(1), 2003).
///
/// With error ratios rₙ and estimates of order q the step changes by the factor
/// `safety · rₙ^(−(I+P+D)/(q+1)) · rₙ₋₁^((P+2D)/(q+1)) · rₙ₋₂^(−D/(q+1))`.
///
/// ```
/// use ffjord_ode::{Adaptive, Attempt, Controller, Pid, PidController, Tolerance};
/// let proposed = |pid| {
///     let mut controller = PidController::new(Adaptive::new(Tolerance::new(1e-6, 1e-6)?).pid(pid))?;
///     controller.begin(0.0, 10.0, 0.1);
///     controller.judge(&Attempt { t: 0.0, t_next: 0.1, error_ratio: 1.0 / 32.0, error_order: 4 });
///     Ok::<f64, ffjord_ode::SetupError>(controller.next_time(0.1) - 0.1)
/// };
/// // A ratio of 1/32 at order 4 allows twice the step: PI control goes up by less, 2^(0.3 + 0.4).
/// assert!((proposed(Pid::I)? - 0.1 * 0.9 * 2.0).abs() < 1e-12);
/// assert!((proposed(Pid::PI)? - 0.1 * 0.9 * 2.0_f64.powf(0.7)).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// A controller that follows [`Adaptive`] settings.
///
/// ```
/// use ffjord_ode::{Adaptive, ExplicitRungeKutta, Limits, Method, PidController, Tolerance, integrate};
/// let decay = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0];
/// let mut stepper = ExplicitRungeKutta::new(Method::Bosh3.tableau().ok_or("explicit")?, &[1.0])?;
/// let mut controller = PidController::new(Adaptive::new(Tolerance::new(1e-6, 1e-6)?))?;
/// let solution = integrate(&decay, &[1.0], (0.0, 2.0), &mut stepper, &mut controller, &Limits::default())?;
/// assert!((solution.state[0] - (-2.0_f64).exp()).abs() < 1e-5);
/// let refused = PidController::new(Adaptive::new(Tolerance::FFJORD).safety(1.5)).unwrap_err().to_string();
/// assert!(refused.contains("safety = 1.5"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
