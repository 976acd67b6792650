//! The packed file: the six integer columns, one after the other, compressed.
//!
//! ```text
//! bytes  0.. 8   magic
//! bytes  8..12   number of rows, little-endian
//! bytes 12..44   SHA-256 of bytes 8..12 and of everything from byte 44
//! bytes 44..     a Brotli stream of nine bytes a row, byte plane by byte plane:
//!                active power, voltage: low bytes, high bytes;  sub-metering 1, 2, 3;  minute: low bytes, high bytes
//! ```
//!
//! Power, voltage and minute change little from row to row, so their differences are stored, with the sign in the
//! lowest bit (zigzag); the sub-meterings repeat exactly and stand as they are. The halves of a number are separate
//! because the low bytes are nearly noise and the high bytes nearly constant.

use std::io::{Read, Write};

use brotli::{CompressorWriter, Decompressor, enc::BrotliEncoderParams};
use sha2::{Digest, Sha256};

use super::{Measurement, PowerError};

const MAGIC: [u8; 8] = *b"\x89POWER1\n";
const ROWS_AT: usize = 8;
const DIGEST_AT: usize = 12;
const BODY_AT: usize = 44;
const BYTES_A_ROW: usize = 9;
/// More than the minutes of the measured years; bounds what a hostile file can make us allocate.
const MAX_ROWS: usize = 1 << 22;
const BUFFER_BYTES: usize = 1 << 16;

/// Packs measurements without loss; the same rows always give the same bytes.
///
/// # Errors
/// [`PowerError::TooManyRows`] beyond 4,194,304 rows.
///
/// ```
/// use ffjord_data::power::{Measurement, decode, encode};
///
/// let rows = vec![Measurement { active_power: 4216, voltage: 23484, sub_metering: [0, 1, 17], minute_of_day: 1044 }];
/// assert_eq!(decode(&encode(&rows)?)?, rows);
/// # Ok::<(), ffjord_data::power::PowerError>(())
/// ```
pub fn encode(measurements: &[Measurement]) -> Result<Vec<u8>, PowerError> {
    let rows = measurements.len();
    if rows > MAX_ROWS {
        return Err(PowerError::TooManyRows { rows, limit: MAX_ROWS });
    }
    // MAX_ROWS fits into 32 bits.
    let row_bytes = (rows as u32).to_le_bytes();
    let planes = to_planes(measurements);
    // The best ratio, and a window that spans more than a column.
    let params = BrotliEncoderParams {
        quality: 11,
        lgwin: 24,
        size_hint: planes.len(),
        ..Default::default()
    };
    let mut body = Vec::new();
    let mut compressor = CompressorWriter::with_params(&mut body, BUFFER_BYTES, &params);
    compressor
        .write_all(&planes)
        .and_then(|()| compressor.flush())
        .map_err(PowerError::Compression)?;
    drop(compressor);
    Ok([&MAGIC[..], &row_bytes, &digest(&row_bytes, &body), &body].concat())
}

/// Unpacks what [`encode`] packed, after checking its checksum.
///
/// ```
/// use ffjord_data::power::{Measurement, PowerError, decode, encode};
/// let mut packed = encode(&[Measurement { minute_of_day: 1439, ..Measurement::default() }])?;
/// assert_eq!(decode(&packed)?[0].minute_of_day, 1439);
/// *packed.last_mut().ok_or("it is not empty")? ^= 1;
/// assert!(matches!(decode(&packed), Err(PowerError::Checksum)));
/// assert!(matches!(decode(b"text"), Err(PowerError::NotPacked)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`PowerError::NotPacked`] for other files, [`PowerError::Checksum`] for a corrupt or truncated one, and the other
/// variants for one that was made wrongly.
pub fn decode(bytes: &[u8]) -> Result<Vec<Measurement>, PowerError> {
    if !is_packed(bytes) || bytes.len() < BODY_AT {
        return Err(PowerError::NotPacked);
    }
    let (row_bytes, body) = (&bytes[ROWS_AT..DIGEST_AT], &bytes[BODY_AT..]);
    if digest(row_bytes, body) != bytes[DIGEST_AT..BODY_AT] {
        return Err(PowerError::Checksum);
    }
    let rows = row_bytes
        .iter()
        .rev()
        .fold(0, |rows, byte| rows << 8 | usize::from(*byte));
    if rows > MAX_ROWS {
        return Err(PowerError::TooManyRows { rows, limit: MAX_ROWS });
    }
    let expected = rows * BYTES_A_ROW;
    let mut planes = Vec::new();
    Decompressor::new(body, BUFFER_BYTES)
        .take(expected as u64 + 1)
        .read_to_end(&mut planes)
        .map_err(PowerError::Compression)?;
    if planes.len() != expected {
        return Err(PowerError::PackedLength {
            rows,
            expected,
            given: planes.len(),
        });
    }
    let measurements = from_planes(&planes, rows);
    match measurements
        .iter()
        .position(|measurement| measurement.minute_of_day >= 24 * 60)
    {
        Some(row) => Err(PowerError::Minute {
            row,
            minute: measurements[row].minute_of_day,
        }),
        None => Ok(measurements),
    }
}

/// Whether a file starts as [`encode`] starts it.
pub(super) fn is_packed(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

fn digest(row_bytes: &[u8], body: &[u8]) -> [u8; BODY_AT - DIGEST_AT] {
    Sha256::new_with_prefix(row_bytes).chain_update(body).finalize().into()
}

fn to_planes(measurements: &[Measurement]) -> Vec<u8> {
    let mut planes = Vec::with_capacity(measurements.len() * BYTES_A_ROW);
    let rows = measurements.iter();
    push_differences(&mut planes, rows.clone().map(|row| row.active_power));
    push_differences(&mut planes, rows.clone().map(|row| row.voltage));
    for meter in 0..3 {
        planes.extend(rows.clone().map(|row| row.sub_metering[meter]));
    }
    push_differences(&mut planes, rows.map(|row| row.minute_of_day));
    planes
}

/// `planes` holds nine bytes for each of `rows` rows.
fn from_planes(planes: &[u8], rows: usize) -> Vec<Measurement> {
    let plane = |index: usize| &planes[index * rows..(index + 1) * rows];
    let mut active_power = differences(plane(0), plane(1));
    let mut voltage = differences(plane(2), plane(3));
    let mut minute = differences(plane(7), plane(8));
    let meters = plane(4).iter().zip(plane(5)).zip(plane(6));
    meters
        .map(|((kitchen, laundry), heater)| Measurement {
            active_power: active_power.next().unwrap_or_default(),
            voltage: voltage.next().unwrap_or_default(),
            sub_metering: [*kitchen, *laundry, *heater],
            minute_of_day: minute.next().unwrap_or_default(),
        })
        .collect()
}

fn push_differences(planes: &mut Vec<u8>, values: impl Iterator<Item = u16> + Clone) {
    let mut previous = 0;
    let zigzags = values.map(move |value| {
        let difference = value.wrapping_sub(previous) as i16;
        previous = value;
        ((difference << 1) ^ (difference >> 15)) as u16
    });
    planes.extend(zigzags.clone().map(|zigzag| zigzag as u8));
    planes.extend(zigzags.map(|zigzag| (zigzag >> 8) as u8));
}

fn differences<'a>(low: &'a [u8], high: &'a [u8]) -> impl Iterator<Item = u16> + 'a {
    low.iter().zip(high).scan(0_u16, |previous, (low, high)| {
        let zigzag = u16::from_le_bytes([*low, *high]);
        let difference = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
        *previous = previous.wrapping_add(difference);
        Some(*previous)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measurement() -> impl Strategy<Value = Measurement> {
        (any::<u16>(), any::<u16>(), any::<[u8; 3]>(), 0_u16..1440).prop_map(
            |(active_power, voltage, sub_metering, minute_of_day)| Measurement {
                active_power,
                voltage,
                sub_metering,
                minute_of_day,
            },
        )
    }

    /// A file with a good checksum around any content.
    fn sealed(rows: u32, body: &[u8]) -> Vec<u8> {
        let rows = rows.to_le_bytes();
        [&MAGIC[..], &rows, &digest(&rows, body), body].concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn packing_is_lossless(rows in prop::collection::vec(measurement(), 0..200)) {
            let packed = encode(&rows).unwrap();
            prop_assert_eq!(&packed, &encode(&rows).unwrap());
            prop_assert_eq!(decode(&packed).unwrap(), rows);
        }

        #[test]
        fn every_damage_is_found(
            rows in prop::collection::vec(measurement(), 1..20),
            place: prop::sample::Index,
            flip in 1_u8..,
        ) {
            let packed = encode(&rows).unwrap();
            let place = place.index(packed.len());
            let mut flipped = packed.clone();
            flipped[place] ^= flip;
            match decode(&flipped) {
                Err(PowerError::NotPacked) => prop_assert!(place < ROWS_AT),
                Err(PowerError::Checksum) => prop_assert!(place >= ROWS_AT),
                other => prop_assert!(false, "{:?}", other),
            }
            prop_assert!(matches!(decode(&packed[..place]), Err(PowerError::NotPacked | PowerError::Checksum)));
        }
    }

    #[test]
    fn hostile_content_with_a_good_checksum_is_refused() {
        let one = encode(&[Measurement::default()]).unwrap();
        let body = &one[BODY_AT..];
        assert!(matches!(
            decode(&sealed(u32::MAX, body)),
            Err(PowerError::TooManyRows { .. })
        ));
        assert!(matches!(
            decode(&sealed(2, body)),
            Err(PowerError::PackedLength {
                expected: 18,
                given: 9,
                ..
            })
        ));
        assert!(matches!(
            decode(&sealed(0, body)),
            Err(PowerError::PackedLength {
                expected: 0,
                given: 1,
                ..
            })
        ));
        assert!(matches!(
            decode(&sealed(1, b"no brotli")),
            Err(PowerError::Compression(_))
        ));
        assert!(matches!(
            decode(&sealed(1, &body[..2])),
            Err(PowerError::Compression(_))
        ));
        let midnight = encode(&[Measurement {
            minute_of_day: 1440,
            ..Measurement::default()
        }])
        .unwrap();
        assert!(matches!(
            decode(&midnight),
            Err(PowerError::Minute { row: 0, minute: 1440 })
        ));
    }
}
