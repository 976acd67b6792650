//! What can go wrong in a flow.

use candle_core::{DType, Shape};
use ffjord_nn::NnError;
use ffjord_ode::{SetupError, SolveError};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// A tensor operation failed (device, memory, shape).
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// The vector field failed outside a solve.
    #[error(transparent)]
    Network(#[from] NnError),
    /// A solve did not reach its end; the rows it reports count within the block.
    #[error("the solve of rows {first_row} to {last_row} failed: {source}")]
    Solve {
        /// The first row of the batch in the failed block.
        first_row: usize,
        /// The last row of the batch in the failed block.
        last_row: usize,
        /// Why.
        source: Box<SolveError<NnError>>,
    },
    /// Solver settings do not make sense.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Probes could not be drawn.
    #[error(transparent)]
    Trace(#[from] ffjord_trace::TraceError),
    /// An input does not have the shape that the flow works on.
    #[error("the {what} has shape {given:?}, but {expected} is needed")]
    InputShape {
        /// Which input.
        what: &'static str,
        /// Its shape.
        given: Shape,
        /// The accepted shape in words.
        expected: String,
    },
    /// An input is of another floating-point type than the flow.
    #[error("the {what} is of type {given:?} but the flow computes in {expected:?}: convert it with `to_dtype`")]
    InputType {
        /// Which input.
        what: &'static str,
        /// Its type.
        given: DType,
        /// The flow's type.
        expected: DType,
    },
    /// A conditional flow was used without a condition.
    #[error("the flow is of p(x | c) with {width} columns of c, but the pass has no condition: add `.given(c)` to it")]
    MissingCondition {
        /// The columns that the condition must have.
        width: usize,
    },
    /// A setting of a flow is outside its range.
    #[error("{setting} = {given}: it must be {accepted}")]
    InvalidSetting {
        /// The setting's name.
        setting: &'static str,
        /// The value given.
        given: String,
        /// The values that are accepted.
        accepted: &'static str,
    },
}

/// A result with this crate's error.
pub type Result<T> = std::result::Result<T, FlowError>;
