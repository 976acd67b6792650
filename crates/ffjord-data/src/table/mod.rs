//! Tables of numbers in files: `.npy`, `.npz` and text.
//!
//! A file is data from outside: what it claims is checked before it is believed, and whatever is wrong with it is an
//! error that names the place.

pub(crate) mod npy;
mod npy_header;
mod npz;
mod text;

use std::path::Path;

pub use self::{
    npy::{NpyError, save_npy},
    npy_header::HeaderError,
    text::{Header, TextError, save_csv},
};
use crate::{DataError, Matrix};

/// A table as it stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The column names, `[D]`, if the file has them.
    pub names: Option<Vec<String>>,
    /// The numbers, `[N, D]`, all finite unless [`LoadOptions::keep_non_finite`] lets others in.
    pub values: Matrix<f64>,
}

/// What a file name does not say about how to read it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Which array of a `.npz` archive to read; the first one if `None`.
    pub array: Option<String>,
    /// Whether a text table starts with column names.
    pub header: Header,
    /// Whether NaN and infinities are kept instead of being refused, for those who score every other row.
    pub keep_non_finite: bool,
}

/// Reads a table `[N, D]` by the ending of its file's name.
///
/// * `.npy`: an array of floating-point numbers or integers, one- or two-dimensional; one dimension gives `[N, 1]`.
/// * `.npz`: the same, out of an archive.
/// * `.csv`, `.tsv`, `.txt`, `.dat`, each also with `.gz`: numbers separated by commas, semicolons or white space.
///
/// # Errors
/// [`DataError::UnknownFormat`] for other endings, [`DataError::Io`], [`DataError::Npy`] and [`DataError::Text`] with
/// the place and the remedy. A table without rows is an error, and so is a value that is not finite unless such are
/// kept.
///
/// ```
/// use ffjord_data::table::{self, LoadOptions};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("heights.csv");
/// std::fs::write(&path, "height,weight\n1.7,65\n1.8,80\n")?;
/// let table = table::load(&path, &LoadOptions::default())?;
/// assert_eq!(table.names.as_deref(), Some(&["height".to_owned(), "weight".to_owned()][..]));
/// assert_eq!(table.values.row(1), [1.8, 80.0]);
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
        Ok(Table {
            names: None,
            values: npy::load_with(path, options.keep_non_finite)?,
        })
    } else if name.ends_with(".npz") {
        Ok(Table {
            names: None,
            values: npz::load(path, options.array.as_deref(), options.keep_non_finite)?,
        })
    } else if [".csv", ".tsv", ".txt", ".dat"]
        .iter()
        .any(|ending| stem.ends_with(ending))
    {
        text::load(path, options)
    } else {
        Err(DataError::UnknownFormat { path: path.to_owned() })
    }
}
