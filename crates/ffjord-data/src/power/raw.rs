//! The original text: one line a minute, nine fields separated by semicolons, `?` for what is missing.

use std::{io::BufRead, path::Path};

use super::{Measurement, PowerError};
use crate::{DataError, fs::open_text};

const HEADER: &str = "Date;Time;Global_active_power;Global_reactive_power;Voltage;Global_intensity;\
                      Sub_metering_1;Sub_metering_2;Sub_metering_3";
const FIELDS: usize = 9;

/// Reads the original text file, plain or gzip-compressed; see [`parse_raw`].
///
/// # Errors
/// [`DataError::Io`] if the file cannot be opened, and those of [`parse_raw`].
pub fn read_raw(path: impl AsRef<Path>) -> Result<Vec<Measurement>, DataError> {
    Ok(parse_raw(open_text(path.as_ref())?)?)
}

/// Reads the original text line by line and keeps the complete rows, in order.
///
/// A row with any field missing (`?` or empty) is dropped. Values must be whole multiples of the resolution that
/// [`Measurement`] keeps, so nothing is rounded.
///
/// # Errors
/// [`PowerError`] with line and column.
///
/// ```
/// let text = "Date;Time;Global_active_power;Global_reactive_power;Voltage;Global_intensity;\
///             Sub_metering_1;Sub_metering_2;Sub_metering_3\n\
///             16/12/2006;17:24:00;4.216;0.418;234.840;18.400;0.000;1.000;17.000\n\
///             16/12/2006;17:25:00;?;?;?;?;?;?;\n";
/// let rows = ffjord_data::power::parse_raw(text.as_bytes())?;
/// assert_eq!(rows.len(), 1);
/// assert_eq!(rows[0].active_power, 4216);
/// # Ok::<(), ffjord_data::power::PowerError>(())
/// ```
pub fn parse_raw(mut reader: impl BufRead) -> Result<Vec<Measurement>, PowerError> {
    let mut measurements = Vec::new();
    let mut buffer = Vec::new();
    let mut line = 0;
    loop {
        buffer.clear();
        let read = reader
            .read_until(b'\n', &mut buffer)
            .map_err(|source| PowerError::RawRead { line, source })?;
        let text = buffer.trim_ascii_end();
        line += 1;
        if line == 1 && text != HEADER.as_bytes() {
            return Err(PowerError::RawHeader {
                found: excerpt(text),
                expected: HEADER,
            });
        }
        if read == 0 {
            return Ok(measurements);
        }
        if line > 1 && !text.is_empty() {
            measurements.extend(parse_line(line, text)?);
        }
    }
}

/// The measurement of a line, or nothing if it is not complete.
fn parse_line(line: u64, text: &[u8]) -> Result<Option<Measurement>, PowerError> {
    let mut fields = [&text[..0]; FIELDS];
    let mut given = 0;
    for field in text.split(|byte| *byte == b';') {
        if let Some(place) = fields.get_mut(given) {
            *place = field;
        }
        given += 1;
    }
    if given != FIELDS {
        return Err(PowerError::RawFieldCount { line, given });
    }
    let [
        _,
        time,
        active_power,
        reactive_power,
        voltage,
        intensity,
        kitchen,
        laundry,
        heater,
    ] = fields;
    let measured = [
        active_power,
        reactive_power,
        voltage,
        intensity,
        kitchen,
        laundry,
        heater,
    ];
    if measured.iter().any(|field| field.is_empty() || *field == b"?") {
        return Ok(None);
    }
    let field = |column, text: &[u8], value: Option<u16>, accepted| {
        value.ok_or_else(|| PowerError::RawField {
            line,
            column,
            text: excerpt(text),
            accepted,
        })
    };
    let sub_metering = |column, text: &[u8]| {
        let value = fixed_point(text, 0)
            .and_then(|value| u8::try_from(value).ok())
            .map(u16::from);
        // It was a byte a moment ago.
        field(column, text, value, "a whole number of watt-hours from 0 to 255").map(|value| value as u8)
    };
    Ok(Some(Measurement {
        active_power: field(
            "Global_active_power",
            active_power,
            fixed_point(active_power, 3),
            "a number of kilowatts from 0 to 65.535 with three decimals",
        )?,
        voltage: field(
            "Voltage",
            voltage,
            fixed_point(voltage, 2),
            "a number of volts from 0 to 655.35 with two decimals",
        )?,
        sub_metering: [
            sub_metering("Sub_metering_1", kitchen)?,
            sub_metering("Sub_metering_2", laundry)?,
            sub_metering("Sub_metering_3", heater)?,
        ],
        minute_of_day: field("Time", time, minute_of_day(time), "a time of day hh:mm:00")?,
    }))
}

/// A decimal number times `10^decimals`, if that is a whole number below 2¹⁶.
fn fixed_point(text: &[u8], decimals: usize) -> Option<u16> {
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = (&text[..point], text.get(point + 1..).unwrap_or_default());
    let (kept, rest) = fraction.split_at(decimals.min(fraction.len()));
    if whole.is_empty() || rest.iter().any(|byte| *byte != b'0') {
        return None;
    }
    let padding = std::iter::repeat_n(&b'0', decimals - kept.len());
    whole.iter().chain(kept).chain(padding).try_fold(0_u16, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

fn minute_of_day(text: &[u8]) -> Option<u16> {
    let &[h1, h0, b':', m1, m0, b':', b'0', b'0'] = text else {
        return None;
    };
    let two_digits = |tens: u8, ones: u8, below: u16| {
        let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
        Some(10 * digit(tens)? + digit(ones)?).filter(|number| *number < below)
    };
    Some(60 * two_digits(h1, h0, 24)? + two_digits(m1, m0, 60)?)
}

/// As much of a field as an error text should show.
fn excerpt(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(lines: &str) -> Result<Vec<Measurement>, PowerError> {
        parse_raw(format!("{HEADER}\r\n{lines}").as_bytes())
    }

    #[test]
    fn incomplete_rows_are_dropped() {
        let rows = parse(
            "1/1/2007;00:00:00;2.580;0.136;241.970;10.600;0.000;0.000;0.000\r\n\
             1/1/2007;00:01:00;?;?;?;?;?;?;\r\n\
             1/1/2007;23:59:00;11.122;0.1;223.2;1;88.000;80;31.000",
        )
        .unwrap();
        assert_eq!(rows.len(), 2);
        let last = Measurement {
            active_power: 11_122,
            voltage: 22_320,
            sub_metering: [88, 80, 31],
            minute_of_day: 1439,
        };
        assert_eq!(rows[1], last);
    }

    #[test]
    fn what_would_be_rounded_or_is_no_number_is_named() {
        let cases = [
            ("d;00:00:00;2.5801;0;241.9;0;0;0;0", "Global_active_power"),
            ("d;00:00:00;66.000;0;241.9;0;0;0;0", "Global_active_power"),
            ("d;00:00:00;;0;241.9;0;0;0", ""),
            ("d;00:00:00;2.5;0;241.975;0;0;0;0", "Voltage"),
            ("d;00:00:00;2.5;0;-1;0;0;0;0", "Voltage"),
            ("d;00:00:00;2.5;0;.5;0;0;0;0", "Voltage"),
            ("d;00:00:00;2.5;0;241.9;0;0.5;0;0", "Sub_metering_1"),
            ("d;00:00:00;2.5;0;241.9;0;0;0;256", "Sub_metering_3"),
            ("d;24:00:00;2.5;0;241.9;0;0;0;0", "Time"),
            ("d;00:00:30;2.5;0;241.9;0;0;0;0", "Time"),
        ];
        for (text, expected) in cases {
            match parse(text) {
                Err(PowerError::RawField { line: 2, column, .. }) => assert_eq!(column, expected),
                Err(PowerError::RawFieldCount { line: 2, given: 8 }) => assert_eq!(expected, ""),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(matches!(parse_raw(&b"1,2,3\n"[..]), Err(PowerError::RawHeader { .. })));
        assert!(matches!(parse_raw(&b""[..]), Err(PowerError::RawHeader { .. })));
    }

    proptest! {
        #[test]
        fn fixed_point_is_exact(value: u16) {
            let text = format!("{}.{:03}", value / 1000, value % 1000);
            prop_assert_eq!(fixed_point(text.as_bytes(), 3), Some(value));
            let padded = format!("{}.{:02}0", value / 100, value % 100);
            prop_assert_eq!(fixed_point(padded.as_bytes(), 2), Some(value));
        }

        #[test]
        fn no_line_panics(text in "[0-9;:.?a-z-]{0,80}") {
            let _ = parse(&text);
        }
    }
}
