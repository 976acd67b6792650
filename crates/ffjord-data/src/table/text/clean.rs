//! Lines of a text table without what is no part of it: byte-order marks, carriage returns, comments, lines above it.

use std::io::{self, BufRead, Read};

use super::TextError;
use crate::table::LoadOptions;

/// The bytes of lines that end in a line feed, all of them UTF-8. Comments, lines of white space and lines that are to be
/// skipped become empty lines, so that lines keep their numbers.
///
/// A name in quotation marks may go on in the next line. Below the first record a mark that its line does not close is an
/// error, or an apostrophe, since it would make one field of all lines behind it.
pub(super) struct CleanLines<'a, R> {
    reader: R,
    /// What comments begin with; there are none where it is empty.
    sign: &'a str,
    /// Lines at the beginning that are no part of the table.
    skipped: u64,
    /// Whether marks that nothing closes become apostrophes, so that they cost their own line alone.
    lenient: bool,
    /// The line in which the first record opened a quotation mark that is still open.
    open_since: Option<u64>,
    /// Whether the first record is complete.
    first_read: bool,
    line: Vec<u8>,
    position: usize,
    number: u64,
    /// Lines that began with the sign of comments.
    pub comments: u64,
    /// The last comment above the first line of the table, without its sign.
    pub last_above: Option<String>,
    /// Whether a line of the table has come.
    begun: bool,
    /// What a first line `sep=;` says, which spreadsheets write and read.
    pub declared: Option<u8>,
}

impl<'a, R: BufRead> CleanLines<'a, R> {
    pub(super) fn new(reader: R, options: &'a LoadOptions) -> Self {
        Self {
            reader,
            sign: options.comment.as_deref().unwrap_or("#"),
            skipped: options.skip_lines,
            lenient: options.keep_non_finite,
            open_since: None,
            first_read: false,
            line: Vec::new(),
            position: 0,
            number: 0,
            comments: 0,
            last_above: None,
            begun: false,
            declared: None,
        }
    }

    /// Takes the next line in; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.position = 0;
        if let Err(source) = self.reader.read_until(b'\n', &mut self.line) {
            let line = self.number;
            return Err(io::Error::other(TextError::Read { line, source }));
        }
        if self.line.is_empty() {
            return match self.open_since.take() {
                Some(line) => Err(io::Error::other(TextError::OpenQuote { line })),
                None => Ok(false),
            };
        }
        self.number += 1;
        if self.number == 1 {
            self.first_line()?;
        }
        while self.line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            self.line.pop();
        }
        let Ok(text) = std::str::from_utf8(&self.line) else {
            return Err(io::Error::other(TextError::NotUtf8 { line: self.number }));
        };
        let skipped = self.number <= self.skipped;
        let comment = text
            .strip_prefix(self.sign)
            .filter(|_| !self.sign.is_empty() && !skipped);
        self.comments += u64::from(comment.is_some());
        if let Some(comment) = comment.filter(|_| !self.begun) {
            self.last_above = Some(comment.trim().to_owned());
        }
        if self.number == 1
            && let Some(&[delimiter]) = text.trim().strip_prefix("sep=").map(str::as_bytes)
        {
            self.declared = Some(delimiter);
            self.line.clear();
        } else if skipped || comment.is_some() || text.trim().is_empty() {
            self.line.clear();
        } else {
            self.begun = true;
            let open = ends_quoted(text, self.open_since.is_some());
            match (self.first_read, open) {
                // Its field is no number with it, and the row is one that is left out.
                (true, true) if self.lenient => {
                    let marks = self.line.iter_mut().filter(|byte| **byte == b'"');
                    marks.for_each(|mark| *mark = b'\'');
                }
                (true, true) => return Err(io::Error::other(TextError::OpenQuote { line: self.number })),
                (false, true) => {
                    let since = *self.open_since.get_or_insert(self.number);
                    if self.number - since > LONGEST_NAME {
                        return Err(io::Error::other(TextError::OpenQuote { line: since }));
                    }
                }
                (_, false) => {
                    self.open_since = None;
                    self.first_read = true;
                }
            }
        }
        self.line.push(b'\n');
        Ok(true)
    }

    /// A byte-order mark of UTF-8 is no part of the first field; other encodings are refused.
    fn first_line(&mut self) -> io::Result<()> {
        if self.line.starts_with(b"\xff\xfe") || self.line.starts_with(b"\xfe\xff") || self.line.contains(&0) {
            return Err(io::Error::other(TextError::Utf16));
        }
        if self.line.starts_with(b"\xef\xbb\xbf") {
            self.line.drain(..3);
        }
        Ok(())
    }
}

/// Lines that names in quotation marks may take.
const LONGEST_NAME: u64 = 100;

/// Whether a line ends within quotation marks, given whether it begins so. A mark opens a field where it is the field's
/// first character, and two in a row stand for one.
fn ends_quoted(line: &str, mut quoted: bool) -> bool {
    let mut before = ',';
    for character in line.chars() {
        match (quoted, character) {
            (true, '"') => quoted = false,
            // The second of two in a row: still within.
            (false, '"') if before == '"' => quoted = true,
            (false, '"') => quoted = matches!(before, ',' | ';' | '\t' | '|'),
            _ => (),
        }
        before = character;
    }
    quoted
}

impl<R: BufRead> Read for CleanLines<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.line.len() && !self.advance()? {
            return Ok(0);
        }
        let rest = &self.line[self.position..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }
}
