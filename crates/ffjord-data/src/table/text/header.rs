//! Whether the first line of a text table holds the names of its columns.

use super::{TextError, dialect::Dialect};

/// What the first line of a text table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstLine {
    Names,
    Row,
}

/// Decides from the first lines of a table.
///
/// A line with text over a column of numbers holds names. So does one of consecutive whole numbers (`0,1,2`, as pandas
/// writes for columns without names) over columns none of which is of whole numbers; where some are, there is no telling,
/// and neither is there of other whole numbers in ascending order (`400,410,420`) over fractions alone.
///
/// # Errors
/// [`TextError::AmbiguousHeader`] where both are possible.
pub(super) fn first_line(records: &[Vec<String>], dialect: Dialect) -> Result<FirstLine, TextError> {
    let Some((first, body)) = records.split_first() else {
        return Ok(FirstLine::Row);
    };
    let numeric_below = |column: usize| {
        let mut cells = body.iter().filter_map(|row| row.get(column)).peekable();
        cells.peek().is_some() && cells.filter(|cell| dialect.is_text(cell)).count() * 2 < body.len()
    };
    let texts = (0..first.len()).filter(|&column| dialect.is_text(&first[column]));
    let mut texts = texts.peekable();
    if texts.peek().is_some() {
        let has_number = first.iter().any(|field| dialect.is_number(field));
        let over_numbers = texts.any(numeric_below);
        return Ok(match over_numbers || !has_number {
            true => FirstLine::Names,
            false => FirstLine::Row,
        });
    }
    // An index column has no name of its own, and stands first.
    let named = match first.first() {
        Some(empty) if empty.is_empty() && first.len() > 1 => &first[1..],
        _ => first,
    };
    let below = |column: usize| body.iter().filter_map(move |row| row.get(column));
    let offset = first.len() - named.len();
    let is_whole = |cell: &String| whole_number(cell.strip_prefix('-').unwrap_or(cell)).is_some();
    let ambiguous = || TextError::AmbiguousHeader {
        first: named.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", "),
    };
    let Some(start) = consecutive(named) else {
        // Wavelengths or dates over measurements: no other number is whole.
        let over_fractions = || !(offset..first.len()).any(|column| below(column).any(is_whole));
        return match body.len() > 2 && named.len() > 1 && ascending(named) && over_fractions() {
            true => Err(ambiguous()),
            false => Ok(FirstLine::Row),
        };
    };
    let whole = (offset..first.len()).any(|column| below(column).all(is_whole));
    match (whole || body.is_empty(), named.len()) {
        // `0` or `2019` over one column may well be its first value.
        (false, 2..) => Ok(FirstLine::Names),
        (true, _) if offset == 1 => Ok(FirstLine::Names),
        _ if start == 0 && !body.is_empty() => Err(ambiguous()),
        _ => Ok(FirstLine::Row),
    }
}

/// The first of fields that are consecutive whole numbers, if they are.
fn consecutive(fields: &[String]) -> Option<u32> {
    let start = whole_number(fields.first()?)?;
    let next = (start..).zip(fields);
    next.into_iter()
        .all(|(number, field)| whole_number(field) == Some(number))
        .then_some(start)
}

/// Whether fields are whole numbers each of which is larger than the one before it.
fn ascending(fields: &[String]) -> bool {
    let numbers: Option<Vec<u32>> = fields.iter().map(|field| whole_number(field)).collect();
    numbers.is_some_and(|numbers| numbers.windows(2).all(|pair| pair[0] < pair[1]))
}

/// A whole number as one writes it in a header.
fn whole_number(field: &str) -> Option<u32> {
    let plain = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| field.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::super::dialect::{Decimal, Delimiter, records};
    use super::*;

    fn decide(text: &str) -> Result<FirstLine, TextError> {
        let dialect = Dialect {
            delimiter: Some(Delimiter::Comma),
            decimal: Decimal::Point,
        };
        first_line(&records(text, dialect.delimiter), dialect)
    }

    #[test]
    fn names_are_told_from_rows() {
        for (text, expected) in [
            ("a,b\n1,2\n", FirstLine::Names),
            ("1,2\n3,4\n", FirstLine::Row),
            ("id,2019,2020\n7,1.5,2.5\n", FirstLine::Names),
            ("x,3\n1.5,2\n", FirstLine::Names),
            ("a,3\nb,4\n", FirstLine::Row),
            ("name,value\nbob,1.5\n", FirstLine::Names),
            ("0,1,2\n0.5,1.5,2.5\n0.25,1,3.5\n", FirstLine::Names),
            ("2019,2020\n0.5,1.5\n", FirstLine::Names),
            ("2019,2020\n1,2\n", FirstLine::Row),
            (",0,1\n0,0.5,1.5\n1,2.5,3.5\n", FirstLine::Names),
            (",0,1\n0,5,1\n1,2,3\n", FirstLine::Names),
            ("nan,nan\n1,2\n", FirstLine::Row),
            ("0.5\n1.5\n", FirstLine::Row),
            ("a,b\n", FirstLine::Names),
            ("1,2\n", FirstLine::Row),
            ("10,20\n0.5,1.5\n2,2.5\n0.5,3.5\n", FirstLine::Row),
            ("20,10\n0.5,1.5\n2.5,2.5\n0.5,3.5\n", FirstLine::Row),
        ] {
            assert_eq!(decide(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_may_be_either_is_asked_for() {
        for text in [
            "0,1,2\n3,4,5\n",
            "0,1\n-3,0.5\n2,1.5\n",
            "0\n1\n0\n",
            "0\n0.5\n1.5\n",
            "400,410\n0.5,1.5\n2.5,2.5\n0.5,3.5\n",
        ] {
            assert!(
                matches!(decide(text), Err(TextError::AmbiguousHeader { .. })),
                "{text:?}"
            );
        }
    }
}
