//! Rows and conditions that users bring in files.

use crate::error::{LabError, Result};
use candle_core::DType;
use ffjord_data::table::{self, LoadOptions, Table};
use ffjord_run::{Matrix, Rows, Trained};
use std::path::{Path, PathBuf};

/// Rows as they stand in files, with values that are not finite.
pub(super) struct RowsOfFiles {
    /// The rows, and what they are given.
    pub rows: Rows<f64>,
    x: Origin,
    given: Option<Origin>,
}

/// Where columns come from.
struct Origin {
    path: PathBuf,
    columns: Vec<String>,
}

impl RowsOfFiles {
    /// The rows of `data`, an array of it if that is an archive, and what they are given: columns of the same file, or of
    /// `given`.
    ///
    /// # Errors
    /// When a file cannot be read, or its columns are not those of the model.
    pub fn load(trained: &Trained, data: &Path, array: Option<&str>, given: Option<&Path>) -> Result<Self> {
        let table = load_array(data, array)?;
        let conditions = given.map(|path| load(path, None, true).map(|table| (path, table)));
        let conditions = conditions.transpose()?;
        let (rows, x, of_given) = match (trained.given(), conditions) {
            (None, conditions) => {
                let columns = names(&table);
                let given = conditions.map(|(_, conditions)| conditions.values);
                // That there may be none is what the check says.
                (Rows { x: table.values, given }, columns, None)
            }
            (Some(columns), None) => {
                let rows = columns.split(&table).map_err(LabError::without_given(data))?;
                (rows, columns.rest.clone(), Some((data, columns.names.clone())))
            }
            (Some(columns), Some((path, conditions))) => {
                let x = columns.rows(&table).map_err(LabError::columns_of(data))?;
                let given = columns.conditions(&conditions).map_err(LabError::columns_of(path))?;
                let rows = Rows::new(x, Some(given))?;
                (rows, columns.rest.clone(), Some((path, columns.names.clone())))
            }
        };
        if rows.x.columns() != trained.dimension() {
            return Err(LabError::Columns {
                path: data.to_path_buf(),
                given: rows.x.columns(),
                expected: trained.dimension(),
            });
        }
        trained.check(&rows)?;
        let origin = |(path, columns): (&Path, Vec<String>)| Origin {
            path: path.to_path_buf(),
            columns,
        };
        Ok(Self {
            rows,
            x: origin((data, x)),
            given: of_given.map(origin),
        })
    }

    /// What makes a row's log-likelihood NaN, in words: the first of its values that are not finite where the model sees
    /// them, which is in `seen`.
    pub fn blame(&self, row: usize, seen: &Rows<f64>, dtype: DType) -> String {
        let finite = |value: f64| match dtype {
            DType::F64 => value.is_finite(),
            _ => (value as f32).is_finite(),
        };
        let of = |origin: &Origin, own: &Matrix<f64>, seen: &Matrix<f64>| {
            let column = seen.row(row).iter().position(|value| !finite(*value))?;
            Some(format!(
                "{}: row {row} (from 0, below any header), column {} is {:?}",
                origin.path.display(),
                origin.columns[column],
                own.row(row)[column]
            ))
        };
        let of_given = || of(self.given.as_ref()?, self.rows.given.as_ref()?, seen.given.as_ref()?);
        let place = of(&self.x, &self.rows.x, &seen.x).or_else(of_given);
        place.unwrap_or_else(|| {
            format!(
                "{}: row {row} (from 0, below any header), whose log-likelihood is NaN",
                self.x.path.display()
            )
        })
    }
}

/// The conditions of samples, as the model of a conditional run takes them; of another run, the whole table.
///
/// # Errors
/// When the file cannot be read, or lacks a column of the condition.
pub(super) fn load_conditions(trained: &Trained, path: &Path) -> Result<Matrix<f64>> {
    let table = load(path, None, false)?;
    match trained.given() {
        Some(columns) => columns.conditions(&table).map_err(LabError::columns_of(path)),
        None => Ok(table.values),
    }
}

/// The table in a file, or an array of an archive: the one called `x` if none is asked for and there is one.
fn load_array(path: &Path, array: Option<&str>) -> Result<Table> {
    let is_archive = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    match array {
        None if is_archive => load(path, Some("x"), true).or_else(|_| load(path, None, true)),
        array => load(path, array, true),
    }
}

fn load(path: &Path, array: Option<&str>, keep_non_finite: bool) -> Result<Table> {
    let options = LoadOptions {
        array: array.map(ToString::to_string),
        keep_non_finite,
        ..LoadOptions::default()
    };
    Ok(table::load(path, &options)?)
}

/// The columns' names, or their numbers.
fn names(table: &Table) -> Vec<String> {
    let numbers = || (0..table.values.columns()).map(|column| column.to_string()).collect();
    table.names.clone().unwrap_or_else(numbers)
}
