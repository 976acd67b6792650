//! Tables of numbers in files: `.npy`, `.npz` and text.
//!
//! A file is data from outside: what it claims is checked before it is believed, and whatever is wrong with it is an
//! error that names the place. What a reader concludes (separator, header, array) is part of the [`Table`], so that it
//! can be said.

#[cfg(feature = "arrow")]
mod columnar;
pub(crate) mod npy;
mod npy_header;
mod npz;
mod number_kind;
mod reading;
mod selection;
mod text;

use std::path::Path;

#[cfg(feature = "arrow")]
pub use self::columnar::ColumnarError;
use self::selection::Selection;
pub(crate) use self::selection::listed;
pub use self::{
    npy::{NpyError, save_npy},
    npy_header::HeaderError,
    npz::ArrayInfo,
    reading::{BadValue, Reading, Table},
    selection::SelectionError,
    text::{Decimal, Delimiter, Header, TextError, TextReading, save_csv},
};
use crate::{DataError, Matrix};

/// What a file name does not say about how to read it.
///
/// ```
/// use ffjord_data::table::{self, LoadOptions};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("table.csv");
/// std::fs::write(&path, "id,x,y,part\n7,1,2,train\n8,nan,4,test\n")?;
/// let options = LoadOptions {
///     columns: vec!["y".to_owned(), "x".to_owned()],
///     labels: Some("part".to_owned()),
///     keep_non_finite: true,
///     ..LoadOptions::default()
/// };
/// let table = table::load(&path, &options)?;
/// assert_eq!(table.values.row(0), [2.0, 1.0]);
/// assert_eq!((table.labels.ok_or("asked for")?[1].as_str(), table.bad[0].row), ("test", 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Which array of a `.npz` archive to read; if `None`, there must be only one.
    pub array: Option<String>,
    /// Whether a text table starts with column names.
    pub header: Header,
    /// What separates the fields of a text table; found from its first lines if `None`.
    pub delimiter: Option<Delimiter>,
    /// The decimal sign of a text table; found from its first lines if `None`.
    pub decimal: Option<Decimal>,
    /// What a comment of a text table begins with; `#` if `None`, and no line is a comment if empty.
    pub comment: Option<String>,
    /// Lines at the beginning of a text table that are no part of it.
    pub skip_lines: u64,
    /// The columns to read, in this order, by name or by number from 0; all if empty.
    pub columns: Vec<String>,
    /// Columns to leave out, which need not be numbers.
    pub drop: Vec<String>,
    /// A column that is read as labels, not as numbers.
    pub labels: Option<String>,
    /// Whether NaN, infinities, fields that are no numbers and lines of another length are kept as values that are not
    /// finite, and listed in [`Table::bad`], instead of being refused: for those who score every other row.
    pub keep_non_finite: bool,
}

/// Reads a table `[N, D]` by the ending of its file's name.
///
/// * `.npy`: an array of floating-point numbers, integers or booleans, one- or two-dimensional; one dimension gives
///   `[N, 1]`.
/// * `.npz`: the same, out of an archive.
/// * `.csv`, `.tsv`, `.txt`, `.dat`, each also with `.gz`: numbers separated by commas, semicolons, tabs, pipes or white
///   space, with a decimal point or comma.
/// * `.parquet`, `.arrow`, `.feather`: columns of numbers, with the feature `arrow`.
///
/// # Errors
/// [`DataError::UnknownFormat`] for other endings, [`DataError::Io`], [`DataError::Npy`], [`DataError::Text`] and
/// [`DataError::Columns`] with the place and the remedy. A table without rows is an error, and so is a value that is not
/// finite unless such are kept.
///
/// ```
/// use ffjord_data::table::{self, Decimal, LoadOptions};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("heights.csv");
/// std::fs::write(&path, "height;weight\n1,7;65\n1,8;80\n")?;
/// let table = table::load(&path, &LoadOptions::default())?;
/// assert_eq!(table.names.as_deref(), Some(&["height".to_owned(), "weight".to_owned()][..]));
/// assert_eq!(table.values.row(1), [1.8, 80.0]);
/// assert_eq!(table.reading.text.map(|text| text.decimal), Some(Decimal::Comma));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Table, DataError> {
    let path = path.as_ref();
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    if name.ends_with(".npy") {
        from_array(path, npy::load_with(path, true)?, None, options)
    } else if name.ends_with(".npz") {
        let (array, values) = npz::load(path, options.array.as_deref())?;
        from_array(path, values, Some(array), options)
    } else if [".csv", ".tsv", ".txt", ".dat"]
        .iter()
        .any(|ending| stem.ends_with(ending))
    {
        text::load(path, options)
    } else if [".parquet", ".arrow", ".feather"]
        .iter()
        .any(|ending| name.ends_with(ending))
    {
        columnar(path, options)
    } else {
        Err(DataError::UnknownFormat { path: path.to_owned() })
    }
}

#[cfg(feature = "arrow")]
fn columnar(path: &Path, options: &LoadOptions) -> Result<Table, DataError> {
    columnar::load(path, options)
}

#[cfg(not(feature = "arrow"))]
fn columnar(path: &Path, _: &LoadOptions) -> Result<Table, DataError> {
    Err(DataError::WithoutArrow { path: path.to_owned() })
}

/// The table of an array, which has no names.
fn from_array(
    path: &Path,
    values: Matrix<f64>,
    array: Option<String>,
    options: &LoadOptions,
) -> Result<Table, DataError> {
    let selection = Selection::of(None, values.columns(), options).map_err(|error| error.in_file(path))?;
    let names = selection.names(None);
    let labels = selection
        .labels
        .map(|column| values.iter_rows().map(|row| row[column].to_string()).collect());
    let values = match names {
        None => values,
        Some(_) => values.select_columns(&selection.kept),
    };
    let bad = values.iter_rows().enumerate().flat_map(|(row, values)| {
        let bad = values.iter().enumerate().filter(|(_, value)| !value.is_finite());
        bad.map(move |(column, value)| BadValue {
            row,
            column: Some(column),
            text: format!("{value:?}"),
        })
    });
    let bad: Vec<BadValue> = bad.collect();
    // Only now: a column that is left out may hold anything.
    if let Some(BadValue { row, column, .. }) = bad.first().filter(|_| !options.keep_non_finite) {
        let place = column.unwrap_or(0);
        return Err(DataError::Npy {
            path: path.to_owned(),
            error: NpyError::NotFinite {
                row: *row,
                column: selection.kept[place],
                value: values.row(*row)[place],
            },
        });
    }
    Ok(Table {
        names,
        bad,
        labels,
        reading: Reading {
            array,
            text: None,
            left_out: selection.left_out,
        },
        values,
    })
}
