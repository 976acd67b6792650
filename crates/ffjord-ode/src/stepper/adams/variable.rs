//! Adams methods of variable order.

use super::step::AdamsStep;
use crate::{
    error::{SolveError, StateError},
    interpolant::Interpolant,
    norm::{ErrorNorm, ScaledError, Tolerance},
    state::{NonFinite, State},
    stepper::Stepper,
    system::{Evaluator, System},
};

/// Adams–Bashforth–Moulton methods that choose their order from step to step, as Shampine and Gordon's (*Computer
/// Solution of Ordinary Differential Equations*, 1975).
///
/// At order k a step predicts over k past slopes, evaluates, corrects over the same and the predicted slope, and
/// evaluates again. The corrected value over one slope less is of order k and gives the error estimate; the solution goes
/// on from the better one, of order k + 1. A solve starts at order 1 and needs no other method; the order rises with the
/// slopes that are known, falls where lower ones promise longer steps, and returns to 1 where attempts fail repeatedly.
/// Dense output is the integrated polynomial: continuous, of order k + 1.
///
/// ```
/// use ffjord_ode::{Adaptive, Limits, PidController, Tolerance, VariableAdams, integrate};
/// let harmonic = |_t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -y[0]];
/// let mut stepper = VariableAdams::new("adams", 12, &[0.0, 1.0])?;
/// let mut controller = PidController::new(Adaptive::new(Tolerance::new(1e-9, 1e-9)?))?;
/// let solution = integrate(&harmonic, &[0.0, 1.0], (0.0, 10.0), &mut stepper, &mut controller, &Limits::default())?;
/// assert!((solution.state[0] - 10.0_f64.sin()).abs() < 1e-6);
/// assert!(stepper.current_order() > 4);                   // it set out at order 1
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct VariableAdams<S> {
    name: &'static str,
    max_order: usize,
    step: AdamsStep<S>,
    /// The error estimate.
    error: S,
    order: usize,
    /// The order for the step after the one under way.
    next_order: usize,
    /// Attempts of the step under way so far.
    attempts: usize,
}

impl<S: State> VariableAdams<S> {
    /// A stepper of orders up to `max_order`, from 1 to 12, for states like `y`, called `name` in messages.
    ///
    /// # Errors
    /// If the work space cannot be had.
    pub fn new(name: &'static str, max_order: u32, y: &S) -> Result<Self, StateError> {
        let max_order = max_order.clamp(1, 12) as usize;
        Ok(Self {
            name,
            max_order,
            step: AdamsStep::new(y, max_order + 1)?,
            error: y.zeros_like()?,
            order: 1,
            next_order: 1,
            attempts: 0,
        })
    }

    /// The order of the step under way.
    pub fn current_order(&self) -> usize {
        self.order
    }

    fn error_at(&mut self, order: usize, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
        self.step.difference(order, &mut self.error)?;
        self.error.scaled_error(&self.step.y, &self.step.candidate, tolerance)
    }

    /// The neighbouring order that promises the longest step.
    fn best_order(&mut self, error: &ScaledError, tolerance: &Tolerance) -> Result<usize, StateError> {
        let promise = |error: &ScaledError, order: usize| {
            let ratio = ErrorNorm::Rms.ratio(error);
            // A NaN promises nothing.
            if ratio.is_nan() {
                0.0
            } else {
                ratio.max(f64::MIN_POSITIVE).powf(-1.0 / (order as f64 + 1.0))
            }
        };
        let (order, mut best) = (self.order, (self.order, promise(error, self.order)));
        let highest = (order + 1).min(self.max_order).min(self.step.known());
        for other in [order - 1, order + 1] {
            if other >= 1 && other <= highest {
                let promised = promise(&self.error_at(other, tolerance)?, other);
                if promised > best.1 {
                    best = (other, promised);
                }
            }
        }
        Ok(best.0)
    }
}

impl<S: State> Stepper<S> for VariableAdams<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn order(&self) -> u32 {
        self.order as u32 + 1
    }

    fn error_order(&self) -> Option<u32> {
        Some(self.order as u32)
    }

    fn start<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t: f64, y: &S) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        (self.order, self.next_order, self.attempts) = (1, 1, 0);
        self.step.start(f, t, y)
    }

    fn time(&self) -> f64 {
        self.step.t
    }

    fn state(&self) -> &S {
        &self.step.y
    }

    fn initial_slope(&self) -> &S {
        self.step.slope()
    }

    fn attempt<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t_next: f64) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        /// Failed attempts after which the past is taken to say nothing about the future.
        const HOPELESS: usize = 3;
        self.step.ensure_slope(f)?;
        self.step.t_next = t_next;
        if self.attempts > 0 {
            self.order = if self.attempts >= HOPELESS {
                1
            } else {
                self.order.min(self.next_order)
            };
        }
        self.attempts += 1;
        self.step.predict(self.order)?;
        self.step.correct(f, self.order)
    }

    fn candidate(&self) -> &S {
        &self.step.candidate
    }

    fn measure_error(&mut self, tolerance: &Tolerance) -> Result<Option<ScaledError>, StateError> {
        let error = self.error_at(self.order, tolerance)?;
        self.next_order = self.best_order(&error, tolerance)?;
        // Left as it is reported, for the rows that are not finite.
        self.step.difference(self.order, &mut self.error)?;
        Ok(Some(error))
    }

    fn non_finite(&self) -> Result<NonFinite, StateError> {
        self.step.candidate.non_finite()?.or_else(|| self.error.non_finite())
    }

    fn interpolant<Sys>(&mut self, _f: &mut Evaluator<'_, Sys>) -> Result<Interpolant<S>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        Ok(self.step.interpolant()?)
    }

    fn accept(&mut self) {
        self.step.accept();
        (self.order, self.attempts) = (self.next_order, 0);
    }
}
