//! From the fields of lines to the rows of a table.

use super::{Failure, Header, TextError, TextReading, dialect::Dialect};
use crate::{
    Matrix,
    table::{BadValue, LoadOptions, Reading, Selection, Table},
};

/// Turns lines of fields into a table.
pub(super) struct RowReader<'a> {
    options: &'a LoadOptions,
    dialect: Dialect,
    header: Header,
    /// Whether the last field of every line is no column.
    trailing: bool,
    /// The fields of a row, once a line has told.
    width: Option<usize>,
    /// The names of all fields, once the header has been read.
    names: Option<Vec<String>>,
    selection: Option<Selection>,
    values: Vec<f64>,
    labels: Vec<String>,
    bad: Vec<BadValue>,
    /// The fields of the last comment above the first row.
    pub above: Option<Vec<String>>,
}

impl<'a> RowReader<'a> {
    pub(super) fn new(options: &'a LoadOptions, dialect: Dialect, header: Header, trailing: bool) -> Self {
        Self {
            options,
            dialect,
            header,
            trailing,
            width: None,
            names: None,
            selection: None,
            values: Vec::new(),
            labels: Vec::new(),
            bad: Vec::new(),
            above: None,
        }
    }

    /// Takes the names of all fields, which do not stand in the first line.
    pub(super) fn name(&mut self, names: Vec<String>) {
        self.names = Some(names);
    }

    /// Takes the fields of a line.
    pub(super) fn push<'f>(&mut self, line: u64, fields: impl Iterator<Item = &'f str>) -> Result<(), Failure> {
        let mut fields: Vec<&str> = fields.collect();
        if self.trailing && fields.last().is_some_and(|last| last.is_empty()) {
            fields.pop();
        }
        if self.header == Header::Present && self.names.is_none() {
            self.names = Some(fields.iter().map(ToString::to_string).collect());
            return Ok(());
        }
        if self.selection.is_none() {
            self.start(fields.len())?;
        }
        let Some(selection) = self.selection.take() else {
            return Ok(());
        };
        let taken = self.take(line, &fields, &selection);
        self.selection = Some(selection);
        Ok(taken?)
    }

    /// Sees to names and columns when the first row has come.
    fn start(&mut self, fields: usize) -> Result<(), Failure> {
        let mut width = fields;
        if let Some(names) = &mut self.names {
            // Row names have no name of their own in what R writes.
            if names.len() + 1 == fields {
                names.insert(0, String::new());
            }
            width = names.len();
            if self.header == Header::Comment && width != fields {
                let error = TextError::CommentNames {
                    given: width,
                    expected: fields,
                };
                return Err(error.into());
            }
            name_the_unnamed(names);
        }
        self.width = Some(width);
        let selection = Selection::of(self.names.as_deref(), width, self.options).map_err(Failure::Columns)?;
        self.selection = Some(selection);
        Ok(())
    }

    fn take(&mut self, line: u64, fields: &[&str], selection: &Selection) -> Result<(), TextError> {
        let expected = self.width.unwrap_or(fields.len());
        let row = self.values.len() / selection.kept.len().max(1);
        if fields.len() != expected {
            let error = TextError::Ragged {
                line,
                given: fields.len(),
                expected,
            };
            if !self.options.keep_non_finite {
                return Err(error);
            }
            self.bad.push(BadValue {
                row,
                column: None,
                text: format!("{} fields instead of {expected}", fields.len()),
            });
            self.values.extend(selection.kept.iter().map(|_| f64::NAN));
            self.labels.extend(selection.labels.map(|_| String::new()));
            return Ok(());
        }
        self.labels
            .extend(selection.labels.map(|column| fields[column].to_owned()));
        for (place, &column) in selection.kept.iter().enumerate() {
            let field = fields[column];
            let value = self.dialect.decimal.parse(field);
            if let Some(value) = value.filter(|value| value.is_finite()) {
                self.values.push(value);
                continue;
            }
            if !self.options.keep_non_finite {
                let name = self.names.as_ref().map(|names| names[column].clone());
                let (column, text) = (column + 1, excerpt(field));
                return Err(match value {
                    Some(_) => TextError::NotFinite {
                        line,
                        column,
                        name,
                        text,
                    },
                    None => TextError::NotANumber {
                        line,
                        column,
                        name,
                        text,
                    },
                });
            }
            self.bad.push(BadValue {
                row,
                column: Some(place),
                text: excerpt(field),
            });
            self.values.push(value.unwrap_or(f64::NAN));
        }
        Ok(())
    }

    pub(super) fn finish(self, comments: u64) -> Result<Table, Failure> {
        let Some(selection) = self.selection.filter(|_| !self.values.is_empty()) else {
            return Err(TextError::Empty.into());
        };
        let names_in_comment = self.header == Header::Absent
            && self.above.is_some_and(|fields| {
                Some(fields.len()) == self.width && fields.iter().all(|field| self.dialect.is_text(field))
            });
        let text = TextReading {
            names_in_comment,
            delimiter: self.dialect.delimiter,
            decimal: self.dialect.decimal,
            header: self.header,
            comments,
            trailing: self.trailing,
        };
        Ok(Table {
            names: selection.names(self.names.as_deref()),
            values: Matrix::from_parts(selection.kept.len(), self.values),
            labels: selection.labels.map(|_| self.labels),
            bad: self.bad,
            reading: Reading {
                array: None,
                text: Some(text),
                left_out: selection.left_out,
            },
        })
    }
}

/// Columns without a name get the one that pandas gives them when it reads the same file.
fn name_the_unnamed(names: &mut [String]) {
    for (column, name) in names.iter_mut().enumerate() {
        if name.is_empty() {
            *name = format!("Unnamed: {column}");
        }
    }
}

/// As much of a field as an error text should show.
fn excerpt(field: &str) -> String {
    field.chars().take(40).collect()
}
