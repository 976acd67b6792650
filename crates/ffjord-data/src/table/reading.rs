//! A table as it stands in a file, and how it was read.

use super::{Header, TextReading, listed};
use crate::Matrix;

/// A table as it stands in a file.
///
/// A table without a file, and without one of its columns:
///
/// ```
/// use ffjord_data::{Matrix, table::Table};
/// let names = ["x", "y"].map(str::to_owned).to_vec();
/// let table = Table::new(Some(names), Matrix::from_rows(&[[1.0, 2.0], [3.0, 4.0]]));
/// let without = table.without(&["x".to_owned()]);
/// assert_eq!((without.column_names(), without.values.as_slice()), (vec!["y".to_owned()], &[2.0, 4.0][..]));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The column names, `[D]`, if the file has them; numbers, from 0, where it has none and columns were left out.
    pub names: Option<Vec<String>>,
    /// The numbers, `[N, D]`, all finite unless [`LoadOptions::keep_non_finite`](super::LoadOptions::keep_non_finite)
    /// lets others in.
    pub values: Matrix<f64>,
    /// The labels of the rows, `[N]`, if a column of them was asked for.
    pub labels: Option<Vec<String>>,
    /// The values that are not finite numbers, in the order of rows.
    pub bad: Vec<BadValue>,
    /// What the reader concluded from the file.
    pub reading: Reading,
}

/// A value that is no finite number, as it stands in the file.
///
/// ```
/// use ffjord_data::table::{self, BadValue, LoadOptions};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("table.csv");
/// std::fs::write(&path, "x,y\n1,2\n3,missing\n")?;
/// let table = table::load(&path, &LoadOptions { keep_non_finite: true, ..LoadOptions::default() })?;
/// assert_eq!(table.bad, [BadValue { row: 1, column: Some(1), text: "missing".to_owned() }]);
/// assert!(table.values.row(1)[1].is_nan());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadValue {
    /// Its row, from 0 below any header.
    pub row: usize,
    /// Its column among those of the table, from 0; none where the whole row is of another length.
    pub column: Option<usize>,
    /// What stands there.
    pub text: String,
}

/// What a reader concluded from a file.
///
/// ```
/// use ffjord_data::table::{self, Delimiter, LoadOptions};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("table.csv");
/// std::fs::write(&path, "id;x\n7;1\n8;2\n")?;
/// let options = LoadOptions { drop: vec!["id".to_owned()], ..LoadOptions::default() };
/// let reading = table::load(&path, &options)?.reading;
/// assert_eq!((reading.array, reading.left_out), (None, vec!["id".to_owned()]));
/// assert_eq!(reading.text.and_then(|text| text.delimiter), Some(Delimiter::Semicolon));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// The array of an archive.
    pub array: Option<String>,
    /// How text is written.
    pub text: Option<TextReading>,
    /// Columns of the file that are none of the table.
    pub left_out: Vec<String>,
}

impl Table {
    /// A table of these values without a file.
    pub fn new(names: Option<Vec<String>>, values: Matrix<f64>) -> Self {
        Self {
            names,
            values,
            labels: None,
            bad: Vec::new(),
            reading: Reading::default(),
        }
    }

    /// The columns' names; their numbers, from 0, where they have none.
    pub fn column_names(&self) -> Vec<String> {
        let numbers = || (0..self.values.columns()).map(|column| column.to_string()).collect();
        self.names.clone().unwrap_or_else(numbers)
    }

    /// The table without the columns of these names; the same one where it has none of them, or no others.
    #[must_use]
    pub fn without(mut self, left_out: &[String]) -> Self {
        let names = self.column_names();
        let kept: Vec<usize> = (0..names.len())
            .filter(|&column| !left_out.contains(&names[column]))
            .collect();
        if kept.len() == names.len() || kept.is_empty() {
            return self;
        }
        self.values = self.values.select_columns(&kept);
        let place = |column| kept.iter().position(|kept| *kept == column);
        self.bad.retain_mut(|bad| match bad.column {
            None => true,
            Some(column) => {
                bad.column = place(column);
                bad.column.is_some()
            }
        });
        self.names = Some(kept.iter().map(|&column| names[column].clone()).collect());
        self
    }

    /// What was read, in one line: rows × columns, names, what was taken as header, separator and decimal sign.
    ///
    /// ```
    /// use ffjord_data::table::{self, LoadOptions};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.csv");
    /// std::fs::write(&path, "x,y\n1,2\n3,4.5\n")?;
    /// let said = table::load(&path, &LoadOptions::default())?.describe();
    /// assert_eq!(said, "2 rows × 2 columns (x, y); the first line holds the names; separator comma, decimal point");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn describe(&self) -> String {
        let Reading { array, text, left_out } = &self.reading;
        let array = array
            .as_ref()
            .map(|array| format!("array {array}, "))
            .unwrap_or_default();
        let (rows, columns) = (self.values.rows(), self.values.columns());
        let plural = if columns == 1 { "" } else { "s" };
        let names = match &self.names {
            Some(names) => listed(names.iter().cloned()),
            None => format!("without names, called 0 to {}", columns - 1),
        };
        let mut line = format!("{array}{rows} rows × {columns} column{plural} ({names})");
        if !left_out.is_empty() {
            line += &format!("; left out: {}", listed(left_out.iter().cloned()));
        }
        if let Some(text) = text {
            line += match text.header {
                Header::Present => "; the first line holds the names",
                Header::Comment => "; the last comment above the first row holds the names",
                Header::Absent | Header::Detect => "; no header, the first line is a row",
            };
            line += &match text.delimiter {
                Some(delimiter) => format!("; separator {delimiter}, decimal {}", text.decimal),
                None => format!("; one column, decimal {}", text.decimal),
            };
            if text.trailing {
                line += ", also behind the last field";
            }
            if text.comments > 0 {
                let lines = if text.comments == 1 { "line" } else { "lines" };
                line += &format!("; {} comment {lines} skipped", text.comments);
            }
            if text.names_in_comment {
                line += ", the last of which may hold the names (then: data.header=comment, --header comment)";
            }
        }
        line
    }
}
