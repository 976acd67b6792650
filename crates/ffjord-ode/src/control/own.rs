//! Step control of the caller's own.

use std::{fmt, sync::Arc};

use super::Controller;

/// Makes the controllers of a solver, a fresh one for every solve.
///
/// Every controller that can be cloned and shared between threads is a source of its own copies, so that this needs to
/// be implemented only where copies will not do. A solver also makes controllers to ask them what they measure with.
///
/// ```
/// use ffjord_ode::{Attempt, Controller, ControllerSource, ErrorMeasure, Method, Solver, Verdict};
///
/// /// Steps whose size a function of time says; it cannot be cloned.
/// struct ByTime { size: Box<dyn Fn(f64) -> f64 + Send + Sync> }
///
/// impl Controller for ByTime {
///     fn measure(&self) -> Option<ErrorMeasure> { None }
///     fn first_step(&self) -> Option<f64> { Some((self.size)(0.0)) }
///     fn begin(&mut self, _t0: f64, _t1: f64, _first: f64) {}
///     fn next_time(&self, t: f64) -> f64 { t + (self.size)(t) }
///     fn judge(&mut self, _attempt: &Attempt) -> Verdict { Verdict::Accept }
/// }
///
/// #[derive(Debug)]
/// struct Growing;
///
/// impl ControllerSource for Growing {
///     fn controller(&self) -> Box<dyn Controller + Send + Sync> {
///         Box::new(ByTime { size: Box::new(|t| 0.1 + 0.1 * t) })
///     }
/// }
///
/// let solver = Solver::new(Method::Rk4).controlled_by(Growing);
/// let solution = solver.solve(&|_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0], &[1.0], 0.0, 1.0)?;
/// // After n steps t is 1.1ⁿ − 1.
/// assert_eq!(solution.stats.accepted, 8);
/// assert!((solution.state[0] - (-1.0_f64).exp()).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ControllerSource: fmt::Debug + Send + Sync {
    /// A controller for one solve.
    fn controller(&self) -> Box<dyn Controller + Send + Sync>;
}

impl<C: Controller + Clone + fmt::Debug + Send + Sync + 'static> ControllerSource for C {
    fn controller(&self) -> Box<dyn Controller + Send + Sync> {
        Box::new(self.clone())
    }
}

/// A shared [`ControllerSource`], as part of a [`StepControl`](super::StepControl); equal to its clones alone.
///
/// ```
/// use ffjord_ode::{Adaptive, Controller, OwnControl, PidController, Tolerance};
/// let pid = PidController::new(Adaptive::new(Tolerance::new(1e-6, 1e-6)?).first_step(0.5))?;
/// let control = OwnControl::new(pid.clone());
/// assert_eq!(control.controller().first_step(), Some(0.5));
/// assert!(control == control.clone() && control != OwnControl::new(pid));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct OwnControl(Arc<dyn ControllerSource>);

impl OwnControl {
    /// Shares `source`.
    pub fn new(source: impl ControllerSource + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// A controller for one solve.
    pub fn controller(&self) -> Box<dyn Controller + Send + Sync> {
        self.0.controller()
    }
}

impl PartialEq for OwnControl {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
