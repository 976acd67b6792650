//! What can go wrong on the command line.

use std::path::{Path, PathBuf};

/// Errors of the program; their texts are what a user sees.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The name of a preset is not known.
    #[error("there is no preset `{given}`: accepted are {accepted}")]
    UnknownPreset {
        /// The name that was given.
        given: String,
        /// The names that are accepted.
        accepted: String,
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
    /// Rows do not fit the model.
    #[error("{}: its rows have {given} columns, but the model was trained on {expected}", .path.display())]
    Columns {
        /// The rows' file.
        path: PathBuf,
        /// Columns given.
        given: usize,
        /// The model's dimension.
        expected: usize,
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
    /// A file is to be written in a format that there is not.
    #[error("{}: samples are written to files that end in .npy or .csv", .path.display())]
    OutputFormat {
        /// The file.
        path: PathBuf,
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
    /// A reference vector cannot be read.
    #[error("{}: {reason}", .path.display())]
    Reference {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No workload of the benchmark fits a filter.
    #[error("no workload contains `{given}`: accepted is any part of {accepted}, or of a solver's name")]
    NoWorkload {
        /// What was given.
        given: String,
        /// The workloads.
        accepted: String,
    },
    /// A file is not one of benchmark runs.
    #[error(
        "{} does not hold the runs of a benchmark, a list to which this one could be added: {source}. Give --json the \
         name of such a file, or of none",
        .path.display()
    )]
    History {
        /// The file.
        path: PathBuf,
        /// Where it differs.
        source: serde_json::Error,
    },
    /// Software to compare with cannot be run.
    #[error(
        "{rival} cannot be timed: {reason}\n--python must name a Python that has the packages jax, diffrax, optax, torch, \
         torchdiffeq and numpy; --beside leaves rivals out"
    )]
    Rival {
        /// Which.
        rival: &'static str,
        /// What it said, or did not.
        reason: String,
    },
    /// No rival fits a filter.
    #[error("there is nothing called `{given}` to compare with: accepted is any part of {accepted}")]
    NoRival {
        /// What was given.
        given: String,
        /// The rivals.
        accepted: String,
    },
    /// A figure that there is not.
    #[error(
        "there is no figure {given} here: accepted is 8, the integral of the density against the solver's tolerance"
    )]
    UnknownFigure {
        /// The number that was given.
        given: u32,
    },
    /// A table that there is not.
    #[error("there is no table {given} here: accepted is 2, test likelihoods of the tabular benchmarks")]
    UnknownTable {
        /// The number that was given.
        given: u32,
    },
    /// A row or model that a table does not have.
    #[error("the table has no {what} `{given}`: accepted are {accepted}")]
    UnknownTableEntry {
        /// `row` or `model`.
        what: &'static str,
        /// The name that was given.
        given: String,
        /// The names that are accepted.
        accepted: String,
    },
    /// A command about solves is asked about a flow that has none.
    #[error("{command} is about solves, but the flow has no continuous block: accepted are runs of `model.kind=cnf`")]
    NothingToSolve {
        /// The command.
        command: &'static str,
    },
    /// A pool of threads could not be made.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
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
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] ffjord_files::FileError),
    /// Ctrl-C cannot be caught.
    #[error("cannot catch Ctrl-C: {0}")]
    Interrupt(#[from] ctrlc::Error),
    /// Tensors.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// Data.
    #[error(transparent)]
    Data(#[from] ffjord_data::DataError),
    /// Downloads.
    #[error(transparent)]
    Fetch(#[from] ffjord_data::fetch::FetchError),
    /// No original of a dataset could be fetched and used.
    #[error("{name} could not be fetched: {reasons}")]
    NoOriginal {
        /// The dataset.
        name: &'static str,
        /// Why each original failed, and what to do by hand.
        reasons: String,
    },
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
    /// Products with a field's Jacobian.
    #[error(transparent)]
    Products(#[from] ffjord_trace::TraceError<ffjord_nn::NnError>),
    /// Pictures.
    #[error(transparent)]
    Plot(#[from] ffjord_plot::PlotError),
    /// Training.
    #[error(transparent)]
    Train(#[from] ffjord_train::TrainError),
    /// JSON.
    #[error("JSON failed: {0}")]
    Json(#[from] serde_json::Error),
}

/// A result with this program's error.
pub type Result<T> = std::result::Result<T, LabError>;

impl LabError {
    /// Adds to an error of the system what was tried and where.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
