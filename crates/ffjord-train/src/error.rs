//! What can go wrong in training, and in the files of a run.

use safetensors::SafeTensorError;
use std::io;
use std::path::{Path, PathBuf};

/// Errors of this crate.
///
/// ```
/// use ffjord_train::{OptimizerKind, TrainError, TrainerOptions};
/// let unknown = "sgd".parse::<OptimizerKind>().unwrap_err();
/// assert!(matches!(&unknown, TrainError::UnknownName { given, .. } if given == "sgd"));
/// let refused = TrainerOptions::new(0, 1e-3).check().unwrap_err().to_string();
/// assert!(refused.contains("iterations is 0"), "{refused}");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A tensor operation failed (device, memory, shape).
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A flow could not be evaluated.
    #[error(transparent)]
    Flow(#[from] ffjord_flow::FlowError),
    /// Data could not be read or cut into batches.
    #[error(transparent)]
    Data(#[from] ffjord_data::DataError),
    /// A network could not be built or loaded.
    #[error(transparent)]
    Network(#[from] ffjord_nn::NnError),
    /// JSON could not be written or read.
    #[error("JSON failed: {0}")]
    Json(#[from] serde_json::Error),
    /// Too many iterations in a row failed.
    #[error(
        "{count} iterations in a row failed, the last one because: {last}. Lower the learning rate, clip the gradient \
         or loosen the solver's tolerance; the last checkpoint is untouched"
    )]
    TooManyFailures {
        /// How many.
        count: u32,
        /// Why the last one failed.
        last: String,
    },
    /// An iteration failed, and failures end the run.
    #[error("iteration {iteration} failed: {cause}. The last checkpoint is untouched")]
    StepFailed {
        /// The iteration, counted from 1.
        iteration: u64,
        /// Why it failed.
        cause: String,
    },
    /// A loss is NaN or infinite; nothing was changed by it.
    #[error(
        "the loss is {loss}: nothing was changed; look for rows that are not finite in the data, lower the learning \
         rate or clip the gradient"
    )]
    NonFiniteLoss {
        /// Its value.
        loss: f64,
    },
    /// No parameter received a gradient: the loss does not depend on the model in a way that is recorded.
    #[error(
        "the loss has no gradient with respect to any parameter of the model: compute it in the training pass that the \
         objective is given (evaluation passes and detached tensors record nothing)"
    )]
    NoGradient,
    /// A batch has more or fewer rows than conditions.
    #[error("there are {rows} rows but conditions for {given}: give one row of conditions for each row of data")]
    ConditionRows {
        /// Rows of data.
        rows: usize,
        /// Rows of conditions.
        given: usize,
    },
    /// An error of a user's own objective, source, validation or observer; made by [`TrainError::own`].
    #[error("{context}: {source}")]
    Own {
        /// What was being done.
        context: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A batch has no rows.
    #[error("a batch has no rows: a source of batches must give at least one row each time")]
    EmptyBatch,
    /// Held-out data could not be evaluated.
    #[error("validation failed: {cause}")]
    ValidationFailed {
        /// Why.
        cause: String,
    },
    /// A setting lies outside its range.
    #[error("{setting} is {given}: accepted is {accepted}")]
    InvalidSetting {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        given: String,
        /// The accepted values in words.
        accepted: &'static str,
    },
    /// A name is not known.
    #[error("unknown {kind} `{given}`: accepted are {accepted}")]
    UnknownName {
        /// What was being named.
        kind: &'static str,
        /// The name that was given.
        given: String,
        /// The names that are accepted, separated by commas.
        accepted: String,
    },
    /// Gradients hold NaN, an infinity or a value whose square overflows; nothing was changed by them.
    #[error(
        "the gradient is not finite (or its square is not) for {}: nothing was changed; lower the learning rate, \
         clip the gradient or tighten the solver's tolerance",
        .parameters.join(", ")
    )]
    NonFiniteGradient {
        /// Names of the parameters concerned.
        parameters: Vec<String>,
    },
    /// There are more or fewer gradients than parameters.
    #[error("{given} gradients were given for {expected} parameters: give one each, in the parameters' order")]
    GradientCount {
        /// Gradients given.
        given: usize,
        /// Parameters there are.
        expected: usize,
    },
    /// A gradient has another shape or type than its parameter.
    #[error("the gradient of `{parameter}` is {given}, but the parameter is {expected}")]
    GradientMismatch {
        /// The parameter's name.
        parameter: String,
        /// The gradient's type and shape.
        given: String,
        /// The parameter's type and shape.
        expected: String,
    },
    /// A saved state does not fit what it is to be loaded into; nothing was changed.
    #[error(
        "the saved state does not fit: {}. Load the state that was saved with the same model and settings",
        .problems.join("; ")
    )]
    StateMismatch {
        /// Each missing or misshapen entry in words.
        problems: Vec<String>,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] ffjord_files::FileError),
    /// A file or folder could not be read or made.
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        /// What was tried, for example `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A tensor file is damaged or of another format.
    #[error("{} is not a whole safetensors file ({source}): restore it from a copy or write it anew", .path.display())]
    TensorFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SafeTensorError,
    },
    /// A tensor is of a type that is not stored.
    #[error("`{name}` is of type {given}, which is not stored: convert it to f32, f64, u32 or i64")]
    StoredType {
        /// The tensor's name.
        name: String,
        /// Its type.
        given: &'static str,
    },
    /// Two tensors of one file would have the same name.
    #[error("two tensors are called `{name}`: names within a file must differ")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// The description of a checkpoint cannot be understood.
    #[error(
        "{} does not describe a checkpoint ({reason}): restore it from a copy, or delete it to start anew",
        .path.display()
    )]
    CheckpointFormat {
        /// The description's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint was written by another version of the format.
    #[error(
        "{} is of checkpoint format {given}, but this program reads format {accepted}: use the program that wrote it",
        .path.display()
    )]
    CheckpointVersion {
        /// The description's file.
        path: PathBuf,
        /// Its version.
        given: u64,
        /// The version that is read.
        accepted: u64,
    },
    /// The tensors of a checkpoint are gone.
    #[error(
        "{}, the tensors of the checkpoint, is missing: restore it from a copy, or delete checkpoint.json beside it \
         to start anew",
        .path.display()
    )]
    CheckpointIncomplete {
        /// The tensors' file.
        path: PathBuf,
    },
    /// The tensors of a checkpoint are not those that were saved.
    #[error(
        "{} is damaged (SHA-256 {given}, but {expected} was saved): restore it from a copy, or delete checkpoint.json \
         beside it to start anew",
        .path.display()
    )]
    CheckpointDamaged {
        /// The tensors' file.
        path: PathBuf,
        /// SHA-256 of the file.
        given: String,
        /// SHA-256 of what was saved.
        expected: String,
    },
    /// A checkpoint is of another model.
    #[error(
        "the checkpoint in {} is of another model ({difference}): use another folder, or write over it with \
         `Resume::Never`",
        .folder.display()
    )]
    OtherModel {
        /// The store's folder.
        folder: PathBuf,
        /// The first difference.
        difference: String,
    },
    /// A checkpoint is of a run with other settings.
    #[error(
        "the checkpoint in {} is of another run ({difference}): use another folder, or write over it with \
         `Resume::Never`",
        .folder.display()
    )]
    OtherRun {
        /// The store's folder.
        folder: PathBuf,
        /// The first difference.
        difference: String,
    },
    /// There is no run to go on with, though one is required.
    #[error("there is no run to resume: {reason}; check the folder, or allow a new run with `Resume::IfSame`")]
    NothingToResume {
        /// What is not there.
        reason: String,
    },
    /// Another process of the run is gone or silent.
    #[error(
        "process {rank} of this run does not answer: {reason}. This process ends too; the last checkpoint is whole, and \
         the run can be resumed on any number of processes"
    )]
    LostProcess {
        /// Its number.
        rank: usize,
        /// What is known of it.
        reason: String,
    },
    /// The processes of a run could not meet.
    #[error("the processes of this run could not meet at {address}: {reason}")]
    Meeting {
        /// Where process 0 waits, `HOST:PORT`.
        address: String,
        /// Why not.
        reason: String,
    },
    /// What failed on one process, as the others are told; it counts on all of them alike.
    #[error("{cause}")]
    Agreed {
        /// Why, in words.
        cause: String,
        /// Whether it ends the run, or costs an iteration.
        ends: bool,
    },
    /// Processes that should be equal are not.
    #[error(
        "process {rank} has other {what} than process 0: all must run the same program with the same settings, see the \
         same files, and have processors with the same vector instructions"
    )]
    Diverged {
        /// The first that differs.
        rank: usize,
        /// In what.
        what: &'static str,
    },
    /// A batch is too small for its shards.
    #[error("a batch of {rows} rows cannot be cut into {shards} shards: lower `shards`, or make batches larger")]
    FewerRowsThanShards {
        /// Rows of the batch.
        rows: usize,
        /// Shards.
        shards: usize,
    },
    /// A complete line of a metrics file is not JSON.
    #[error("line {line} of {} is not JSON ({source}): remove it, or restore the file from a copy", .path.display())]
    MetricsLine {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// A result with this crate's error.
pub(crate) type Result<T, E = TrainError> = std::result::Result<T, E>;

impl TrainError {
    /// An error of a user's own, with what was being done when it came.
    ///
    /// ```
    /// use ffjord_train::TrainError;
    ///
    /// let error = TrainError::own("cannot read the sensor", std::io::Error::other("no answer"));
    /// assert_eq!(error.to_string(), "cannot read the sensor: no answer");
    /// ```
    pub fn own(context: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Own {
            context: context.into(),
            source: source.into(),
        }
    }

    /// Whether no other batch would help: such an iteration ends the run whatever its policy for failures is.
    pub(crate) fn ends_run(&self) -> bool {
        matches!(
            self,
            Self::NoGradient
                | Self::LostProcess { .. }
                | Self::Diverged { .. }
                | Self::FewerRowsThanShards { .. }
                | Self::Agreed { ends: true, .. }
        )
    }

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

    /// Adds to an error of the system what was tried and where.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }
}

/// Refuses a setting that fails `accepts`.
pub(crate) fn check_setting(
    setting: &'static str,
    value: f64,
    accepted: &'static str,
    accepts: impl FnOnce(f64) -> bool,
) -> Result<()> {
    if accepts(value) {
        return Ok(());
    }
    Err(TrainError::invalid(setting, value, accepted))
}
