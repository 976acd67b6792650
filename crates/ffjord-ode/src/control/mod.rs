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
