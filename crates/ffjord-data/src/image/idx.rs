//! The idx format of MNIST: two zeros, the type, the number of axes, each axis' length, then bytes.

use super::{ImageError, Images};
use crate::DataError;
use flate2::read::MultiGzDecoder;
use std::io::Read;
use std::path::Path;

/// Bytes in three axes.
const MAGIC: [u8; 4] = [0, 0, 8, 3];
/// Files of images beyond this are none that are known; bounds what a hostile one makes us hold.
const MAX_BYTES: u64 = 1 << 31;

/// Images of one channel from the bytes of an idx file, plain or gzip-compressed.
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
    let (header, pixels) = bytes
        .split_at_checked(16)
        .ok_or_else(|| fail("it is shorter than the header of an idx file".to_string()))?;
    if header[..4] != MAGIC {
        return Err(fail(format!(
            "it begins with {:?}, where an idx file of images has {MAGIC:?}",
            &header[..4]
        ))
        .into());
    }
    let axis = |index: usize| {
        let number = &header[4 * index..][..4];
        number
            .iter()
            .fold(0usize, |value, byte| value << 8 | usize::from(*byte))
    };
    let (count, height, width) = (axis(1), axis(2), axis(3));
    let wanted = count.checked_mul(height).and_then(|numbers| numbers.checked_mul(width));
    if wanted != Some(pixels.len()) || height * width == 0 {
        return Err(fail(format!(
            "it says that it holds {count} images of {height}×{width}, but {} bytes follow",
            pixels.len()
        ))
        .into());
    }
    Images::new([1, height, width], levels, pixels.to_vec())
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
        assert!(read(path, &[0x1f, 0x8b, 8, 0, 1], 256).is_err());
    }
}
