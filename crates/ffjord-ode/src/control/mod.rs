//! Step control: which step to attempt next, and whether an attempt is good enough.

mod adaptive;
mod constant;
mod initial;
mod own;
mod pid;

use crate::norm::{ErrorMeasure, Tolerance};

pub use adaptive::{Adaptive, NextStep};
pub use constant::{ConstantStep, StepGrid};
pub(crate) use initial::select_initial_step;
pub use own::{ControllerSource, OwnControl};
pub use pid::{Pid, PidController};

/// An attempted step, as a controller sees it.
///
/// ```
/// use ffjord_ode::{Adaptive, Attempt, Controller, PidController, Tolerance, Verdict};
/// let mut controller = PidController::new(Adaptive::new(Tolerance::new(1e-6, 1e-6)?))?;
/// controller.begin(0.0, 10.0, 0.1);
/// // An error 32 times too large, of order 4: half the step would do, and a tenth is left for safety.
/// let attempt = Attempt { t: 0.0, t_next: 0.1, error_ratio: 32.0, error_order: 4 };
/// assert_eq!(controller.judge(&attempt), Verdict::Reject);
/// assert!((controller.next_time(0.0) - 0.9 * 0.05).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt {
    /// Time at which the step starts.
    pub t: f64,
    /// Time at which it ends.
    pub t_next: f64,
    /// Error relative to the tolerance; infinite if it is not a number. 0 for controllers that ask for no estimate. Where
    /// the equations of an implicit step are not solved, the ratio by which elementary control halves the step.
    pub error_ratio: f64,
    /// Order of the error estimate: the ratio falls as the step to the power of this plus 1.
    pub error_order: u32,
}

/// What a controller says of an attempt.
///
/// ```
/// use ffjord_ode::{Attempt, ConstantStep, Controller, StepGrid, Verdict};
/// // Fixed steps are accepted whatever the error.
/// let mut controller = ConstantStep::new(StepGrid::Count(4), 0.0, 1.0)?;
/// let attempt = Attempt { t: 0.0, t_next: 0.25, error_ratio: 100.0, error_order: 1 };
/// assert_eq!(controller.judge(&attempt), Verdict::Accept);
/// assert_eq!(controller.next_time(0.25), 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Go on from its end.
    Accept,
    /// Try again from its start.
    Reject,
}

/// Accepts or rejects attempts and proposes the next; knows the time and error ratios, but no method and no state.
///
/// It need not know where steps must end: [`integrate`](crate::integrate) cuts them short, or stretches them by a
/// hundredth, to end on the stop times and on the end of the solve exactly.
///
/// ```
/// use ffjord_ode::{Attempt, Controller, ErrorMeasure, Method, SaveAt, Solver, Verdict};
///
/// /// Steps that grow by half with every step.
/// #[derive(Debug, Clone)]
/// struct Growing { step: f64 }
///
/// impl Controller for Growing {
///     fn measure(&self) -> Option<ErrorMeasure> { None }
///     fn first_step(&self) -> Option<f64> { Some(0.1) }
///     fn begin(&mut self, t0: f64, t1: f64, first: f64) { self.step = first.copysign(t1 - t0); }
///     fn next_time(&self, t: f64) -> f64 { t + self.step }
///     fn judge(&mut self, _attempt: &Attempt) -> Verdict {
///         self.step *= 1.5;
///         Verdict::Accept
///     }
/// }
///
/// let solver = Solver::new(Method::Rk4).controlled_by(Growing { step: 0.0 }).save_at(SaveAt::Steps);
/// let solution = solver.solve(&|_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0], &[1.0], 0.0, 1.0)?;
/// // 0.1, 0.25, 0.475, 0.8125, and the end, on which the last step is cut short.
/// assert_eq!(solution.stats.accepted, 5);
/// assert!((solution.saved[3].t - 0.475).abs() < 1e-12 && (solution.state[0] - (-1.0_f64).exp()).abs() < 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Controller {
    /// What errors are measured with; `None` if the controller needs no error estimate.
    fn measure(&self) -> Option<ErrorMeasure>;

    /// The size of the first step if it is fixed in advance; `None` to have one selected.
    fn first_step(&self) -> Option<f64>;

    /// Sets out from `t0` to `t1` with `first`, a positive size of the first step.
    ///
    /// A controller with a [`measure`](Self::measure) sets out again after every jump of the right-hand side.
    fn begin(&mut self, t0: f64, t1: f64, first: f64);

    /// Time at which the next attempt from `t` should end: further on the way to the end of the solve, or beyond it.
    fn next_time(&self, t: f64) -> f64;

    /// Judges an attempt and adjusts the next.
    fn judge(&mut self, attempt: &Attempt) -> Verdict;

    /// The smallest step the controller may take, beside the limit of rounding.
    fn min_step(&self) -> f64 {
        0.0
    }
}

/// How a [`Solver`](crate::Solver) controls its steps.
///
/// ```
/// use ffjord_ode::{Method, Solver, StepControl, StepGrid, Tolerance};
/// let fixed = Solver::new(Method::Rk4).fixed_steps(8);
/// assert_eq!(fixed.control(), &StepControl::Constant(StepGrid::Count(8)));
/// assert_eq!(fixed.control().tolerance(), None);
/// let adaptive = Solver::new(Method::Dopri5).adaptive(Tolerance::FFJORD);
/// assert_eq!(adaptive.control().tolerance(), Some(Tolerance::FFJORD));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StepControl {
    /// Steps fixed in advance.
    Constant(StepGrid),
    /// Steps that follow the error.
    Adaptive(Adaptive),
    /// Steps chosen by controllers of the caller's own.
    Own(OwnControl),
}

impl StepControl {
    /// The tolerance that steps are chosen by, if they follow the error.
    pub fn tolerance(&self) -> Option<Tolerance> {
        match self {
            Self::Constant(_) => None,
            Self::Adaptive(settings) => Some(settings.measure().tolerance),
            Self::Own(control) => control.controller().measure().map(|measure| measure.tolerance),
        }
    }
}
