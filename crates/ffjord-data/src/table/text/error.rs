//! Why a text table cannot be read.

use std::io;

use thiserror::Error;

/// Why a text table cannot be read. Lines and columns count from 1, as editors do.
///
/// ```
/// use ffjord_data::{DataError, table::{self, LoadOptions, TextError}};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("table.csv");
/// std::fs::write(&path, "x,y\n1,2\n3,four\n")?;
/// let refused = table::load(&path, &LoadOptions::default()).unwrap_err();
/// assert!(matches!(&refused, DataError::Text { error: TextError::NotANumber { line: 3, column: 2, .. }, .. }));
/// assert!(refused.to_string().contains("\"four\" is not a number"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TextError {
    /// A field is not a number.
    #[error(
        "line {line}, column {column}{}: {text:?} is not a number; drop rows with missing values, leave columns that \
         are not numeric out (data.drop, --drop), and lines that stand above the table (data.skip_lines, --skip-lines), \
         and see that separator, decimal sign and the sign of comments are right (data.delimiter, data.decimal, \
         data.comment; in `eval` and `sample` --delimiter, --decimal, --comment)",
        called(name.as_deref())
    )]
    NotANumber {
        /// Line of the file, from 1.
        line: u64,
        /// Field of the line, from 1.
        column: usize,
        /// The column's name, where there are names.
        name: Option<String>,
        /// The field.
        text: String,
    },
    /// A field is infinite, not-a-number, or too large for double precision.
    #[error(
        "line {line}, column {column}{}: {text:?} is not finite; drop rows with missing or infinite values",
        called(name.as_deref())
    )]
    NotFinite {
        /// Line of the file, from 1.
        line: u64,
        /// Field of the line, from 1.
        column: usize,
        /// The column's name, where there are names.
        name: Option<String>,
        /// The field.
        text: String,
    },
    /// A line has more or fewer fields than the first one.
    #[error(
        "line {line} has {given} fields where the first line has {expected}: all lines need the same number; see that \
         the separator is right (data.delimiter, --delimiter), and leave lines out that stand above the table \
         (data.skip_lines, --skip-lines) or are comments of another sign than # (data.comment, --comment)"
    )]
    Ragged {
        /// Line of the file, from 1.
        line: u64,
        /// Fields it has.
        given: usize,
        /// Fields of the first line.
        expected: usize,
    },
    /// The first line may hold names or the first row.
    #[error(
        "the first line ({first}) may be the columns' names, as pandas writes them, or the first row: say which with \
         --set data.header=true or --set data.header=false, in `eval` and `sample` with --header true or --header false"
    )]
    AmbiguousHeader {
        /// The line's first fields.
        first: String,
    },
    /// A quotation mark is opened and not closed.
    #[error("line {line} opens a quotation mark that nothing closes: close it, or leave it out")]
    OpenQuote {
        /// Line of the file, from 1.
        line: u64,
    },
    /// The names are to stand in a comment, and no comment stands above the first row.
    #[error(
        "no comment stands above the first row, where data.header=comment (--header comment) looks for the names: say \
         what comments begin with (data.comment, --comment), or leave the header to be found"
    )]
    NoComment,
    /// The comment that is to hold the names has more or fewer words than there are columns.
    #[error(
        "the last comment above the first row has {given} words where the row has {expected} fields: it does not hold \
         the names that data.header=comment (--header comment) looks for"
    )]
    CommentNames {
        /// Words of the comment.
        given: usize,
        /// Fields of the row.
        expected: usize,
    },
    /// There is no row of numbers.
    #[error("there is no row of numbers in it")]
    Empty,
    /// A line is not text.
    #[error(
        "line {line} is not UTF-8 text: is this another kind of file? Text in another encoding is converted by \
         `iconv -f LATIN1 -t UTF-8 FILE > NEW`"
    )]
    NotUtf8 {
        /// Line of the file, from 1.
        line: u64,
    },
    /// The text is in another encoding, or no text.
    #[error(
        "this is UTF-16 or no text: convert it with `iconv -f UTF-16 -t UTF-8 FILE > NEW`, or save it as \"CSV UTF-8\""
    )]
    Utf16,
    /// The operating system or the decompressor refused to read, or a line is longer than a mebibyte.
    #[error("cannot read after line {line}: {source}")]
    Read {
        /// The last line read well, 0 if none.
        line: u64,
        /// The reason.
        source: io::Error,
    },
}

impl TextError {
    /// The error that a reader of lines handed through as one of the system.
    pub(super) fn from_io(error: io::Error) -> Self {
        error
            .downcast::<Self>()
            .unwrap_or_else(|source| Self::Read { line: 0, source })
    }

    pub(super) fn from_csv(error: csv::Error) -> Self {
        let line = error.position().map_or(0, csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(error) => Self::from_io(error),
            other => Self::Read {
                line,
                source: io::Error::other(format!("{other:?}")),
            },
        }
    }
}

fn called(name: Option<&str>) -> String {
    name.map(|name| format!(" ({name})")).unwrap_or_default()
}
