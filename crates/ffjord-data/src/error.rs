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
    split::SplitError,
    table::{NpyError, SelectionError, TextError},
};

/// Why data could not be read, prepared or written; the text names the place, what is accepted and the remedy.
///
/// ```
/// use ffjord_data::{DataError, Matrix, ToyDensity};
/// let refused = Matrix::new(2, 2, vec![1.0, 2.0, 3.0]).unwrap_err();
/// assert!(matches!(refused, DataError::Shape { rows: 2, columns: 2, values: 3 }));
/// assert!(refused.to_string().contains("3 values do not fill a matrix of 2 rows and 2 columns"));
/// let unknown = "spirals".parse::<ToyDensity>().unwrap_err().to_string();
/// assert!(unknown.contains("\"spirals\"") && unknown.contains("2spirals"), "{unknown}");
/// ```
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
         each also with .gz, and .parquet, .arrow and .feather where the program is built with the feature `arrow`",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A Parquet or Arrow file, which this program was built without.
    #[error(
        "{}: Parquet and Arrow files are read by programs that are built with the feature `arrow` alone; convert it with \
         `python -c 'import pandas; pandas.read_parquet(\"IN\").to_csv(\"OUT.csv\", index=False)'` (read_feather for \
         .arrow and .feather), or build with `cargo build --release -p ffjord-lab --features arrow`",
        path.display()
    )]
    WithoutArrow {
        /// The file.
        path: PathBuf,
    },
    /// A Parquet or Arrow file is malformed, or holds what is no number.
    #[cfg(feature = "arrow")]
    #[error("{}: {error}", path.display())]
    Columnar {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: crate::table::ColumnarError,
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
    /// The columns of a file are not those that are asked for.
    #[error("{}: {error}", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: SelectionError,
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
    /// Rows cannot be told apart by their labels.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The middle half of a column has one value, so that its spread is no scale.
    #[error(
        "the middle half of column {column}{} is {value} throughout, so that it has no robust scale: use \
         --set data.scale=standard, or leave the column out with --set 'data.drop=[{}]'",
        name.as_ref().map(|name| format!(" ({name:?})")).unwrap_or_default(),
        name.as_ref().map_or_else(|| column.to_string(), |name| format!("{name:?}"))
    )]
    NoRobustScale {
        /// Its number, from 0.
        column: usize,
        /// Its name, where the table has names.
        name: Option<String>,
        /// The value.
        value: f64,
    },
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
         it has no density; leave it out, with --set 'data.drop=[{}]' or in the file",
        name.as_ref().map(|name| format!(" ({name:?})")).unwrap_or_default(),
        name.as_ref().map_or_else(|| column.to_string(), |name| format!("{name:?}"))
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
