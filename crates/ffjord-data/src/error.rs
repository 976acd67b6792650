//! What can go wrong between a file and a batch.

use std::{io, path::PathBuf};

use thiserror::Error;

#[cfg(feature = "image")]
use crate::toy::ImageDensityError;
use crate::{
    benchmark::BenchmarkError,
    image::ImageError,
    manifest::ManifestError,
    power::PowerError,
    table::{NpyError, TextError},
};

/// Why data could not be read, prepared or written; the text names the place, what is accepted and the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The number of values is not `rows × columns`, or a matrix without columns was asked for.
    #[error(
        "{values} values do not fill a matrix of {rows} rows and {columns} columns: \
         give exactly rows × columns values and at least one column"
    )]
    Shape {
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        columns: usize,
        /// Values given.
        values: usize,
    },
    /// A row index or the end of a row range lies outside the matrix.
    #[error("row {row} does not exist: the matrix has {rows} rows, numbered from 0")]
    RowOutOfRange {
        /// The row asked for.
        row: usize,
        /// Rows there are.
        rows: usize,
    },
    /// Two things that must have the same number of columns have not.
    #[error("{given} columns were given where {expected} are expected")]
    ColumnCount {
        /// Columns given.
        given: usize,
        /// Columns expected.
        expected: usize,
    },
    /// The name is not that of a toy density.
    #[error("unknown toy density {given:?}: choose one of {}", crate::toy::names())]
    UnknownToyDensity {
        /// The name given.
        given: String,
    },
    /// The operating system refused to open or read a file, or to make a folder.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `open`, `read`, or `write` for a folder.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] ffjord_files::FileError),
    /// The file name ends in nothing that a loader stands for.
    #[error(
        "{}: unknown table format; accepted endings are .npy, .npz, and for text .csv, .tsv, .txt and .dat, \
         each also with .gz",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A `.npy` file or an array in a `.npz` archive is malformed or of an unsupported kind.
    #[error("{}: {error}", path.display())]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: NpyError,
    },
    /// A text table is malformed.
    #[error("{}: {error}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: TextError,
    },
    /// The POWER data, raw or embedded, is malformed.
    #[error(transparent)]
    Power(#[from] PowerError),
    /// The files of a tabular benchmark are missing, damaged or others.
    #[error(transparent)]
    Benchmark(#[from] BenchmarkError),
    /// Files of images are missing, damaged or others.
    #[error(transparent)]
    Images(#[from] ImageError),
    /// A manifest is malformed, or a file is not the one it describes.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A picture cannot serve as a density.
    #[cfg(feature = "image")]
    #[error(transparent)]
    ImageDensity(#[from] ImageDensityError),
    /// A split fraction is not in `[0, 1)`.
    #[error("the {which} fraction is {given}: it must be at least 0 and below 1")]
    Fraction {
        /// `test` or `validation`.
        which: &'static str,
        /// The fraction given.
        given: f64,
    },
    /// The split leaves no row to train on.
    #[error("{rows} rows are too few: the split leaves none to train on; give more rows or smaller fractions")]
    NoTrainingRows {
        /// Rows of the whole table.
        rows: usize,
    },
    /// A column takes one value only, so it has no density and cannot be scaled to unit variance.
    #[error(
        "column {column}{} has the same value {value} in all train and validation rows: \
         drop it, or keep it unscaled with ConstantColumns::Keep",
        name.as_ref().map(|name| format!(" ({name:?})")).unwrap_or_default()
    )]
    ConstantColumn {
        /// Its number, from 0.
        column: usize,
        /// Its name, where the table has names.
        name: Option<String>,
        /// The value.
        value: f64,
    },
    /// A batch of no rows was asked for, or one larger than an epoch whose incomplete batches are dropped.
    #[error("a batch size of {size} yields no batch from {rows} rows: give a size from 1 to {rows}")]
    BatchSize {
        /// The size asked for.
        size: usize,
        /// Rows of the data set.
        rows: usize,
    },
    /// More rows than a permutation of 32-bit indices can hold.
    #[error("{rows} rows are too many to permute: the limit is 4294967295")]
    TooManyRows {
        /// The rows given.
        rows: usize,
    },
}
