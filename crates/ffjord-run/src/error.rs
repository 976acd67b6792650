//! What can go wrong between a configuration and a trained model.

use std::path::{Path, PathBuf};

/// Errors of configurations, data, models and run folders.
///
/// ```
/// use ffjord_run::{RunError, config::Preset};
/// let refused = Preset::find("toy-moon").unwrap_err();
/// assert!(matches!(&refused, RunError::UnknownPreset { .. }));
/// assert!(refused.to_string().contains("toy-moons"), "{refused}");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The name of a preset is not known.
    #[error(
        "there is no preset `{given}`: accepted are {accepted}, and every dataset among them followed by one of {variants}"
    )]
    UnknownPreset {
        /// The name that was given.
        given: String,
        /// The names that are accepted.
        accepted: String,
        /// The variants that go with every dataset.
        variants: String,
    },
    /// A configuration cannot be used.
    #[error("the configuration ({origin}) cannot be used: {reason}")]
    Config {
        /// The preset or file.
        origin: String,
        /// What is wrong, and what is accepted.
        reason: String,
    },
    /// A `--set` cannot be applied.
    #[error("--set {setting}: {reason}")]
    Setting {
        /// What was given.
        setting: String,
        /// What is wrong, and what is accepted.
        reason: String,
    },
    /// A run folder cannot be used as asked.
    #[error("{}: {reason}", .path.display())]
    RunFolder {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Nothing can be trained on a table.
    #[error("{}: {findings}", .path.display())]
    UnfitTable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        findings: String,
    },
    /// The columns of a file are not those of a run.
    #[error(
        "the columns are not those that the run was trained on ({expected}){missing}{unknown}: rename them, leave columns \
         out with --drop, or give a file without names and with the columns in that order"
    )]
    OtherColumns {
        /// The run's columns.
        expected: String,
        /// `; missing: …`, or nothing.
        missing: String,
        /// `; unknown: …`, or nothing.
        unknown: String,
    },
    /// Another process works on a run folder.
    #[error(
        "{}: another process is at work in this run folder ({holder}): wait for its end, or write elsewhere with \
         --out DIR",
        .path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The process, its machine, and since when.
        holder: String,
    },
    /// Rows do not fit a model.
    #[error("the rows have {given} columns, but {} was trained on {expected}", .model.display())]
    Columns {
        /// The model's file or folder.
        model: PathBuf,
        /// Columns given.
        given: usize,
        /// The model's dimension.
        expected: usize,
    },
    /// A column that is named is not there.
    #[error("there is no column `{name}`: accepted are {columns}")]
    UnknownColumn {
        /// The name that was given.
        name: String,
        /// The names of the columns that there are.
        columns: String,
    },
    /// A column is named twice where it may be named once.
    #[error("`data.given` names the column `{name}` twice: name it once")]
    RepeatedColumn {
        /// The name.
        name: String,
    },
    /// Several columns of a table have the name that is asked for.
    #[error(
        "several columns are named `{name}`: give every column a name of its own, or choose columns by their numbers with \
         --set 'data.columns=[0, 1]'"
    )]
    AmbiguousColumn {
        /// The name.
        name: String,
    },
    /// A table has a column that a run does not know.
    #[error("the run was not trained with a column `{name}`: leave it out, so that the columns are {expected}")]
    SurplusColumn {
        /// The name.
        name: String,
        /// The columns that are expected.
        expected: String,
    },
    /// All columns of a table are conditions.
    #[error("`data.given` names all columns ({columns}): leave out at least one, which is what is modelled")]
    NothingToModel {
        /// All columns.
        columns: String,
    },
    /// There are more or fewer conditions than rows.
    #[error("{rows} rows are given {given} conditions: give one condition a row")]
    ConditionRows {
        /// The rows.
        rows: usize,
        /// The conditions.
        given: usize,
    },
    /// A conditional model is used without conditions.
    #[error(
        "{} models rows given {names}: give every row its condition, with --given FILE or, in Rust, with \
         `log_prob_given` and `sample_given`",
        .model.display()
    )]
    MissingCondition {
        /// The model's file or folder.
        model: PathBuf,
        /// The columns that it needs.
        names: String,
    },
    /// A model that is not conditional is given conditions.
    #[error(
        "{} models rows given nothing: leave the conditions (--given) out, or train on a table with \
         --set 'data.given=[\"COLUMN\"]'",
        .model.display()
    )]
    UnexpectedCondition {
        /// The model's file or folder.
        model: PathBuf,
    },
    /// Conditions of another width than the model's.
    #[error("the conditions have {given} columns, but {} was trained with {expected} ({names})", .model.display())]
    ConditionColumns {
        /// The model's file or folder.
        model: PathBuf,
        /// Columns given.
        given: usize,
        /// The model's.
        expected: usize,
        /// Their names.
        names: String,
    },
    /// A command about densities of whole rows is asked about a conditional one.
    #[error("{command} is for flows that are given nothing: accepted are runs without `data.given`")]
    Conditional {
        /// The command.
        command: &'static str,
    },
    /// A split of the data is too small for what it is needed for.
    #[error("the {split} split has {rows} rows, but {needed}: give more data{remedy}")]
    TooFewRows {
        /// The split.
        split: &'static str,
        /// Its rows.
        rows: usize,
        /// How many are needed, and for what.
        needed: String,
        /// What else helps.
        remedy: &'static str,
    },
    /// A checkpoint of the original implementation cannot be read.
    #[error(
        "{} is not a checkpoint of the original implementation (.pth) that can be read: {reason}. Accepted are these, \
         and folders that `cargo xtask experiment` writes",
        .path.display()
    )]
    OriginalCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Weights to start from are those of another architecture.
    #[error(
        "{}: its weights do not fit this run's `model`: {source}. Give a run of the same architecture, or set `model` to \
         that of the weights",
        .path.display()
    )]
    OtherWeights {
        /// The file or folder.
        path: PathBuf,
        /// What differs.
        source: ffjord_nn::NnError,
    },
    /// A command about solves is asked about a flow that has none.
    #[error("{command} is about solves, but the flow has no continuous block: accepted are runs of `model.kind=cnf`")]
    NothingToSolve {
        /// The command.
        command: &'static str,
    },
    /// What is for flows is asked of a variational autoencoder.
    #[error(
        "this run is of a variational autoencoder, not of {command}: accepted for it are `experiment`, `eval`, `sample` and \
         `plot`"
    )]
    VariationalAutoencoder {
        /// What was expected in its place.
        command: &'static str,
    },
    /// A likelihood of 256 grey levels is asked for images of others.
    #[error(
        "the images have {given} levels, but `vae.likelihood` is of 256: set it to bernoulli, or take images of 256 levels"
    )]
    GreyLevels {
        /// The images' levels.
        given: usize,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Tensors.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// Data.
    #[error(transparent)]
    Data(#[from] ffjord_data::DataError),
    /// Devices.
    #[error(transparent)]
    Device(#[from] ffjord_cuda::CudaError),
    /// Flows.
    #[error(transparent)]
    Flow(#[from] ffjord_flow::FlowError),
    /// Networks.
    #[error(transparent)]
    Network(#[from] ffjord_nn::NnError),
    /// Solver settings.
    #[error(transparent)]
    Solver(#[from] ffjord_ode::SetupError),
    /// Probe distributions.
    #[error(transparent)]
    Trace(#[from] ffjord_trace::TraceError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] ffjord_files::FileError),
    /// Variational autoencoders.
    #[error(transparent)]
    Vae(#[from] ffjord_vae::VaeError),
    /// Training.
    #[error(transparent)]
    Train(#[from] ffjord_train::TrainError),
    /// JSON.
    #[error("JSON failed: {0}")]
    Json(#[from] serde_json::Error),
}

/// A result with this crate's error.
pub type Result<T, E = RunError> = std::result::Result<T, E>;

impl RunError {
    /// Adds to an error of the system what was tried and where.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
