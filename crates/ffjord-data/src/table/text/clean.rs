//! Lines of a text table without what is no part of it: byte-order marks, carriage returns, comments, lines above it.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use super::TextError;
use crate::table::LoadOptions;

/// The bytes of lines that end in a line feed, all of them UTF-8. Comments, lines of white space and lines that are to be
/// skipped become empty lines, so that lines keep their numbers.
///
/// A field in quotation marks may go on in the next lines. A mark that none of these closes is an error, or an apostrophe, since
/// it would make one field of all lines behind it.
pub(super) struct CleanLines<'a, R> {
    reader: R,
    /// What comments begin with; there are none where it is empty.
    sign: &'a str,
    /// Lines at the beginning that are no part of the table.
    skipped: u64,
    /// Whether marks that nothing closes become apostrophes, so that they cost their own line alone.
    lenient: bool,
    /// Lines that were read ahead, as they stand.
    ahead: VecDeque<Vec<u8>>,
    /// Lines to come that go on with a field in quotation marks.
    continued: usize,
    line: Vec<u8>,
    position: usize,
    number: u64,
    /// Lines that began with the sign of comments.
    pub comments: u64,
    /// The last comment above the first line of the table, without its sign.
    pub last_above: Option<String>,
    /// Whether a line of the table has come.
    begun: bool,
    /// The first line of the table, if a mark in it that nothing closes became an apostrophe.
    pub first_mended: Option<u64>,
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
            ahead: VecDeque::new(),
            continued: 0,
            line: Vec::new(),
            position: 0,
            number: 0,
            comments: 0,
            last_above: None,
            begun: false,
            first_mended: None,
            declared: None,
        }
    }

    /// Takes the next line in; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.position = 0;
        self.line = match self.ahead.pop_front() {
            Some(line) => line,
            None => self.read_line()?,
        };
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
        if self.continued > 0 {
            self.continued -= 1;
            self.line.push(b'\n');
            return Ok(true);
        }
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
            let first = !std::mem::replace(&mut self.begun, true);
            if end_of(text, false) == End::Within {
                match self.closing_line()? {
                    Some(lines) => self.continued = lines,
                    // Its field is no number with it, and the row is one that is left out.
                    None if self.lenient => {
                        let marks = self.line.iter_mut().filter(|byte| **byte == b'"');
                        marks.for_each(|mark| *mark = b'\'');
                        self.first_mended = self.first_mended.or(first.then_some(self.number));
                    }
                    None => return Err(io::Error::other(TextError::OpenQuote { line: self.number })),
                }
            }
        }
        self.line.push(b'\n');
        Ok(true)
    }

    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(_) => Ok(line),
            Err(source) => {
                let line = self.number;
                Err(io::Error::other(TextError::Read { line, source }))
            }
        }
    }

    /// How many of the next lines a field goes on in that the present one opens; none if it is never closed.
    fn closing_line(&mut self) -> io::Result<Option<usize>> {
        for index in 0..LONGEST_FIELD {
            if index == self.ahead.len() {
                let line = self.read_line()?;
                if line.is_empty() {
                    return Ok(None);
                }
                self.ahead.push_back(line);
            }
            let text = std::str::from_utf8(&self.ahead[index]);
            match text.map_or(End::Elsewhere, |text| end_of(text.trim_end_matches(['\n', '\r']), true)) {
                End::Within => (),
                End::Outside => return Ok(Some(index + 1)),
                End::Elsewhere => return Ok(None),
            }
        }
        Ok(None)
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

/// Lines that a field in quotation marks may take.
const LONGEST_FIELD: usize = 100;

/// Where a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Within quotation marks.
    Within,
    /// Outside of them.
    Outside,
    /// Behind a mark that closes a field in the middle of one: it is rather one that opens another field.
    Elsewhere,
}

/// Where a line ends that begins within quotation marks or outside. A mark opens a field where it is the field's first
/// character, closes one where it is the last, and two in a row stand for one.
fn end_of(line: &str, mut quoted: bool) -> End {
    const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];
    let begins_within = quoted;
    let mut before = ',';
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '"' {
            match (quoted, characters.peek()) {
                (true, Some('"')) => drop(characters.next()),
                (true, Some(next)) if begins_within && !SEPARATORS.contains(next) && !next.is_whitespace() => {
                    return End::Elsewhere;
                }
                (true, _) => quoted = false,
                (false, _) => quoted = SEPARATORS.contains(&before),
            }
        }
        before = character;
    }
    if quoted { End::Within } else { End::Outside }
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
