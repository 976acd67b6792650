//! Lines of a text table without what is no part of it: byte-order marks, carriage returns, comments, lines above it.

use std::io::{self, BufRead, Read};

use super::TextError;

/// The bytes of lines that end in a line feed, all of them UTF-8. Comments, lines of white space and lines that are to be
/// skipped become empty lines, so that lines keep their numbers.
pub(super) struct CleanLines<'a, R> {
    reader: R,
    /// What comments begin with; there are none where it is empty.
    sign: &'a str,
    /// Lines at the beginning that are no part of the table.
    skipped: u64,
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
    pub(super) fn new(reader: R, sign: &'a str, skipped: u64) -> Self {
        Self {
            reader,
            sign,
            skipped,
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
            return Ok(false);
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
