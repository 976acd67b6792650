//! Numbers in the lines of a text file, one line in memory at a time.

use std::{io::BufRead, ops::ControlFlow, path::Path};

use crate::{DataError, fs::open_text, table::TextError};

/// What is done with a line, given its number and its text.
pub(super) type LineVisitor<'a> = dyn FnMut(u64, &str) -> Result<ControlFlow<()>, DataError> + 'a;

/// Calls `visit` with the number, from 1, and the text of every line that is not empty, until it breaks off.
pub(super) fn for_each_line(path: &Path, visit: &mut LineVisitor<'_>) -> Result<(), DataError> {
    let failed = |error| DataError::Text {
        path: path.to_owned(),
        error,
    };
    let mut reader = open_text(path)?;
    let mut buffer = Vec::new();
    for line in 1.. {
        buffer.clear();
        let read = reader.read_until(b'\n', &mut buffer);
        let read = read.map_err(|source| failed(TextError::Read { line: line - 1, source }))?;
        if read == 0 {
            break;
        }
        let text = std::str::from_utf8(&buffer).map_err(|_| failed(TextError::NotUtf8 { line }))?;
        let text = text.trim();
        if !text.is_empty() && visit(line, text)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Fills `row` with the fields of a line, which must be as many numbers.
pub(super) fn numbers<'a>(
    path: &Path,
    line: u64,
    fields: impl Iterator<Item = &'a str>,
    row: &mut [f64],
) -> Result<(), DataError> {
    let failed = |error| DataError::Text {
        path: path.to_owned(),
        error,
    };
    let mut given = 0;
    for field in fields {
        if let Some(place) = row.get_mut(given) {
            let (column, text) = (given + 1, || excerpt(field));
            *place = field.trim().parse().map_err(|_| {
                failed(TextError::NotANumber {
                    name: None,
                    line,
                    column,
                    text: text(),
                })
            })?;
            if !place.is_finite() {
                return Err(failed(TextError::NotFinite {
                    name: None,
                    line,
                    column,
                    text: text(),
                }));
            }
        }
        given += 1;
    }
    match row.len() {
        expected if expected != given => Err(failed(TextError::Ragged { line, given, expected })),
        _ => Ok(()),
    }
}

/// As much of a text as an error should show.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}
