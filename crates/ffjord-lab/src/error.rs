//! What can go wrong on the command line.

use std::path::{Path, PathBuf};

/// Errors of the program; their texts are what a user sees.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// Configurations, models and run folders.
    #[error(transparent)]
    Run(Box<ffjord_run::RunError>),
    /// Studies.
    #[error(transparent)]
    Study(Box<ffjord_study::StudyError>),
    /// The name of no dataset.
    #[error("unknown dataset `{given}`: accepted are the tables {tables} and the images {images}")]
    UnknownDataset {
        /// The name given.
        given: String,
        /// The tables.
        tables: String,
        /// The sets of images.
        images: String,
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
    /// The columns of a file are not those of the model.
    #[error("{}: {source}", .path.display())]
    ColumnsOfFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<ffjord_run::RunError>,
    },
    /// A file does not hold the rows of a conditional run and what they are given.
    #[error(
        "{}: {source}. The file must hold the rows and what they are given, with the names of the training data's \
         columns; or give the latter in a file of its own, with --given FILE",
        .path.display()
    )]
    WithoutGiven {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<ffjord_run::RunError>,
    },
    /// No rows are given to a model that has none of its own.
    #[error("{}: give the rows to evaluate, with --data FILE", .path.display())]
    WithoutRows {
        /// The model.
        path: PathBuf,
    },
    /// A condition that samples cannot be given.
    #[error("{what}: samples cannot be given it; leave the row out")]
    BadCondition {
        /// The file, the row and what stands there.
        what: String,
    },
    /// An error, and what may be the reason.
    #[error("{source}. {hint}")]
    Hinted {
        /// The error.
        source: Box<LabError>,
        /// The hint.
        hint: String,
    },
    /// Rows of a file could not be evaluated.
    #[error("{}, rows counted from 0 below any header: {source}", .path.display())]
    InRowsOf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<ffjord_run::RunError>,
    },
    /// A file is to be written in a format that there is not.
    #[error("{}: samples are written to files that end in .npy or .csv, and images also to .png, .idx or a new folder", .path.display())]
    OutputFormat {
        /// The file.
        path: PathBuf,
    },
    /// A figure that there is not.
    #[error(
        "there is no figure {given} here: accepted are 1, a density along a flow's path, 2, densities of FFJORD beside Glow's, \
         3 and 7, samples of image flows, 4, traces at a bottleneck, 5, evaluations while autoencoders are trained, 6, \
         evaluations while image flows are trained, and 8, the integral of the density against the solver's tolerance"
    )]
    UnknownFigure {
        /// The number that was given.
        given: u32,
    },
    /// A table that there is not.
    #[error(
        "there is no table {given} here: accepted are 2, test likelihoods of tables and images, and 3, bounds of \
         variational autoencoders"
    )]
    UnknownTable {
        /// The number that was given.
        given: u32,
    },
    /// The name of no check of robustness.
    #[error("no check's name contains `{given}`: accepted is any part of {accepted}")]
    UnknownCheck {
        /// What was given.
        given: String,
        /// The names.
        accepted: String,
    },
    /// No original of a dataset could be fetched and used.
    #[error("{name} could not be fetched: {reasons}")]
    NoOriginal {
        /// The dataset.
        name: &'static str,
        /// Why each original failed, and what to do by hand.
        reasons: String,
    },
    /// A run folder is to be continued as a run of another preset.
    #[error(
        "{}: this folder holds a run of the preset `{stored}`, not `{given}`: continue it with that name, or write \
         elsewhere with --out DIR",
        .path.display()
    )]
    OtherPreset {
        /// The folder.
        path: PathBuf,
        /// Its preset.
        stored: String,
        /// The one that was given.
        given: String,
    },
    /// Nobody says what is to be trained.
    #[error(
        "which run is to be continued? Give its preset, as in `experiment PRESET --resume`, or its folder with --out DIR"
    )]
    WithoutRun,
    /// Devices.
    #[error(transparent)]
    Device(#[from] ffjord_cuda::CudaError),
    /// Nobody says which of several processes this is.
    #[error(
        "--meet is given, but not which process this is: give --rank and --ranks, or start it by torchrun, mpirun or srun, \
         whose variables say it"
    )]
    UnknownRank,
    /// Several processes run a command for one.
    #[error(
        "this command runs in one process, and there are {processes}: only `experiment`, and `eval` of flows, run in several"
    )]
    OneProcess {
        /// How many there are.
        processes: usize,
    },
    /// A process is given two sets of others.
    #[error("--meet is given to a process that MPI connects with others already: leave it out")]
    MetAlready,
    /// What went wrong in another process than the first.
    #[error("process {rank}: {source}")]
    InProcess {
        /// The process.
        rank: usize,
        /// What went wrong.
        source: Box<LabError>,
    },
    /// Downloads.
    #[error(transparent)]
    Fetch(#[from] ffjord_data::fetch::FetchError),
    /// Ctrl-C cannot be caught.
    #[error("cannot catch Ctrl-C: {0}")]
    Interrupt(#[from] ctrlc::Error),
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
    /// Flows.
    #[error(transparent)]
    Flow(#[from] ffjord_flow::FlowError),
    /// Pictures.
    #[error(transparent)]
    Plot(#[from] ffjord_plot::PlotError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] ffjord_files::FileError),
    /// Variational autoencoders.
    #[error(transparent)]
    Vae(#[from] ffjord_vae::VaeError),
    /// Training.
    #[error(transparent)]
    Train(#[from] ffjord_train::TrainError),
    /// A list of steps.
    #[error("{}: this is no list of steps that can be run: {reason}", .path.display())]
    Steps {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no terminal to draw on.
    #[error("standard output is no terminal: print one picture as text with --once, or start it in a terminal")]
    NoTerminal,
    /// The terminal cannot be drawn on.
    #[error("the terminal cannot be drawn on: {0}")]
    Terminal(std::io::Error),
    /// The table of works to cite.
    #[error("the program was built with a table of works to cite that cannot be read: {0}")]
    References(Box<toml::de::Error>),
    /// Comma-separated values.
    #[error("comma-separated values cannot be written: {0}")]
    Csv(#[from] csv::Error),
    /// JSON.
    #[error("JSON failed: {0}")]
    Json(#[from] serde_json::Error),
}

/// A result with this program's error.
pub type Result<T, E = LabError> = std::result::Result<T, E>;

impl LabError {
    /// Adds to an error of the system what was tried and where.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// Adds to an error of columns the file that they are in.
    pub fn columns_of(path: &Path) -> impl FnOnce(ffjord_run::RunError) -> Self {
        let path = path.to_path_buf();
        move |source| Self::ColumnsOfFile {
            path,
            source: Box::new(source),
        }
    }

    /// Adds a hint to an error, if there is one.
    pub fn with_hint(hint: Option<&String>) -> impl FnOnce(Self) -> Self {
        let hint = hint.cloned();
        move |source| match hint {
            Some(hint) => Self::Hinted {
                source: Box::new(source),
                hint,
            },
            None => source,
        }
    }

    /// As [`columns_of`](Self::columns_of), for a file that is to hold the condition's columns, too.
    pub fn without_given(path: &Path) -> impl FnOnce(ffjord_run::RunError) -> Self {
        let path = path.to_path_buf();
        move |source| Self::WithoutGiven {
            path,
            source: Box::new(source),
        }
    }

    /// Adds to an error that names rows the file that they are in.
    pub fn in_rows_of(path: &Path) -> impl FnOnce(ffjord_run::RunError) -> Self {
        let path = path.to_path_buf();
        move |source| Self::InRowsOf {
            path,
            source: Box::new(source),
        }
    }
}

impl From<ffjord_run::RunError> for LabError {
    fn from(error: ffjord_run::RunError) -> Self {
        Self::Run(Box::new(error))
    }
}

impl From<ffjord_study::StudyError> for LabError {
    fn from(error: ffjord_study::StudyError) -> Self {
        Self::Study(Box::new(error))
    }
}
