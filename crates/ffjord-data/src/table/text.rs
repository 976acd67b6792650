//! Numbers in text, separated by commas, semicolons, tabs or white space.

use std::{
    io::{self, BufRead},
    path::Path,
};

use csv::{ReaderBuilder, StringRecord, Trim, WriterBuilder};
use ffjord_files::write_atomic_with;
use thiserror::Error;

use super::{LoadOptions, Table};
use crate::{DataError, Element, Matrix, fs::open_text};

/// Whether a text table starts with a line of column names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Header {
    /// It does if no field of its first line is a number.
    #[default]
    Detect,
    /// It does.
    Present,
    /// It does not.
    Absent,
}

/// Why a text table cannot be read. Lines and columns count from 1, as editors do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TextError {
    /// A field is not a number.
    #[error(
        "line {line}, column {column}: {text:?} is not a number; drop rows with missing values, \
         and columns that are not numeric"
    )]
    NotANumber {
        /// Line of the file, from 1.
        line: u64,
        /// Field of the line, from 1.
        column: usize,
        /// The field.
        text: String,
    },
    /// A field is infinite, not-a-number, or too large for double precision.
    #[error("line {line}, column {column}: {text:?} is not finite; drop rows with missing or infinite values")]
    NotFinite {
        /// Line of the file, from 1.
        line: u64,
        /// Field of the line, from 1.
        column: usize,
        /// The field.
        text: String,
    },
    /// A line has more or fewer fields than the first one.
    #[error("line {line} has {given} fields where the first line has {expected}: all lines need the same number")]
    Ragged {
        /// Line of the file, from 1.
        line: u64,
        /// Fields it has.
        given: usize,
        /// Fields of the first line.
        expected: usize,
    },
    /// There is no row of numbers.
    #[error("there is no row of numbers in it")]
    Empty,
    /// A line is not text.
    #[error("line {line} is not UTF-8 text: is this another kind of file?")]
    NotUtf8 {
        /// Line of the file, from 1.
        line: u64,
    },
    /// The operating system or the decompressor refused to read, or a line is longer than a mebibyte.
    #[error("cannot read after line {line}: {source}")]
    Read {
        /// The last line read well, 0 if none.
        line: u64,
        /// The reason.
        source: io::Error,
    },
}

/// Reads a text table; lines that are empty or start with `#` are skipped.
pub(super) fn load(path: &Path, options: &LoadOptions) -> Result<Table, DataError> {
    let tabs = path
        .to_string_lossy()
        .to_lowercase()
        .trim_end_matches(".gz")
        .ends_with(".tsv");
    read(open_text(path)?, TableBuilder::new(options), tabs).map_err(|error| DataError::Text {
        path: path.to_owned(),
        error,
    })
}

fn read(reader: impl BufRead, mut table: TableBuilder, tabs: bool) -> Result<Table, TextError> {
    let mut delimiter = tabs.then_some('\t');
    for (number, bytes) in (1..).zip(reader.split(b'\n')) {
        let bytes = bytes.map_err(|source| TextError::Read {
            line: number - 1,
            source,
        })?;
        let line = std::str::from_utf8(&bytes).map_err(|_| TextError::NotUtf8 { line: number })?;
        // Some programs mark the start of a file so; it is no part of the first field.
        let line = line.strip_prefix('\u{feff}').filter(|_| number == 1).unwrap_or(line);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if table.columns == 0 {
            delimiter = delimiter.or_else(|| [',', ';'].into_iter().find(|delimiter| line.contains(*delimiter)));
        }
        match delimiter {
            None => table.push(number, line.split_whitespace())?,
            Some(delimiter) if line.contains('"') => {
                table.push(number, quoted_fields(number, line, delimiter)?.iter())?;
            }
            Some(delimiter) => table.push(number, line.split(delimiter).map(str::trim))?,
        }
    }
    table.finish()
}

/// The fields of a line in which some are quoted, as column names with a comma in them are.
fn quoted_fields(number: u64, line: &str, delimiter: char) -> Result<StringRecord, TextError> {
    let mut reader = ReaderBuilder::new()
        // One of three ASCII characters.
        .delimiter(delimiter as u8)
        .has_headers(false)
        .trim(Trim::All)
        .from_reader(line.as_bytes());
    let mut record = StringRecord::new();
    let read = reader.read_record(&mut record);
    read.map_err(|error| TextError::Read {
        line: number - 1,
        source: error.into(),
    })?;
    Ok(record)
}

/// Turns lines of fields into a table.
struct TableBuilder {
    header: Header,
    keep_non_finite: bool,
    names: Option<Vec<String>>,
    columns: usize,
    values: Vec<f64>,
}

impl TableBuilder {
    fn new(options: &LoadOptions) -> Self {
        Self {
            header: options.header,
            keep_non_finite: options.keep_non_finite,
            names: None,
            columns: 0,
            values: Vec::new(),
        }
    }

    fn push<'a>(&mut self, line: u64, fields: impl Iterator<Item = &'a str> + Clone) -> Result<(), TextError> {
        let given = fields.clone().count();
        if self.columns == 0 {
            self.columns = given;
            let numeric = fields.clone().any(|field| field.parse::<f64>().is_ok());
            if self.header == Header::Present || (self.header == Header::Detect && !numeric) {
                self.names = Some(fields.map(str::to_owned).collect());
                return Ok(());
            }
        }
        if given != self.columns {
            return Err(TextError::Ragged {
                line,
                given,
                expected: self.columns,
            });
        }
        for (column, field) in (1..).zip(fields) {
            match field.parse::<f64>() {
                Ok(value) if value.is_finite() || self.keep_non_finite => self.values.push(value),
                Ok(_) => {
                    return Err(TextError::NotFinite {
                        line,
                        column,
                        text: excerpt(field),
                    });
                }
                Err(_) => {
                    return Err(TextError::NotANumber {
                        line,
                        column,
                        text: excerpt(field),
                    });
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Table, TextError> {
        if self.values.is_empty() {
            return Err(TextError::Empty);
        }
        Ok(Table {
            names: self.names,
            values: Matrix::from_parts(self.columns, self.values),
        })
    }
}

/// As much of a field as an error text should show.
fn excerpt(field: &str) -> String {
    field.chars().take(40).collect()
}

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
