//! The array `X` of a MATLAB 5 file, `[H, W, C, N]` of bytes in MATLAB's order, as SVHN is published.

use super::{ImageError, Images};
use crate::DataError;
use flate2::read::ZlibDecoder;
use std::io::Read;
use std::path::Path;

const HEADER: usize = 128;
const COMPRESSED: u32 = 15;
const MATRIX: u32 = 14;
const UNSIGNED_BYTE: u32 = 2;
/// More than any known set's array.
const MAX_BYTES: u64 = 1 << 32;

/// The images of a `.mat` file.
///
/// # Errors
/// [`ImageError::File`] with what is wrong.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Images, DataError> {
    let fail = |reason: &str| {
        DataError::from(ImageError::File {
            path: path.to_path_buf(),
            reason: reason.to_string(),
        })
    };
    let little = bytes.get(126..128) == Some(b"IM");
    if !bytes.starts_with(b"MATLAB 5.0") || !little {
        return Err(fail("it is no MATLAB 5 file in little-endian order"));
    }
    let mut rest = &bytes[HEADER..];
    while let Some((kind, content, behind)) = element(rest) {
        rest = behind;
        let unpacked;
        let matrix = match kind {
            COMPRESSED => {
                let mut plain = Vec::new();
                let mut reader = ZlibDecoder::new(content).take(MAX_BYTES);
                let read = reader.read_to_end(&mut plain);
                read.map_err(|error| fail(&format!("its compression is damaged: {error}")))?;
                unpacked = plain;
                match element(&unpacked) {
                    Some((MATRIX, content, _)) => content,
                    _ => continue,
                }
            }
            MATRIX => content,
            _ => continue,
        };
        if let Some(images) = images(matrix) {
            return images;
        }
    }
    Err(fail(
        "it holds no array `X` of bytes with the axes height, width, channel, image",
    ))
}

/// The type and content of the element at the beginning, and what comes after it.
fn element(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let first = number(0)?;
    if first >> 16 != 0 {
        // A small element: its length and up to four bytes in the tag itself.
        let content = bytes.get(4..4 + (first >> 16) as usize)?;
        return Some((first & 0xffff, content, bytes.get(8..)?));
    }
    let length = number(4)? as usize;
    let content = bytes.get(8..8usize.checked_add(length)?)?;
    // All but compressed elements are padded to eight bytes.
    let padded = if first == COMPRESSED {
        length
    } else {
        length.next_multiple_of(8)
    };
    Some((first, content, bytes.get(8 + padded..).unwrap_or_default()))
}

/// The images of a matrix named `X`; none for another.
fn images(matrix: &[u8]) -> Option<Result<Images, DataError>> {
    let (_, _flags, rest) = element(matrix)?;
    let (_, axes, rest) = element(rest)?;
    let (_, name, rest) = element(rest)?;
    let (kind, pixels, _) = element(rest)?;
    let axes: Vec<usize> = axes
        .chunks_exact(4)
        .filter_map(|axis| Some(u32::from_le_bytes(axis.try_into().ok()?) as usize))
        .collect();
    let &[height, width, channels, count] = axes.as_slice() else {
        return None;
    };
    let numbers = [width, channels, count]
        .iter()
        .try_fold(height, |numbers, axis| numbers.checked_mul(*axis));
    if name != b"X" || kind != UNSIGNED_BYTE || numbers != Some(pixels.len()) || pixels.is_empty() {
        return None;
    }
    // MATLAB's first axis is the fastest.
    let mut ordered = Vec::with_capacity(pixels.len());
    for plane in pixels.chunks_exact(height * width) {
        for row in 0..height {
            ordered.extend((0..width).map(|column| plane[column * height + row]));
        }
    }
    Some(Images::new([channels, height, width], 256, ordered))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn tagged(kind: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (content.len() as u32).to_le_bytes()].concat();
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    fn file(compressed: bool) -> Vec<u8> {
        let axes: Vec<u8> = [2u32, 3, 1, 2].iter().flat_map(|axis| axis.to_le_bytes()).collect();
        let small_name = [1u32 | 1 << 16, u32::from(b'X')].map(u32::to_le_bytes).concat();
        let pixels: Vec<u8> = (0..12).collect();
        let content = [tagged(6, &[0; 8]), tagged(5, &axes), small_name, tagged(2, &pixels)].concat();
        let matrix = tagged(MATRIX, &content);
        let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
        bytes.resize(124, b' ');
        bytes.extend([0, 1, b'I', b'M']);
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
        bytes
    }

    #[test]
    fn columns_become_rows() {
        for compressed in [false, true] {
            let bytes = file(compressed);
            let images = read(Path::new("a.mat"), &bytes).unwrap();
            assert_eq!((images.shape(), images.len()), ([1, 2, 3], 2));
            assert_eq!(images.get(0), Some(&[0, 2, 4, 1, 3, 5][..]));
            for cut in (0..bytes.len()).step_by(7) {
                assert!(read(Path::new("a.mat"), &bytes[..cut]).is_err(), "{cut}");
            }
        }
    }
}
