//! Parquet and Arrow IPC files (Feather), by the crates of the Arrow project.

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use arrow_array::{Array, Float64Array, RecordBatch, StringArray, cast::AsArray, types::Float64Type};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use thiserror::Error;

use super::{BadValue, LoadOptions, Reading, SelectionError, Table, selection::Selection};
use crate::{DataError, Matrix};

/// Why a Parquet or Arrow file cannot be read.
///
/// ```
/// use ffjord_data::DataError;
/// use ffjord_data::table::{self, ColumnarError, LoadOptions};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.parquet");
/// std::fs::write(&path, "no table")?;
/// let refused = table::load(&path, &LoadOptions::default());
/// assert!(matches!(refused, Err(DataError::Columnar { error: ColumnarError::Parquet(_), .. })));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ColumnarError {
    /// The file is damaged, or of a kind that is not known.
    #[error("it cannot be read: {0}")]
    Malformed(#[from] ArrowError),
    /// The same of Parquet.
    #[error("it cannot be read: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// What the file says of its parts does not fit what is in it.
    #[error("it is damaged: what it says of its parts cannot be; write it again")]
    Contradictory,
    /// The operating system refused to read.
    #[error("cannot read: {0}")]
    Read(#[from] std::io::Error),
    /// A value is missing, infinite or no number.
    #[error(
        "row {row} (from 0), column {column}: {text} is no finite number; drop rows with missing values, and leave \
         columns that are not numeric out (data.drop, --drop)"
    )]
    NotFinite {
        /// Its row, from 0.
        row: usize,
        /// Its column's name.
        column: String,
        /// What stands there.
        text: String,
    },
    /// A column is of a type that has no numbers.
    #[error("column {column} holds {kind}, which are no numbers: leave it out (data.drop, --drop)")]
    Type {
        /// Its name.
        column: String,
        /// Its type.
        kind: String,
    },
    /// There is no row.
    #[error("there is no row in it")]
    Empty,
}

/// Reads a file whose name ends in `.parquet`, `.arrow` or `.feather`.
pub(super) fn load(path: &Path, options: &LoadOptions) -> Result<Table, DataError> {
    let file = File::open(path).map_err(|source| DataError::Io {
        action: "open",
        path: path.to_owned(),
        source,
    })?;
    let parquet = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
    // Where what a file says of itself cannot be, the readers of the Arrow project return an error or panic.
    let read = catch_unwind(AssertUnwindSafe(|| match parquet {
        true => parquet_table(file, options),
        false => ipc_table(BufReader::new(file), options),
    }));
    let read = read.unwrap_or_else(|_| Err(ColumnarError::Contradictory.into()));
    read.map_err(|failure| match failure {
        Failure::File(error) => DataError::Columnar {
            path: path.to_owned(),
            error,
        },
        Failure::Columns(error) => error.in_file(path),
    })
}

/// What ends reading: something in the file, or columns that are asked for and not there.
enum Failure {
    File(ColumnarError),
    Columns(SelectionError),
}

impl<E: Into<ColumnarError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::File(error.into())
    }
}

fn parquet_table(file: File, options: &LoadOptions) -> Result<Table, Failure> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let schema = builder.schema().clone();
    let mut rows = Rows::new(&schema, options)?;
    for batch in builder.build()? {
        rows.push(&batch?)?;
    }
    rows.finish()
}

fn ipc_table(mut reader: impl Read + Seek, options: &LoadOptions) -> Result<Table, Failure> {
    let mut start = Vec::new();
    reader.by_ref().take(6).read_to_end(&mut start)?;
    reader.rewind()?;
    let take = |schema: &Schema, batches: &mut dyn Iterator<Item = Result<RecordBatch, ArrowError>>| {
        let mut rows = Rows::new(schema, options)?;
        for batch in batches {
            rows.push(&batch?)?;
        }
        rows.finish()
    };
    if start == b"ARROW1" {
        let mut reader = FileReader::try_new(reader, None)?;
        let schema = reader.schema();
        take(&schema, &mut reader)
    } else {
        let mut reader = StreamReader::try_new(reader, None)?;
        let schema = reader.schema();
        take(&schema, &mut reader)
    }
}

/// Gathers the rows of batches.
struct Rows<'a> {
    options: &'a LoadOptions,
    names: Vec<String>,
    selection: Selection,
    values: Vec<f64>,
    labels: Vec<String>,
    bad: Vec<BadValue>,
}

impl<'a> Rows<'a> {
    fn new(schema: &Schema, options: &'a LoadOptions) -> Result<Self, Failure> {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        if names.is_empty() {
            return Err(ColumnarError::Empty.into());
        }
        let selection = Selection::of(Some(&names), names.len(), options).map_err(Failure::Columns)?;
        Ok(Self {
            options,
            names,
            selection,
            values: Vec::new(),
            labels: Vec::new(),
            bad: Vec::new(),
        })
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<(), ColumnarError> {
        if let Some(column) = self.selection.labels {
            let labels = cast(batch.column(column).as_ref(), &DataType::Utf8)?;
            let labels: &StringArray = labels.as_string();
            self.labels
                .extend(labels.iter().map(|label| label.unwrap_or_default().to_owned()));
        }
        let mut columns: Vec<Float64Array> = Vec::with_capacity(self.selection.kept.len());
        for &column in &self.selection.kept {
            let array = batch.column(column);
            if !(array.data_type().is_numeric() || *array.data_type() == DataType::Boolean) {
                return Err(ColumnarError::Type {
                    column: self.names[column].clone(),
                    kind: array.data_type().to_string(),
                });
            }
            let numbers = cast(array.as_ref(), &DataType::Float64)?;
            columns.push(numbers.as_primitive::<Float64Type>().clone());
        }
        for index in 0..batch.num_rows() {
            let row = self.values.len() / columns.len();
            for (place, column) in columns.iter().enumerate() {
                let value = match column.is_null(index) {
                    true => f64::NAN,
                    false => column.value(index),
                };
                self.values.push(value);
                if value.is_finite() {
                    continue;
                }
                let text = match column.is_null(index) {
                    true => "null".to_owned(),
                    false => format!("{value:?}"),
                };
                if !self.options.keep_non_finite {
                    let column = self.names[self.selection.kept[place]].clone();
                    return Err(ColumnarError::NotFinite { row, column, text });
                }
                self.bad.push(BadValue {
                    row,
                    column: Some(place),
                    text,
                });
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Table, Failure> {
        if self.values.is_empty() {
            return Err(ColumnarError::Empty.into());
        }
        Ok(Table {
            names: self.selection.names(Some(&self.names)),
            values: Matrix::from_parts(self.selection.kept.len(), self.values),
            labels: self.selection.labels.map(|_| self.labels),
            bad: self.bad,
            reading: Reading {
                array: None,
                text: None,
                left_out: self.selection.left_out,
            },
        })
    }
}

fn cast(array: &dyn Array, to: &DataType) -> Result<arrow_array::ArrayRef, ArrowError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Int32Array};
    use std::sync::Arc;

    fn batch() -> RecordBatch {
        let columns: [(&str, ArrayRef); 3] = [
            ("x", Arc::new(Float64Array::from(vec![1.5, -2.0, 0.25]))),
            ("n", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]))),
            ("part", Arc::new(StringArray::from(vec!["train", "val", "test"]))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    /// The same rows as Parquet, as an Arrow file and as an Arrow stream.
    fn files(folder: &Path) -> Vec<std::path::PathBuf> {
        let create = |name: &str| {
            let path = folder.join(name);
            (path.clone(), File::create(path).unwrap())
        };
        let batch = batch();
        let (parquet, file) = create("a.parquet");
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let (arrow, file) = create("a.arrow");
        let mut writer = arrow_ipc::writer::FileWriter::try_new(file, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let (feather, file) = create("a.feather");
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(file, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        vec![parquet, arrow, feather]
    }

    #[test]
    fn columns_have_names_numbers_labels_and_gaps() {
        let folder = tempfile::tempdir().unwrap();
        for path in files(folder.path()) {
            let error = super::super::load(&path, &LoadOptions::default())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("column n: null") || error.contains("column part holds"),
                "{error}"
            );
            let options = LoadOptions {
                labels: Some("part".to_owned()),
                keep_non_finite: true,
                ..LoadOptions::default()
            };
            let table = super::super::load(&path, &options).unwrap();
            assert_eq!(table.names, Some(vec!["x".to_owned(), "n".to_owned()]));
            assert_eq!(
                (table.values.row(0), table.values.row(2)),
                (&[1.5, 1.0][..], &[0.25, 3.0][..])
            );
            assert_eq!(table.labels.unwrap(), ["train", "val", "test"]);
            assert_eq!(
                (table.bad[0].row, table.bad[0].column, &*table.bad[0].text),
                (1, Some(1), "null")
            );
            let bytes = std::fs::read(&path).unwrap();
            for length in (0..bytes.len()).step_by(37) {
                std::fs::write(&path, &bytes[..length]).unwrap();
                let _ = super::super::load(&path, &options);
            }
        }
    }
}
