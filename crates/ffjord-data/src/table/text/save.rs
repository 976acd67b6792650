//! Tables as comma-separated text.

use std::path::Path;

use csv::WriterBuilder;
use ffjord_files::write_atomic_with;

use crate::{DataError, Element, Matrix};

/// Writes a matrix as comma-separated text, atomically, with `names` `[columns]` as its first line if given.
///
/// Every number is written with the fewest digits that read back as the same number.
///
/// # Errors
/// [`DataError::ColumnCount`] if there are names but not one for every column, [`DataError::File`] if the file cannot be
/// written; an existing file is then unchanged.
///
/// ```
/// use ffjord_data::{Matrix, table};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("points.csv");
/// let names = ["x".to_owned(), "y".to_owned()];
/// table::save_csv(&path, &Matrix::from_rows(&[[0.1, 2.0]]), Some(&names))?;
/// assert_eq!(std::fs::read_to_string(&path)?, "x,y\n0.1,2.0\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save_csv<T: Element>(
    path: impl AsRef<Path>,
    matrix: &Matrix<T>,
    names: Option<&[String]>,
) -> Result<(), DataError> {
    if let Some(names) = names
        && names.len() != matrix.columns()
    {
        return Err(DataError::ColumnCount {
            given: names.len(),
            expected: matrix.columns(),
        });
    }
    let written = write_atomic_with(path, |file| {
        let mut writer = WriterBuilder::new().from_writer(file);
        if let Some(names) = names {
            writer.write_record(names)?;
        }
        for row in matrix.iter_rows() {
            writer.write_record(row.iter().map(|value| format!("{value:?}")))?;
        }
        writer.flush()
    });
    Ok(written?)
}
