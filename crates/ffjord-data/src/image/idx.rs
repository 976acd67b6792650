//! The idx format of MNIST: two zeros, the type, the number of axes, each axis' length, then bytes.
//!
//! Three axes are images of one channel; four are images, channels, height and width.

use super::{ImageError, Images};
use crate::DataError;
use flate2::read::MultiGzDecoder;
use std::io::Read;
use std::path::Path;

/// What a file begins with, before the number of axes: bytes.
const MAGIC: [u8; 3] = [0, 0, 8];
/// Files of images beyond this are none that are known; bounds what a hostile one makes us hold.
const MAX_BYTES: u64 = 1 << 31;

/// Images from the bytes of an idx file, plain or gzip-compressed.
///
/// # Errors
/// [`ImageError::File`] with what is wrong.
pub(super) fn read(path: &Path, bytes: &[u8], levels: usize) -> Result<Images, DataError> {
    let fail = |reason: String| ImageError::File {
        path: path.to_path_buf(),
        reason,
    };
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return parse(bytes, levels, &fail);
    }
    let mut plain = Vec::new();
    let mut reader = MultiGzDecoder::new(bytes).take(MAX_BYTES + 1);
    reader
        .read_to_end(&mut plain)
        .map_err(|error| fail(format!("its compression is damaged: {error}")))?;
    if plain.len() as u64 > MAX_BYTES {
        return Err(fail("it holds more than 2 GiB, which no known set does".to_string()).into());
    }
    parse(&plain, levels, &fail)
}

fn parse(bytes: &[u8], levels: usize, fail: &dyn Fn(String) -> ImageError) -> Result<Images, DataError> {
    let short = || fail("it is shorter than the header of an idx file".to_string());
    let (start, rest) = bytes.split_at_checked(4).ok_or_else(short)?;
    let axes = match start {
        [magic @ .., axes @ (3 | 4)] if *magic == MAGIC => usize::from(*axes),
        _ => {
            return Err(fail(format!(
                "it begins with {start:?}, where an idx file of images has {MAGIC:?} and 3 or 4"
            ))
            .into());
        }
    };
    let (header, pixels) = rest.split_at_checked(4 * axes).ok_or_else(short)?;
    let axis = |bytes: &[u8]| bytes.iter().fold(0usize, |value, byte| value << 8 | usize::from(*byte));
    let lengths: Vec<usize> = header.chunks_exact(4).map(axis).collect();
    let (channels, height, width) = match lengths[..] {
        [_, channels, height, width] => (channels, height, width),
        _ => (1, lengths[1], lengths[2]),
    };
    let wanted = lengths
        .iter()
        .try_fold(1usize, |product, length| product.checked_mul(*length));
    if wanted != Some(pixels.len()) || channels * height * width == 0 {
        return Err(fail(format!(
            "it says that it holds {} images of {channels}×{height}×{width}, but {} bytes follow",
            lengths[0],
            pixels.len()
        ))
        .into());
    }
    Images::new([channels, height, width], levels, pixels.to_vec())
}

/// The bytes of an idx file: three axes for images of one channel, else four.
#[cfg(feature = "image")]
pub(super) fn write(images: &Images, file: &mut dyn std::io::Write) -> std::io::Result<()> {
    let [channels, height, width] = images.shape();
    let all = [images.len(), channels, height, width];
    let axes: Vec<usize> = all
        .into_iter()
        .enumerate()
        .filter(|axis| *axis != (1, 1))
        .map(|(_, length)| length)
        .collect();
    file.write_all(&MAGIC)?;
    file.write_all(&[axes.len() as u8])?;
    for length in axes {
        let length = u32::try_from(length).map_err(std::io::Error::other)?;
        file.write_all(&length.to_be_bytes())?;
    }
    file.write_all(&images.pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_files_are_refused() {
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4];
        let path = Path::new("images");
        let images = read(path, &bytes, 256).unwrap();
        assert_eq!(
            (images.shape(), images.len(), images.get(1)),
            ([1, 1, 2], 2, Some(&[3, 4][..]))
        );
        for cut in [0, 3, 15, 17, 19] {
            assert!(read(path, &bytes[..cut], 256).is_err(), "{cut}");
        }
        assert!(read(path, &bytes, 4).is_err(), "a level that there is not");
        // A count that no memory would hold.
        bytes[4..8].fill(255);
        assert!(read(path, &bytes, 256).is_err());
        bytes[3] = 1;
        assert!(read(path, &bytes, 256).is_err(), "labels");
        bytes[3] = 4;
        assert!(read(path, &bytes, 256).is_err(), "a longer header");
        assert!(read(path, &[0x1f, 0x8b, 8, 0, 1], 256).is_err());
    }
}
