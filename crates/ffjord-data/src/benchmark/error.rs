//! What can be wrong with the files of a benchmark.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why the files of a tabular benchmark cannot be used.
///
/// ```
/// use ffjord_data::{Benchmark, BenchmarkError, DataError};
/// let missing = Benchmark::Miniboone.prepare("no/such/folder").unwrap_err();
/// assert!(matches!(&missing, DataError::Benchmark(BenchmarkError::NotFound { name: "miniboone", .. })));
/// assert!(missing.to_string().contains("`data info miniboone` says where to get them"));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchmarkError {
    /// The name is not that of a benchmark.
    #[error("unknown dataset {given:?}: choose one of {}", super::names())]
    Unknown {
        /// The name given.
        given: String,
    },
    /// The data are not where they are looked for.
    #[error(
        "the data of {name} are not at {}: accepted are {accepted}, or the folder that `data fetch {name}` or \
         `data import {name}` writes; `data info {name}` says where to get them",
        path.display()
    )]
    NotFound {
        /// The dataset.
        name: &'static str,
        /// Where they were looked for.
        path: PathBuf,
        /// The original's files.
        accepted: &'static str,
    },
    /// An archive was given where its contents are needed.
    #[error("{} is an archive: unpack it, or let `data import {name} --from FILE` do so", path.display())]
    Packed {
        /// The dataset.
        name: &'static str,
        /// The archive.
        path: PathBuf,
    },
    /// Rows under a label would take the place of the published split.
    #[error(
        "{} holds the published split, which data under a label would replace: remove the folder, or import into \
         another one with `--cache DIR`",
        path.display()
    )]
    Labelled {
        /// The folder.
        path: PathBuf,
    },
    /// A pickled frame cannot be read.
    #[error(
        "{} is a pickled pandas frame, which only Python can read: write it as a table with \
         `pandas.read_pickle(\"ethylene_CO.pickle\").to_csv(\"ethylene_CO.csv\", index=False)` and give that file",
        path.display()
    )]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// A file has another number of columns than the original.
    #[error("{} has {given} columns where the original of {name} has {expected}", path.display())]
    Width {
        /// The dataset.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Columns given.
        given: usize,
        /// Columns of the original.
        expected: &'static str,
    },
    /// A line does not start with what its file's format puts there.
    #[error("{}, line {line}: {text:?} is given where {expected} is expected", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: u64,
        /// What stands there.
        text: String,
        /// What should.
        expected: &'static str,
    },
    /// The file ends before all the rows it announces.
    #[error("{} ends after {given} of the {expected} rows that it announces: fetch it again", path.display())]
    Ended {
        /// The file.
        path: PathBuf,
        /// Rows given.
        given: u64,
        /// Rows announced.
        expected: u64,
    },
    /// More rows than any original has.
    #[error("{} has more than {limit} rows, more than the original of {name}", path.display())]
    TooManyRows {
        /// The dataset.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// The most rows accepted.
        limit: u64,
    },
    /// The rules leave too little.
    #[error("after the rules of {name} {what} is left of {}: is it the original?", path.display())]
    NothingLeft {
        /// The dataset.
        name: &'static str,
        /// What is missing.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A value of the POWER array is not a multiple of the original's resolution.
    #[error(
        "{}: row {row} (from 0) is not one of the original's measurements: powers have three decimals, voltages two, \
         sub-meterings and minutes none",
        path.display()
    )]
    NotMeasured {
        /// The file.
        path: PathBuf,
        /// Its row, from 0.
        row: usize,
    },
    /// An HDF5 file cannot be read.
    #[error("{}: {error}: fetch it again, or write it with h5py", path.display())]
    Hdf5 {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        error: hdf5_pure::Error,
    },
    /// An array of an HDF5 file is of another kind than the original's.
    #[error(
        "{}: the array {array:?} is of type {kind} and shape {shape:?}: accepted are f32 or f64, [rows, {columns}]",
        path.display()
    )]
    Array {
        /// The file.
        path: PathBuf,
        /// The array.
        array: &'static str,
        /// Its element type.
        kind: String,
        /// Its shape.
        shape: Vec<u64>,
        /// Columns expected.
        columns: usize,
    },
    /// A value is infinite or not a number.
    #[error("{}: the value in row {row}, column {column} (from 0) of {array:?} is not finite", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The array.
        array: &'static str,
        /// Its row, from 0.
        row: u64,
        /// Its column, from 0.
        column: usize,
    },
    /// An archive cannot be unpacked.
    #[error("{} cannot be unpacked: {source}; fetch it again", path.display())]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A folder of prepared data is damaged.
    #[error("the prepared data in {} are damaged: {reason}; fetch or import {name} again", path.display())]
    Prepared {
        /// The dataset.
        name: String,
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
