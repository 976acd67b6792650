//! The array `X` `[H, W, C, N]` of bytes of SVHN's files.

use super::{ImageError, Images};
use crate::DataError;
use crate::matlab;
use std::path::Path;

/// The images of a `.mat` file.
///
/// # Errors
/// [`ImageError::File`] with what is wrong.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Images, DataError> {
    let array = matlab::array(bytes, "X").map_err(ImageError::file(path))?;
    let misfit =
        || ImageError::file(path)("its array `X` is none of bytes with the axes height, width, channel, image".into());
    let &[height, width, channels, _] = array.axes.as_slice() else {
        return Err(misfit().into());
    };
    let pixels = array.numbers.into_bytes().ok_or_else(misfit)?;
    // MATLAB's first axis is the fastest.
    let mut ordered = Vec::with_capacity(pixels.len());
    for plane in pixels.chunks_exact(height * width) {
        for row in 0..height {
            ordered.extend((0..width).map(|column| plane[column * height + row]));
        }
    }
    Images::new([channels, height, width], 256, ordered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matlab::written;

    #[test]
    fn columns_become_rows() {
        for compressed in [false, true] {
            let bytes = written::file(&[("X", &[2, 3, 1, 2], 2, (0..12).collect())], compressed);
            let images = read(Path::new("a.mat"), &bytes).unwrap();
            assert_eq!((images.shape(), images.len()), ([1, 2, 3], 2));
            assert_eq!(images.get(0), Some(&[0, 2, 4, 1, 3, 5][..]));
            for cut in (0..bytes.len()).step_by(7) {
                assert!(read(Path::new("a.mat"), &bytes[..cut]).is_err(), "{cut}");
            }
        }
        assert!(
            read(
                Path::new("a.mat"),
                &written::file(&[("X", &[2, 3], 2, vec![0; 6])], false)
            )
            .is_err()
        );
    }
}
