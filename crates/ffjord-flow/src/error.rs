//! What can go wrong in a flow.

use candle_core::{DType, Shape};
use ffjord_nn::NnError;
use ffjord_ode::{NonFinite, SetupError, SolveError};
use std::path::PathBuf;

/// Errors of this crate.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Cnf, Density, Flow, FlowError, Pass};
/// use rand::SeedableRng;
///
/// let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).build()?)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let holes = Tensor::new(&[[0.1f32, 0.2], [f32::NAN, 0.0]], &Device::Cpu)?;
/// let error = flow.log_prob(&holes, &mut Pass::evaluation(&mut rng)).unwrap_err();
/// assert!(matches!(&error, FlowError::NonFiniteInput { rows } if rows == &[1]));
/// // For rows that are a part of more: the second of those from 1000 on.
/// assert!(error.in_rows_from(1000).to_string().contains("1001"));
///
/// let wide = Tensor::zeros((1, 3), DType::F32, &Device::Cpu)?;
/// let error = flow.log_prob(&wide, &mut Pass::evaluation(&mut rng)).unwrap_err().to_string();
/// assert!(error.contains("has shape [1, 3]"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// A tensor operation failed (device, memory, shape).
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// The vector field failed outside a solve.
    #[error(transparent)]
    Network(#[from] NnError),
    /// A solve did not reach its end.
    #[error("the solve of rows {first_row} to {last_row} failed: {source}")]
    Solve {
        /// The first row of the batch in the failed block.
        first_row: usize,
        /// The last row of the batch in the failed block.
        last_row: usize,
        /// Why; where it names rows, they count in the batch.
        source: Box<SolveError<NnError>>,
    },
    /// Rows of an input are not numbers.
    #[error(
        "the batch holds NaN or infinity{}: leave these rows out, or use `Flow::scores`, which gives them NaN",
        of_rows(.rows)
    )]
    NonFiniteInput {
        /// Which rows of the batch.
        rows: Vec<usize>,
    },
    /// Rows of an input lie where a map is not defined.
    #[error("{}: accepted are {accepted}", outside(.what, .rows))]
    OutsideDomain {
        /// The map.
        what: &'static str,
        /// Which rows of the batch.
        rows: Vec<usize>,
        /// The numbers that the map takes.
        accepted: String,
    },
    /// The correlations of training rows cannot be decomposed.
    #[error(
        "the correlations of the {columns} columns are no finite numbers, as when squares of the columns' numbers overflow: \
         bring the columns to a common scale first"
    )]
    Correlations {
        /// The number of columns.
        columns: usize,
    },
    /// A log-determinant is wanted of a pass that asked for none.
    #[error("a sampling pass has no log-determinants: use `Pass::evaluation`")]
    NoLogDet,
    /// A backend returned no reverse mode for a solve that was to be recorded.
    #[error("the backend kept nothing for the gradient of a solve")]
    NoGradient,
    /// A bijection made something else of a batch than it says.
    #[error("the {what} that the bijection {map}… returned has shape {given:?}, but {expected} is needed")]
    Image {
        /// The beginning of the bijection's debug text.
        map: String,
        /// Which part of the result.
        what: &'static str,
        /// Its shape.
        given: Shape,
        /// The shape that was needed.
        expected: String,
    },
    /// A base distribution does not fit its bijection.
    #[error("the base is a distribution of {base}, but the bijection makes rows of {bijection}")]
    Base {
        /// Shape and number type of the base's rows.
        base: String,
        /// Shape and number type of the bijection's images.
        bijection: String,
    },
    /// A file of weights could not be read or written.
    #[error("{}: {cause}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A bijection or density of your own failed for a reason of its own.
    #[error("{0}")]
    Own(Box<dyn std::error::Error + Send + Sync>),
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
    /// A flow without a condition was given one.
    #[error("the flow does not depend on a condition, but the pass was given one: leave `.given(…)` out")]
    UnexpectedCondition,
    /// A setting of a configuration cannot be used.
    #[error("at `{key}`: {reason}")]
    Config {
        /// The key, with the sections it lies in.
        key: String,
        /// What is wrong, and what is accepted.
        reason: String,
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

impl FlowError {
    /// A setting outside its range.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "what is given is a number, or words that were just put together"
    )]
    pub(crate) fn invalid(setting: &'static str, given: impl ToString, accepted: &'static str) -> Self {
        Self::InvalidSetting {
            setting,
            given: given.to_string(),
            accepted,
        }
    }

    /// The same error with its rows counted from `offset` on: for callers that take a file or a large batch in parts.
    #[must_use]
    pub fn in_rows_from(self, offset: usize) -> Self {
        self.with_rows(|row| row + offset)
    }

    /// The same error with its rows, which count in a part of a batch, under the names that they have in the whole.
    pub(crate) fn with_rows(mut self, name: impl Fn(usize) -> usize) -> Self {
        match &mut self {
            Self::Solve {
                first_row,
                last_row,
                source,
            } => {
                *first_row = name(*first_row);
                *last_row = name(*last_row);
                name_rows(source, name);
            }
            Self::NonFiniteInput { rows } | Self::OutsideDomain { rows, .. } => {
                rows.iter_mut().for_each(|row| *row = name(*row))
            }
            _ => {}
        }
        self
    }
}

/// Names the rows of a batch where a failed solve names elements or rows of its state.
pub(crate) fn name_rows(error: &mut SolveError<NnError>, row_of: impl Fn(usize) -> usize) {
    let (SolveError::NonFinite { found, .. }
    | SolveError::NonFiniteCotangent { found, .. }
    | SolveError::NonFiniteGradient { found, .. }) = error
    else {
        return;
    };
    if matches!(found.unit(), "element" | "row") {
        let mut rows: Vec<usize> = found.first().iter().map(|&index| row_of(index)).collect();
        rows.sort_unstable();
        rows.dedup();
        *found = NonFinite::new("row", rows);
    }
}

fn outside(what: &str, rows: &[usize]) -> String {
    format!("{what} is not defined for the numbers{}", of_rows(rows))
}

/// The first rows of a list, in words.
fn of_rows(rows: &[usize]) -> String {
    const NAMED: usize = 5;
    let names: Vec<String> = rows.iter().take(NAMED).map(ToString::to_string).collect();
    match (rows.len(), rows.len().saturating_sub(NAMED)) {
        (0, _) => String::new(),
        (1, _) => format!(" in row {}", names[0]),
        (_, 0) => format!(" in rows {}", names.join(", ")),
        (_, more) => format!(" in rows {} and {more} more", names.join(", ")),
    }
}

/// A result with this crate's error.
pub type Result<T, E = FlowError> = std::result::Result<T, E>;
