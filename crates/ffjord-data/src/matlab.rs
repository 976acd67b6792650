//! Arrays of numbers in MATLAB 5 files, as SVHN, Omniglot, the Frey Faces and the Caltech-101 Silhouettes are published.

use flate2::read::ZlibDecoder;
use std::io::Read;

const HEADER: usize = 128;
const COMPRESSED: u32 = 15;
const MATRIX: u32 = 14;
/// More than any known set's array.
const MAX_BYTES: u64 = 1 << 32;

/// An array in MATLAB's order: its first axis is the fastest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MatArray {
    /// The length of every axis.
    pub axes: Vec<usize>,
    /// The numbers, as many as the axes have together.
    pub numbers: Numbers,
}

/// Numbers as a file has them: MATLAB stores whole ones in as few bytes as they need.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Numbers {
    /// Whole numbers from 0 to 255.
    Bytes(Vec<u8>),
    /// Any others.
    Doubles(Vec<f64>),
}

impl Numbers {
    /// As levels from 0 to 255; none where a number is another.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Doubles(numbers) => {
                let byte =
                    |number: f64| (number.fract() == 0.0 && (0.0..=255.0).contains(&number)).then_some(number as u8);
                numbers.into_iter().map(byte).collect()
            }
        }
    }

    /// As numbers.
    pub fn into_doubles(self) -> Vec<f64> {
        match self {
            Self::Bytes(bytes) => bytes.into_iter().map(f64::from).collect(),
            Self::Doubles(numbers) => numbers,
        }
    }
}

/// The array of this name.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn array(bytes: &[u8], name: &str) -> Result<MatArray, String> {
    let little = bytes.get(126..128) == Some(b"IM");
    if !bytes.starts_with(b"MATLAB 5.0") || !little {
        return Err("it is no MATLAB 5 file in little-endian order".to_owned());
    }
    let mut rest = &bytes[HEADER..];
    while let Some((kind, content, behind)) = element(rest) {
        rest = behind;
        let found = match kind {
            MATRIX => named(content, name),
            COMPRESSED => {
                let mut plain = Vec::new();
                let mut reader = ZlibDecoder::new(content).take(MAX_BYTES);
                let read = reader.read_to_end(&mut plain);
                read.map_err(|error| format!("its compression is damaged: {error}"))?;
                match element(&plain) {
                    Some((MATRIX, content, _)) => named(content, name),
                    _ => None,
                }
            }
            _ => None,
        };
        if let Some(array) = found {
            return array;
        }
    }
    Err(format!("it holds no array `{name}`, or not all of it"))
}

/// The type and content of the element at the beginning, and what comes after it.
fn element(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let first = word(0)?;
    // Up to four bytes stand in the place of the length, which then shares a word with the type.
    if first >> 16 != 0 {
        let length = (first >> 16) as usize;
        let content = bytes.get(4..4 + length.min(4))?;
        return Some((first & 0xffff, content, bytes.get(8..).unwrap_or_default()));
    }
    let length = word(4)? as usize;
    let content = bytes.get(8..8usize.checked_add(length)?)?;
    // All but compressed elements are padded to eight bytes.
    let padded = if first == COMPRESSED {
        length
    } else {
        length.next_multiple_of(8)
    };
    Some((first, content, bytes.get(8 + padded..).unwrap_or_default()))
}

/// A matrix if it has this name.
fn named(matrix: &[u8], wanted: &str) -> Option<Result<MatArray, String>> {
    let (_, _flags, rest) = element(matrix)?;
    let (_, axes, rest) = element(rest)?;
    let (_, name, rest) = element(rest)?;
    if name != wanted.as_bytes() {
        return None;
    }
    let (kind, content, _) = element(rest)?;
    let axes: Vec<usize> = axes
        .chunks_exact(4)
        .filter_map(|axis| Some(u32::from_le_bytes(axis.try_into().ok()?) as usize))
        .collect();
    let count = axes.iter().try_fold(1usize, |count, axis| count.checked_mul(*axis));
    Some(numbers(kind, content, count).map(|numbers| MatArray { axes, numbers }))
}

/// The numbers of an element, if there are `count` of them.
fn numbers(kind: u32, content: &[u8], count: Option<usize>) -> Result<Numbers, String> {
    fn wide<const N: usize>(content: &[u8], number: impl Fn([u8; N]) -> f64) -> Numbers {
        let chunks = content.chunks_exact(N);
        Numbers::Doubles(
            chunks
                .filter_map(|bytes| Some(number(bytes.try_into().ok()?)))
                .collect(),
        )
    }
    let width = match kind {
        1 | 2 => 1,
        3 | 4 => 2,
        5..=7 => 4,
        9 | 12 | 13 => 8,
        _ => {
            return Err(format!(
                "its array has elements of the type {kind}, which are no numbers"
            ));
        }
    };
    if count.and_then(|count| count.checked_mul(width)) != Some(content.len()) || content.is_empty() {
        return Err("its array has another number of elements than its axes".to_owned());
    }
    Ok(match kind {
        2 => Numbers::Bytes(content.to_vec()),
        1 => wide(content, |bytes| f64::from(i8::from_le_bytes(bytes))),
        3 => wide(content, |bytes| f64::from(i16::from_le_bytes(bytes))),
        4 => wide(content, |bytes| f64::from(u16::from_le_bytes(bytes))),
        5 => wide(content, |bytes| f64::from(i32::from_le_bytes(bytes))),
        6 => wide(content, |bytes| f64::from(u32::from_le_bytes(bytes))),
        7 => wide(content, |bytes| f64::from(f32::from_le_bytes(bytes))),
        12 => wide(content, |bytes| i64::from_le_bytes(bytes) as f64),
        13 => wide(content, |bytes| u64::from_le_bytes(bytes) as f64),
        _ => wide(content, f64::from_le_bytes),
    })
}

/// Files of arrays as MATLAB writes them.
#[cfg(test)]
pub(crate) mod written {
    use super::{COMPRESSED, MATRIX};
    use std::io::Write;

    fn tagged(kind: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (content.len() as u32).to_le_bytes()].concat();
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    /// A file of arrays: name, axes, the type of elements and their bytes.
    pub(crate) fn file(arrays: &[(&str, &[u32], u32, Vec<u8>)], compressed: bool) -> Vec<u8> {
        let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
        bytes.resize(124, b' ');
        bytes.extend([0, 1, b'I', b'M']);
        for (name, axes, kind, numbers) in arrays {
            let axes: Vec<u8> = axes.iter().flat_map(|axis| axis.to_le_bytes()).collect();
            let mut short = (1u32 | (name.len() as u32) << 16).to_le_bytes().to_vec();
            short.extend(name.as_bytes());
            short.resize(8, 0);
            let name = if name.len() <= 4 {
                short
            } else {
                tagged(1, name.as_bytes())
            };
            let content = [tagged(6, &[0; 8]), tagged(5, &axes), name, tagged(*kind, numbers)].concat();
            let matrix = tagged(MATRIX, &content);
            if compressed {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&matrix).unwrap();
                let packed = encoder.finish().unwrap();
                bytes.extend(COMPRESSED.to_le_bytes());
                bytes.extend((packed.len() as u32).to_le_bytes());
                bytes.extend(packed);
            } else {
                bytes.extend(matrix);
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_found_by_name_whatever_they_are_stored_as() {
        let doubles: Vec<u8> = [0.5f64, -1.0].iter().flat_map(|number| number.to_le_bytes()).collect();
        let arrays: [(&str, &[u32], u32, Vec<u8>); 2] =
            [("levels", &[3, 1], 2, vec![7, 8, 9]), ("x", &[1, 2], 9, doubles)];
        for compressed in [false, true] {
            let bytes = written::file(&arrays, compressed);
            let x = array(&bytes, "x").unwrap();
            assert_eq!(
                (x.axes.as_slice(), &x.numbers),
                (&[1, 2][..], &Numbers::Doubles(vec![0.5, -1.0]))
            );
            assert_eq!(x.numbers.into_bytes(), None);
            let levels = array(&bytes, "levels").unwrap();
            assert_eq!(levels.numbers.clone().into_doubles(), [7.0, 8.0, 9.0]);
            assert_eq!(levels.numbers.into_bytes(), Some(vec![7, 8, 9]));
            assert!(array(&bytes, "y").is_err());
            for cut in (0..bytes.len()).step_by(3) {
                assert!(array(&bytes[..cut], "x").is_err(), "{cut}");
            }
        }
        // Axes that no memory would hold, and a type that is none of numbers.
        assert!(array(&written::file(&[("x", &[u32::MAX; 4], 2, vec![0; 4])], false), "x").is_err());
        assert!(array(&written::file(&[("x", &[2], 16, vec![0; 2])], false), "x").is_err());
    }
}
