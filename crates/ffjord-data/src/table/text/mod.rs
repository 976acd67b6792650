//! Numbers in text, separated by commas, semicolons, tabs, pipes or white space.

mod clean;
mod dialect;
mod error;
mod header;
mod rows;
mod save;

use std::{
    io::{BufRead, BufReader, Cursor, Read},
    path::Path,
    str::FromStr,
};

use csv::{ReaderBuilder, StringRecord, Trim};

use self::{
    clean::CleanLines,
    dialect::{Dialect, records, unquoted, words},
    header::{FirstLine, first_line},
    rows::RowReader,
};
pub use self::{
    dialect::{Decimal, Delimiter},
    error::TextError,
    save::save_csv,
};
use super::{LoadOptions, Table};
use crate::{DataError, fs::open_text};

/// Whether a text table starts with a line of column names.
///
/// ```
/// use ffjord_data::table::{self, Header, LoadOptions};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("table.csv");
/// std::fs::write(&path, "2020,2021\n1,2\n3,4\n")?;
/// // Years as names look like a row of numbers.
/// let options = LoadOptions { header: Header::Present, ..LoadOptions::default() };
/// let table = table::load(&path, &options)?;
/// assert_eq!((table.column_names(), table.values.rows()), (vec!["2020".to_owned(), "2021".to_owned()], 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Header {
    /// Its first lines tell; where they do not, that is an error.
    #[default]
    Detect,
    /// It does.
    Present,
    /// It does not.
    Absent,
    /// It does not; the last comment above the first row holds the names, as `numpy.savetxt(…, header="x y")` writes them.
    Comment,
}

impl Header {
    /// Its name in settings; none for what the first lines tell.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Detect => None,
            Self::Present => Some("true"),
            Self::Absent => Some("false"),
            Self::Comment => Some("comment"),
        }
    }
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Present, Self::Absent, Self::Comment]
            .into_iter()
            .find(|header| header.name() == Some(text))
            .ok_or_else(|| {
                format!(
                    "unknown header `{text}`: accepted are true (the first line holds the names), false (it does not) \
                     and comment (the last comment above the first row does)"
                )
            })
    }
}

/// How a text table was read.
///
/// ```
/// use ffjord_data::table::{self, Decimal, Delimiter, Header, LoadOptions};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("table.csv");
/// std::fs::write(&path, "# measured at night\nx\ty\n1.5\t2\n")?;
/// let text = table::load(&path, &LoadOptions::default())?.reading.text.ok_or("it is a text")?;
/// assert_eq!((text.delimiter, text.decimal), (Some(Delimiter::Tab), Decimal::Point));
/// assert_eq!((text.header, text.comments, text.trailing), (Header::Present, 1, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextReading {
    /// What separates fields; none where there is one column.
    pub delimiter: Option<Delimiter>,
    /// The decimal sign.
    pub decimal: Decimal,
    /// Where the names were taken from.
    pub header: Header,
    /// Comments, which are left out.
    pub comments: u64,
    /// Whether the last comment above the first row has a word for every column, so that it may hold their names, and was
    /// not taken for them.
    pub names_in_comment: bool,
    /// Whether every line ends in a separator, behind which there is no column.
    pub trailing: bool,
}

/// The bytes from which separator, decimal sign and header are found.
const SAMPLE: u64 = 1 << 16;

/// Reads a text table; comments and empty lines are left out.
pub(super) fn load(path: &Path, options: &LoadOptions) -> Result<Table, DataError> {
    let tabs = path
        .to_string_lossy()
        .to_lowercase()
        .trim_end_matches(".gz")
        .ends_with(".tsv");
    read(open_text(path)?, options, tabs).map_err(|failure| match failure {
        Failure::Text(error) => DataError::Text {
            path: path.to_owned(),
            error,
        },
        Failure::Columns(error) => error.in_file(path),
    })
}

/// What ends reading: something in the text, or columns that are asked for and not there.
pub(super) enum Failure {
    Text(TextError),
    Columns(crate::table::SelectionError),
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        Self::Text(error)
    }
}

fn read(reader: impl BufRead, options: &LoadOptions, tabs: bool) -> Result<Table, Failure> {
    let mut lines = CleanLines::new(reader, options);
    let mut sample = Vec::new();
    let read = lines.by_ref().take(SAMPLE).read_to_end(&mut sample);
    read.map_err(TextError::from_io)?;
    // The last line may have been cut.
    let whole = match sample.len() as u64 {
        SAMPLE => sample
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(sample.len(), |at| at + 1),
        _ => sample.len(),
    };
    let text = String::from_utf8_lossy(&sample[..whole]).into_owned();
    let known = options
        .delimiter
        .or(lines.declared.and_then(Delimiter::of))
        .or(tabs.then_some(Delimiter::Tab));
    let dialect = Dialect::detect(&text, known, options.decimal);
    let mut sample_records = records(&text, dialect.delimiter);
    // A separator behind the last field of every line makes a column that is none.
    let empty_end = |record: &Vec<String>| record.len() > 1 && record.last().is_some_and(String::is_empty);
    // The names of the columns may stand without it.
    let trailing = sample_records
        .split_first()
        .is_some_and(|(_, rows)| !rows.is_empty() && rows.iter().all(empty_end))
        && sample_records[1..].iter().all(|row| match sample_records[0].len() {
            shorter if shorter + 1 == row.len() => true,
            _ => empty_end(&sample_records[0]),
        });
    if trailing {
        let ending = sample_records.iter_mut().filter(|record| empty_end(record));
        ending.for_each(|record| drop(record.pop()));
    }
    let header = match options.header {
        Header::Detect => match first_line(&sample_records, dialect)? {
            FirstLine::Names => Header::Present,
            FirstLine::Row => Header::Absent,
        },
        known => known,
    };
    // A name is not what it was without its mark, while a row is left out.
    if let Some(line) = lines.first_mended.filter(|_| header == Header::Present) {
        return Err(TextError::OpenQuote { line }.into());
    }
    let above = lines.last_above.as_deref().map(|comment| fields(comment, dialect));
    let mut rows = RowReader::new(options, dialect, header, trailing);
    match (header, above) {
        (Header::Comment, None) => return Err(TextError::NoComment.into()),
        (Header::Comment, Some(names)) => rows.name(names),
        (_, above) => rows.above = above,
    }
    // Comments are counted while they pass by.
    let mut whole = Cursor::new(sample).chain(&mut lines);
    match dialect.delimiter.and_then(Delimiter::byte) {
        Some(byte) => for_each_record(whole, byte, |line, record| rows.push(line, record.iter()))?,
        None => {
            let mut line = String::new();
            let mut number = 0;
            let mut reader = BufReader::new(&mut whole);
            while reader.read_line(&mut line).map_err(TextError::from_io)? > 0 {
                number += 1;
                match (line.trim(), dialect.delimiter) {
                    ("", _) => (),
                    (field, None) => rows.push(number, std::iter::once(&*unquoted(field)))?,
                    (_, Some(_)) => {
                        let fields: Vec<String> = words(&line).map(unquoted).collect();
                        rows.push(number, fields.iter().map(String::as_str))?;
                    }
                }
                line.clear();
            }
        }
    }
    rows.finish(lines.comments)
}

/// The fields of one line.
fn fields(line: &str, dialect: Dialect) -> Vec<String> {
    records(line, dialect.delimiter).into_iter().next().unwrap_or_default()
}

/// Calls `visit` with the fields of every line that has some, and the line's number.
fn for_each_record(
    reader: impl Read,
    delimiter: u8,
    mut visit: impl FnMut(u64, &StringRecord) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(reader);
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(TextError::from_csv)? {
        // The reader stands behind the line feed that every line ends in.
        visit(reader.position().line().saturating_sub(1), &record)?;
    }
    Ok(())
}
