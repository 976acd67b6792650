//! Lines of a text table without what is no part of it: byte-order marks, carriage returns, comments.

use std::io::{self, BufRead, Read};

use super::TextError;

/// The bytes of lines that end in a line feed, all of them UTF-8. Comments (`#`) and lines of white space become empty
/// lines, so that lines keep their numbers.
pub(super) struct CleanLines<R> {
    reader: R,
    line: Vec<u8>,
    position: usize,
    number: u64,
    /// Lines that began with `#`.
    pub comments: u64,
    /// What a first line `sep=;` says, which spreadsheets write and read.
    pub declared: Option<u8>,
}

impl<R: BufRead> CleanLines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
            position: 0,
            number: 0,
            comments: 0,
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
        let comment = text.starts_with('#');
        self.comments += u64::from(comment);
        if self.number == 1
            && let Some(&[delimiter]) = text.trim().strip_prefix("sep=").map(str::as_bytes)
        {
            self.declared = Some(delimiter);
            self.line.clear();
        } else if comment || text.trim().is_empty() {
            self.line.clear();
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

impl<R: BufRead> Read for CleanLines<R> {
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
