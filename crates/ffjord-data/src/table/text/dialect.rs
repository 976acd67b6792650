//! How a text table is written: what separates its fields, and its decimal sign.

use std::{fmt, str::FromStr};

use csv::{ReaderBuilder, Trim};

/// What separates the fields of a text table.
///
/// ```
/// use ffjord_data::table::Delimiter;
///
/// assert_eq!(";".parse(), Ok(Delimiter::Semicolon));
/// assert_eq!("tab".parse(), Ok(Delimiter::Tab));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delimiter {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A tabulator.
    Tab,
    /// `|`
    Pipe,
    /// One or more blanks or tabulators.
    WhiteSpace,
}

impl Delimiter {
    /// In the order in which they are tried.
    const ALL: [Self; 5] = [Self::Comma, Self::Semicolon, Self::Tab, Self::Pipe, Self::WhiteSpace];

    /// Its one character; none for white space.
    pub(super) fn byte(self) -> Option<u8> {
        match self {
            Self::Comma => Some(b','),
            Self::Semicolon => Some(b';'),
            Self::Tab => Some(b'\t'),
            Self::Pipe => Some(b'|'),
            Self::WhiteSpace => None,
        }
    }

    /// The delimiter that is this character.
    pub(super) fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|delimiter| delimiter.byte() == Some(byte))
    }

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
            Self::Pipe => "pipe",
            Self::WhiteSpace => "white-space",
        }
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "\\t" => Ok(Self::Tab),
            " " | "space" | "whitespace" => Ok(Self::WhiteSpace),
            text => Self::ALL
                .into_iter()
                .find(|delimiter| delimiter.name() == text || delimiter.byte().is_some_and(|b| text.as_bytes() == [b]))
                .ok_or_else(|| {
                    format!(
                        "unknown separator `{text}`: accepted are comma (,), semicolon (;), tab, pipe (|) and \
                         white-space"
                    )
                }),
        }
    }
}

/// The sign between the whole and the fractional part of a number.
///
/// ```
/// use ffjord_data::table::{self, Decimal, LoadOptions};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("table.csv");
/// std::fs::write(&path, "0,5;1\n1,5;2\n")?;
/// let options = LoadOptions { decimal: Some(Decimal::Comma), ..LoadOptions::default() };
/// assert_eq!(table::load(&path, &options)?.values.row(0), [0.5, 1.0]);
/// assert_eq!("comma".parse(), Ok(Decimal::Comma));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decimal {
    /// `0.5`
    Point,
    /// `0,5`
    Comma,
}

impl Decimal {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::Comma => "comma",
        }
    }

    /// The number that a field holds, if it holds one; NaN and infinity are numbers here.
    pub(super) fn parse(self, field: &str) -> Option<f64> {
        match self {
            Self::Point => field.parse().ok(),
            Self::Comma => {
                // `1.234,5` has a separator of thousands, `1,` is the end of something else.
                let comma = field.find(',');
                let whole = comma.is_none_or(|at| field[at + 1..].starts_with(|next: char| next.is_ascii_digit()));
                (whole && !field.contains('.')).then(|| field.replacen(',', ".", 1).parse().ok())?
            }
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "." | "point" => Ok(Self::Point),
            "," | "comma" => Ok(Self::Comma),
            _ => Err(format!(
                "unknown decimal sign `{text}`: accepted are point (.) and comma (,)"
            )),
        }
    }
}

/// Separator and decimal sign of a table; no separator where there is one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub delimiter: Option<Delimiter>,
    pub decimal: Decimal,
}

/// Fields that stand for a value that is missing.
fn is_missing(field: &str) -> bool {
    ["", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "--"]
        .iter()
        .any(|missing| field.eq_ignore_ascii_case(missing))
}

impl Dialect {
    /// What a field says of itself: a number, text, or nothing.
    pub(super) fn is_number(self, field: &str) -> bool {
        self.decimal.parse(field).is_some()
    }

    pub(super) fn is_text(self, field: &str) -> bool {
        !self.is_number(field) && !is_missing(field)
    }

    /// Finds the dialect in which most fields of `sample`, the beginning of a file, are numbers in rows of one length;
    /// what is known already is not looked for.
    pub(super) fn detect(sample: &str, delimiter: Option<Delimiter>, decimal: Option<Decimal>) -> Self {
        let first = first_record(sample);
        let delimiters: Vec<Option<Delimiter>> = match delimiter {
            Some(known) => vec![Some(known)],
            None => {
                let mut all: Vec<_> = Delimiter::ALL.into_iter().map(Some).collect();
                // One column is possible only where the first line has no separator: `1,2` could be one number.
                if !first.contains([',', ';', '\t', '|']) {
                    all.push(None);
                }
                all
            }
        };
        let decimals = decimal.map_or(vec![Decimal::Point, Decimal::Comma], |known| vec![known]);
        let mut best: Option<(Fit, Self)> = None;
        for decimal in decimals {
            for &delimiter in &delimiters {
                // Quotation marks tell the two apart.
                if delimiter == Some(Delimiter::Comma) && decimal == Decimal::Comma && !sample.contains('"') {
                    continue;
                }
                let dialect = Self { delimiter, decimal };
                let fit = dialect.fit(sample, first);
                // Of equals the first one stays.
                if best.as_ref().is_none_or(|(other, _)| fit > *other) {
                    best = Some((fit, dialect));
                }
            }
        }
        let fallback = Self {
            delimiter: delimiter.or(Some(Delimiter::WhiteSpace)),
            decimal: decimal.unwrap_or(Decimal::Point),
        };
        best.map_or(fallback, |(_, dialect)| dialect)
    }

    fn fit(self, sample: &str, first: &str) -> Fit {
        let none = Fit::default();
        match self.delimiter {
            Some(Delimiter::WhiteSpace) if !first.contains([' ', '\t']) => return none,
            Some(delimiter) if delimiter.byte().is_some_and(|byte| !first.contains(char::from(byte))) => return none,
            _ => (),
        }
        let records = records(sample, self.delimiter);
        let Some((head, body)) = records.split_first() else {
            return none;
        };
        let body = if body.is_empty() { &records[..] } else { body };
        let width = head.len();
        let of_width = |width: usize| body.iter().filter(|row| row.len() == width).count();
        // Row names without a name of their own make a header one field shorter than its rows.
        let (width, consistent) = match (of_width(width), of_width(width + 1)) {
            (same, longer) if longer > same => (width + 1, longer),
            (same, _) => (width, same),
        };
        let cells = body.iter().filter(|row| row.len() == width).flatten();
        let numbers = cells.filter(|field| !self.is_text(field)).count();
        let all = body.iter().map(Vec::len).sum::<usize>().max(1);
        Fit {
            numbers: (1000 * numbers / all) as u32,
            head_fits: head.len() == width,
            consistent: (1000 * consistent / body.len()) as u32,
        }
    }
}

/// The first line that is not empty, with those after it that a name in quotation marks goes on in.
fn first_record(sample: &str) -> &str {
    let start = sample.find(|c| c != '\n' && c != '\r').unwrap_or(sample.len());
    let rest = &sample[start..];
    let mut quoted = false;
    let end = rest.find(|c| {
        quoted ^= c == '"';
        c == '\n' && !quoted
    });
    // A mark that nothing closes is a character as any other.
    &rest[..end.or_else(|| rest.find('\n')).unwrap_or(rest.len())]
}

/// How well a dialect suits a sample; what comes first counts more.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// Thousandths of the fields that are numbers in rows of one length.
    numbers: u32,
    /// Whether the first line is as long as the rows.
    head_fits: bool,
    /// Thousandths of the rows of that length.
    consistent: u32,
}

/// The fields of all lines of a text that is in memory.
pub(super) fn records(text: &str, delimiter: Option<Delimiter>) -> Vec<Vec<String>> {
    let lines = text.lines().filter(|line| !line.is_empty());
    match delimiter.map(Delimiter::byte) {
        None => lines.map(|line| vec![unquoted(line.trim())]).collect(),
        Some(None) => lines.map(|line| words(line).map(unquoted).collect()).collect(),
        Some(Some(byte)) => {
            let mut reader = ReaderBuilder::new()
                .delimiter(byte)
                .has_headers(false)
                .flexible(true)
                .trim(Trim::All)
                .from_reader(text.as_bytes());
            let records = reader.records().map_while(Result::ok);
            records
                .map(|record| record.iter().map(str::to_owned).collect())
                .collect()
        }
    }
}

/// The words of a line; quotation marks hold a word together.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line.trim();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = match rest.strip_prefix('"').and_then(|inner| inner.find('"')) {
            Some(close) => close + 2,
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(end);
        rest = after.trim_start();
        Some(word)
    })
}

/// A field without the quotation marks around it.
pub(super) fn unquoted(field: &str) -> String {
    let inner = field.strip_prefix('"').and_then(|field| field.strip_suffix('"'));
    inner.unwrap_or(field).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_are_told_apart() {
        for (sample, delimiter, decimal) in [
            ("1,2\n3,4\n", Some(Delimiter::Comma), Decimal::Point),
            ("a;b\n0,5;1,5\n-2;3,25\n", Some(Delimiter::Semicolon), Decimal::Comma),
            ("a;b\n0.5;1.5\n", Some(Delimiter::Semicolon), Decimal::Point),
            ("a\tb\n0,5\t1,5\n", Some(Delimiter::Tab), Decimal::Comma),
            ("a|b\n0.5|1.5\n", Some(Delimiter::Pipe), Decimal::Point),
            ("0,5 1,5\n2,5 3,5\n", Some(Delimiter::WhiteSpace), Decimal::Comma),
            ("1, 2, 3\n4, 5, 6\n", Some(Delimiter::Comma), Decimal::Point),
            ("x\n1,5\n2,5\n", None, Decimal::Comma),
            ("the length\n1.5\n2.5\n", None, Decimal::Point),
            (
                "name,x\nbob smith,2.5\nann jones,1.5\n",
                Some(Delimiter::Comma),
                Decimal::Point,
            ),
            ("a;b\n;1,5\n2,5;NA\n", Some(Delimiter::Semicolon), Decimal::Comma),
            ("\"a\",\"b\"\n\"0,5\",\"1,5\"\n", Some(Delimiter::Comma), Decimal::Comma),
            ("\"a\",b\n\"1\",2\n", Some(Delimiter::Comma), Decimal::Point),
            ("\"a\nlong\",\"b\"\n0.5,1.5\n", Some(Delimiter::Comma), Decimal::Point),
            ("5\",x\n0.5,1.5\n", Some(Delimiter::Comma), Decimal::Point),
        ] {
            assert_eq!(
                Dialect::detect(sample, None, None),
                Dialect { delimiter, decimal },
                "{sample:?}"
            );
        }
    }

    #[test]
    fn what_is_known_is_not_looked_for() {
        let known = Dialect::detect("1,5\n2,5\n", Some(Delimiter::Semicolon), Some(Decimal::Comma));
        assert_eq!(
            (known.delimiter, known.decimal),
            (Some(Delimiter::Semicolon), Decimal::Comma)
        );
    }

    #[test]
    fn numbers_with_separators_of_thousands_are_none() {
        for field in ["1.234,5", "1,", ",", "1,2,3", ""] {
            assert_eq!(Decimal::Comma.parse(field), None, "{field}");
        }
        assert_eq!(Decimal::Comma.parse("-0,25"), Some(-0.25));
        assert_eq!(Decimal::Comma.parse("1e-3"), Some(1e-3));
    }

    #[test]
    fn quotation_marks_hold_words_together() {
        let all: Vec<_> = words(r#"  "two words" 1  "x" "open"#).map(unquoted).collect();
        assert_eq!(all, ["two words", "1", "x", "\"open"]);
    }
}
