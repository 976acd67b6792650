//! Rows and conditions that users bring in files.

use super::reading::ReadArguments;
use crate::error::{LabError, Result};
use candle_core::DType;
use ffjord_data::DataError;
use ffjord_data::image::{ImageRows, read_images};
use ffjord_data::table::{self, Header, LoadOptions, NpyError, Table};
use ffjord_run::{ImageFormat, Matrix, Rows, Scores, Trained};
use std::path::{Path, PathBuf};

/// Rows as they stand in files, with values that are not finite.
pub(super) struct RowsOfFiles {
    /// The rows, and what they are given.
    pub rows: Rows<f64>,
    /// What was read, in a line a file.
    pub said: Vec<String>,
    x: Origin,
    given: Option<Origin>,
}

/// Where columns come from.
struct Origin {
    path: PathBuf,
    columns: Vec<String>,
    bad: Vec<Bad>,
}

/// A value that is no finite number, or a whole row that is none.
struct Bad {
    row: usize,
    column: Option<String>,
    text: String,
}

impl Origin {
    fn new(path: &Path, table: &Table, columns: Vec<String>) -> Self {
        let names = table.column_names();
        let bad = table.bad.iter().map(|bad| Bad {
            row: bad.row,
            column: bad.column.map(|column| names[column].clone()),
            text: bad.text.clone(),
        });
        Self {
            path: path.to_path_buf(),
            bad: bad.collect(),
            columns,
        }
    }

    /// What is wrong with a row in the file; else the first of its values that is not finite where the model sees it.
    fn blame(&self, row: usize, own: &Matrix<f64>, seen: &Matrix<f64>, finite: &dyn Fn(f64) -> bool) -> Option<String> {
        let known = |column: &Option<String>| column.as_ref().is_none_or(|column| self.columns.contains(column));
        let mut bad = self.bad.iter().filter(|bad| bad.row == row);
        let what = match bad.find(|bad| known(&bad.column)) {
            Some(Bad { column: None, text, .. }) => text.clone(),
            Some(Bad {
                column: Some(column),
                text,
                ..
            }) => match text.parse::<f64>() {
                Ok(value) => format!("column {column} is {value:?}"),
                Err(_) => format!("column {column} is {text:?}, which is no number"),
            },
            None => {
                let column = seen.row(row).iter().position(|value| !finite(*value))?;
                format!("column {} is {:?}", self.columns[column], own.row(row)[column])
            }
        };
        Some(format!("{}, {what}", self.place(row)))
    }

    fn place(&self, row: usize) -> String {
        format!("{}: row {row} (from 0, below any header)", self.path.display())
    }
}

impl RowsOfFiles {
    /// The rows of `data` and what they are given: columns of the same file, or of `given`.
    ///
    /// # Errors
    /// When a file cannot be read, or its columns are not those of the model.
    pub fn load(trained: &Trained, data: &Path, read: &ReadArguments, given: Option<&Path>) -> Result<Self> {
        if let Some(format) = trained.image() {
            return Self::load_images(trained, format, data, given);
        }
        let hint = read.not_skipped(trained);
        let loaded = Self::load_table(trained, data, read, given);
        let mut loaded = loaded.map_err(LabError::with_hint(hint.as_ref()))?;
        loaded.said.extend(hint);
        Ok(loaded)
    }

    fn load_table(trained: &Trained, data: &Path, read: &ReadArguments, given: Option<&Path>) -> Result<Self> {
        let options = read.of_rows(trained);
        let table = load_rows(data, &options, trained.array())?;
        let table = named_by_comment(trained, data, &options, table);
        let mut said = vec![format!("read {}: {}", data.display(), table.describe())];
        let table = trained.familiar(table);
        let of_conditions = read.of_conditions(trained);
        let conditions = given.map(|path| load(path, &of_conditions).map(|table| (path, table)));
        let conditions = conditions.transpose()?;
        said.extend(
            conditions
                .iter()
                .map(|(path, table)| format!("read {}: {}", path.display(), table.describe())),
        );
        let (rows, x, of_given) = match (trained.given(), &conditions) {
            (None, conditions) => {
                let x = trained.arrange(&table).map_err(LabError::columns_of(data))?;
                let columns = match (trained.columns(), &table.names) {
                    (Some(own), Some(names)) => {
                        if own != names {
                            said.push(format!("columns are taken by their names, as {}", own.join(", ")));
                        }
                        own.to_vec()
                    }
                    _ => table.column_names(),
                };
                let given = conditions.as_ref().map(|(_, conditions)| conditions.values.clone());
                // That there may be none is what the check says.
                (Rows { x, given }, columns, None)
            }
            (Some(columns), None) => {
                let rows = columns.split(&table).map_err(LabError::without_given(data))?;
                let given = Origin::new(data, &table, columns.names.clone());
                (rows, columns.rest.clone(), Some(given))
            }
            (Some(columns), Some((path, conditions))) => {
                let x = columns.rows(&table).map_err(LabError::columns_of(data))?;
                let given = columns.conditions(conditions).map_err(LabError::columns_of(path))?;
                let rows = Rows::new(x, Some(given))?;
                let given = Origin::new(path, conditions, columns.names.clone());
                (rows, columns.rest.clone(), Some(given))
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
        Ok(Self {
            rows,
            said,
            x: Origin::new(data, &table, x),
            given: of_given,
        })
    }

    /// Images of a folder or file, as rows.
    fn load_images(trained: &Trained, format: ImageFormat, data: &Path, given: Option<&Path>) -> Result<Self> {
        let images = read_images(data, format.shape, format.levels)?;
        let [channels, height, width] = format.shape;
        let what = match &images {
            ImageRows::Levels(_) => "levels, which uniform noise is added to",
            _ => "numbers from 0 to 1, which are taken as they are",
        };
        let rows = trained.image_rows(images)?;
        let rows = Rows {
            given: given
                .map(|path| load(path, &LoadOptions::default()))
                .transpose()?
                .map(|table| table.values),
            ..rows
        };
        trained.check(&rows)?;
        let said = format!(
            "read {}: {} images of {channels}×{height}×{width}, {what}",
            data.display(),
            rows.rows()
        );
        Ok(Self {
            x: Origin {
                path: data.to_path_buf(),
                columns: (0..rows.x.columns()).map(|pixel| format!("pixel {pixel}")).collect(),
                bad: Vec::new(),
            },
            rows,
            said: vec![said],
            given: None,
        })
    }

    /// The rows that have no likelihood, each with its reason in words; `seen` is the rows as the model has them.
    pub fn left_out(&self, scores: &Scores, seen: &Rows<f64>, dtype: DType) -> Vec<String> {
        let without = (0..scores.values.len()).filter(|&row| !scores.values[row].is_finite());
        without.map(|row| self.blame(row, scores, seen, dtype)).collect()
    }

    fn blame(&self, row: usize, scores: &Scores, seen: &Rows<f64>, dtype: DType) -> String {
        let finite = |value: f64| match dtype {
            DType::F64 => value.is_finite(),
            _ => (value as f32).is_finite(),
        };
        let of_given = || {
            let (origin, own) = (self.given.as_ref()?, self.rows.given.as_ref()?);
            origin.blame(row, own, seen.given.as_ref()?, &finite)
        };
        let of_file = self.x.blame(row, &self.rows.x, &seen.x, &finite).or_else(of_given);
        of_file.unwrap_or_else(|| {
            let failure = scores.failures.iter().find(|(failed, _)| *failed == row);
            let reason = match failure {
                Some((_, reason)) => reason.clone(),
                None => format!("its log-likelihood is {}, which is no score", scores.values[row]),
            };
            format!("{}: {reason}", self.x.place(row))
        })
    }
}

/// The conditions of samples, as the model of a conditional run takes them; of another run, the whole table.
///
/// # Errors
/// When the file cannot be read, lacks a column of the condition, or has a value there that is not finite.
pub(super) fn load_conditions(trained: &Trained, path: &Path, read: &ReadArguments) -> Result<(Matrix<f64>, String)> {
    // Columns that are none of the condition may hold anything.
    let table = load(path, &read.of_conditions(trained))?;
    let (values, columns) = match trained.given() {
        Some(columns) => {
            let values = columns.conditions(&table).map_err(LabError::columns_of(path))?;
            (values, columns.names.clone())
        }
        None => (table.values.clone(), table.column_names()),
    };
    let said = format!("read {}: {}", path.display(), table.describe());
    let origin = Origin::new(path, &table, columns);
    let bad = (0..values.rows()).find_map(|row| origin.blame(row, &values, &values, &f64::is_finite));
    match bad {
        Some(what) => Err(LabError::BadCondition { what }),
        None => Ok((values, said)),
    }
}

/// A table whose names stand in a comment, where they are the run's: by position its columns could be other ones.
fn named_by_comment(trained: &Trained, path: &Path, options: &LoadOptions, table: Table) -> Table {
    let own: Vec<&String> = trained
        .columns()
        .into_iter()
        .flatten()
        .chain(trained.given().into_iter().flat_map(|given| &given.names))
        .collect();
    if own.is_empty() || !table.reading.text.is_some_and(|text| text.names_in_comment) {
        return table;
    }
    let options = LoadOptions {
        header: Header::Comment,
        ..options.clone()
    };
    // Of columns that are chosen by number the comment may have no names.
    let named = table::load(path, &options).ok().filter(|named| {
        let names = named.column_names();
        own.iter().all(|name| names.contains(name))
    });
    named.unwrap_or(table)
}

/// The table in a file, or an array of an archive: if none is asked for, the one that the model was trained on, or else the
/// one called `x`, of those that there are.
fn load_rows(path: &Path, options: &LoadOptions, trained_on: Option<&str>) -> Result<Table> {
    let several = match table::load(path, options) {
        Err(DataError::Npy {
            error: NpyError::SeveralArrays { present },
            path,
        }) => (present, path),
        other => return Ok(other?),
    };
    let (present, found) = several;
    let names = trained_on.into_iter().chain(["x"]);
    match names
        .into_iter()
        .find(|name| present.iter().any(|array| array.name == *name))
    {
        Some(name) => {
            let array = Some(name.to_string());
            let options = options.clone();
            load(path, &LoadOptions { array, ..options })
        }
        None => Err(DataError::Npy {
            error: NpyError::SeveralArrays { present },
            path: found,
        }
        .into()),
    }
}

fn load(path: &Path, options: &LoadOptions) -> Result<Table> {
    Ok(table::load(path, options)?)
}
