//! What can go wrong in a study.

use std::path::{Path, PathBuf};

/// Errors of studies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// Configurations, models and run folders.
    #[error(transparent)]
    Run(Box<ffjord_run::RunError>),
    /// A reference vector cannot be read.
    #[error("{}: {reason}", .path.display())]
    Reference {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A network is to be compared on a path that it does not have.
    #[error("there is no kernel for this network: compare it with `--path generic`")]
    NoKernel,
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
    /// The program was built with a damaged table.
    #[error("the published numbers of table {number} cannot be read: {source}")]
    PublishedTable {
        /// The table's number in the paper.
        number: u32,
        /// Where it is damaged.
        source: Box<toml::de::Error>,
    },
    /// The program was built with a damaged table.
    #[error("the numbers of SciPy that the program was built with cannot be read: {0}")]
    ScipyTable(#[source] serde_json::Error),
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
    /// The program does not do what a study of it begins with.
    #[error("the program cannot be studied, because `{arguments}` failed: {reason}")]
    Program {
        /// What it was started with.
        arguments: String,
        /// How it ended.
        reason: String,
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
    /// Tensors.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// Devices.
    #[error(transparent)]
    Device(#[from] ffjord_cuda::CudaError),
    /// Data.
    #[error(transparent)]
    Data(#[from] ffjord_data::DataError),
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
    /// A kernel, or the name of a kind of layer.
    #[error(transparent)]
    Kernel(#[from] ffjord_kernels::KernelError),
    /// Too few rows to tell anything.
    #[error("there are {given} rows to compare with samples, and {least} are needed: give more with --data or --rows")]
    TooFewRows {
        /// The rows that there are.
        given: usize,
        /// The fewest that say something.
        least: usize,
    },
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
pub type Result<T, E = StudyError> = std::result::Result<T, E>;

impl StudyError {
    /// Adds to an error of the system what was tried and where.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

impl From<ffjord_run::RunError> for StudyError {
    fn from(error: ffjord_run::RunError) -> Self {
        Self::Run(Box::new(error))
    }
}
