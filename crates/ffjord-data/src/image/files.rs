//! Images that users bring along or take away: folders of pictures, idx files and arrays.

use super::{ImageError, Images, idx, read_folder};
use crate::table::npy;
use crate::{DataError, Matrix, fs};
use ffjord_files::write_atomic_with;
use image::{GrayImage, ImageFormat, RgbImage};
use std::io::Cursor;
use std::path::Path;

/// Images from a file or folder.
///
/// ```
/// use ffjord_data::{Matrix, table};
/// use ffjord_data::image::{ImageRows, read_images};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("samples.npy");
/// // Samples of a flow: numbers from 0 to 1.
/// table::save_npy(&path, &Matrix::new(1, 4, vec![0.1_f64, 0.5, 0.9, 0.2])?)?;
/// match read_images(&path, [1, 2, 2], 256)? {
///     ImageRows::Dequantised(rows) => assert_eq!(rows.row(0), [0.1, 0.5, 0.9, 0.2]),
///     other => return Err(format!("{other:?}").into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ImageRows {
    /// Whole levels, as pictures and bytes have them.
    Levels(Images),
    /// Numbers from 0 to 1, `[N, C·H·W]`: levels with noise, as samples of a flow are.
    Dequantised(Matrix<f64>),
}

/// Reads images of `shape` `[C, H, W]` with this many levels: a folder of PNG or JPEG pictures, an idx file (plain or
/// gzip-compressed), or a `.npy` array `[N, …]` of C·H·W numbers an image, bytes for levels, other numbers from 0 to 1.
///
/// ```
/// use ffjord_data::image::{ImageRows, Images, read_images, write_images};
///
/// # let place = tempfile::tempdir()?;
/// let images = Images::new([1, 2, 2], 256, vec![0, 255, 7, 9])?;
/// write_images(place.path().join("pictures"), &images)?;
/// let read = read_images(place.path().join("pictures"), [1, 2, 2], 256)?;
/// assert_eq!(read, ImageRows::Levels(images));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ImageError::File`] for what cannot be read, and for images of another shape.
pub fn read_images(path: impl AsRef<Path>, shape: [usize; 3], levels: usize) -> Result<ImageRows, DataError> {
    let path = path.as_ref();
    let is_array = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("npy"));
    if is_array && path.is_file() {
        return read_array(path, shape, levels);
    }
    let images = match path.is_dir() {
        true => read_folder(path)?,
        false => idx::read(path, &fs::read(path)?, 256)?,
    };
    if images.shape() != shape {
        return Err(other_shape(path, images.shape(), shape).into());
    }
    let mut pixels = images.pixels;
    if path.is_dir() {
        // Pictures show levels spread from 0 to 255.
        let top = (levels - 1) as f64;
        let level = |pixel: u8| (f64::from(pixel) * top / 255.0).round() as u8;
        pixels.iter_mut().for_each(|pixel| *pixel = level(*pixel));
    }
    of_levels(path, shape, levels, pixels)
}

/// Images of pixels that must be levels.
fn of_levels(path: &Path, shape: [usize; 3], levels: usize, pixels: Vec<u8>) -> Result<ImageRows, DataError> {
    if let Some(pixel) = pixels.iter().find(|pixel| usize::from(**pixel) >= levels) {
        let reason = format!("it holds {pixel}, where pixels have levels from 0 to {}", levels - 1);
        return Err(ImageError::File {
            path: path.to_path_buf(),
            reason,
        }
        .into());
    }
    Ok(ImageRows::Levels(Images::new(shape, levels, pixels)?))
}

fn other_shape(path: &Path, given: impl std::fmt::Debug, shape: [usize; 3]) -> ImageError {
    ImageError::File {
        path: path.to_path_buf(),
        reason: format!(
            "its images are of {given:?} (channels, height, width), where {shape:?} is needed: give images of that size"
        ),
    }
}

fn read_array(path: &Path, shape: [usize; 3], levels: usize) -> Result<ImageRows, DataError> {
    let (axes, bytes, values) = npy::load_flat(path)?;
    let dimension: usize = shape.iter().product();
    let own = axes.get(1..).unwrap_or_default();
    let fits = own == [dimension] || own == shape || (shape[0] == 1 && own == &shape[1..]);
    if !fits {
        return Err(other_shape(path, own, shape).into());
    }
    if bytes {
        let pixels = values.into_iter().map(|value| value as u8).collect();
        return of_levels(path, shape, levels, pixels);
    }
    if let Some(value) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        let reason = format!(
            "it holds {value}, where images in numbers other than bytes are from 0 to 1: divide them by their number of \
             levels, or save them as bytes (uint8)"
        );
        return Err(ImageError::File {
            path: path.to_path_buf(),
            reason,
        }
        .into());
    }
    Ok(ImageRows::Dequantised(Matrix::new(
        values.len() / dimension,
        dimension,
        values,
    )?))
}

/// Writes images: to a file that ends in `.idx` or `ubyte` in that format, and else as PNG pictures `0000.png`, … into a
/// folder, which is made, or must be empty.
///
/// ```
/// use ffjord_data::Images;
/// use ffjord_data::image::{ImageRows, read_images, write_images};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("images.idx");
/// let images = Images::new([1, 1, 2], 17, vec![0, 16, 3, 4])?;
/// write_images(&path, &images)?;
/// assert_eq!(read_images(&path, [1, 1, 2], 17)?, ImageRows::Levels(images));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ImageError::File`] for a folder that holds something and for images of other than 1 or 3 channels as pictures;
/// [`DataError::File`] or [`DataError::Io`] when something cannot be written.
pub fn write_images(path: impl AsRef<Path>, images: &Images) -> Result<(), DataError> {
    let path = path.as_ref();
    if is_idx(path) {
        return Ok(write_atomic_with(path, |file| idx::write(images, file))?);
    }
    let io = |action| {
        move |source| DataError::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    };
    let refuse = |reason: String| ImageError::File {
        path: path.to_path_buf(),
        reason,
    };
    std::fs::create_dir_all(path).map_err(io("create"))?;
    if std::fs::read_dir(path).map_err(io("open"))?.next().is_some() {
        let reason =
            "this folder is not empty, and pictures would be mixed with what is there: give another".to_string();
        return Err(refuse(reason).into());
    }
    let digits = images.len().saturating_sub(1).to_string().len().max(4);
    for index in 0..images.len() {
        let bytes = picture(images, index).map_err(refuse)?;
        let file = path.join(format!("{index:0digits$}.png"));
        write_atomic_with(&file, |file| std::io::Write::write_all(file, &bytes))?;
    }
    Ok(())
}

/// Whether [`write_images`] writes one idx file there.
///
/// ```
/// use ffjord_data::image::is_idx;
/// assert!(is_idx("train-images-idx3-ubyte".as_ref()) && is_idx("samples.idx".as_ref()));
/// assert!(!is_idx("folder".as_ref()));
/// ```
pub fn is_idx(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
    name.is_some_and(|name| name.ends_with(".idx") || name.ends_with("ubyte"))
}

/// An image as PNG, its levels spread from 0 to 255.
fn picture(images: &Images, index: usize) -> Result<Vec<u8>, String> {
    let [channels, height, width] = images.shape();
    let top = images.levels() - 1;
    let shown = |level: &u8| (f64::from(*level) * 255.0 / top as f64).round() as u8;
    let pixels: Vec<u8> = images.get(index).unwrap_or_default().iter().map(shown).collect();
    let plane = height * width;
    let mut bytes = Cursor::new(Vec::new());
    let size = (width as u32, height as u32);
    let written = match channels {
        1 => GrayImage::from_raw(size.0, size.1, pixels).map(|picture| picture.write_to(&mut bytes, ImageFormat::Png)),
        3 => {
            let colours = (0..plane).flat_map(|at| [pixels[at], pixels[plane + at], pixels[2 * plane + at]]);
            RgbImage::from_raw(size.0, size.1, colours.collect())
                .map(|picture| picture.write_to(&mut bytes, ImageFormat::Png))
        }
        _ => {
            return Err(format!(
                "pictures have 1 or 3 channels, not {channels}: write an .idx file"
            ));
        }
    };
    match written {
        Some(Ok(())) => Ok(bytes.into_inner()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err(format!("{} pixels are no picture", plane * channels)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        for shape in [[1, 2, 3], [3, 2, 1]] {
            let pixels = (0..12).map(|pixel| pixel * 20).collect();
            let images = Images::new(shape, 256, pixels)?;
            for name in ["pictures", "images.idx", "images-ubyte"] {
                let path = place.path().join(format!("{}-{name}", shape[0]));
                write_images(&path, &images)?;
                assert_eq!(
                    read_images(&path, shape, 256)?,
                    ImageRows::Levels(images.clone()),
                    "{name}"
                );
                let other = read_images(&path, [1, 4, 4], 256).map_err(|error| error.to_string());
                assert!(other.is_err_and(|error| error.contains("[1, 4, 4] is needed")));
            }
            // A second time would mix the two.
            assert!(write_images(place.path().join(format!("{}-pictures", shape[0])), &images).is_err());
        }
        let two = Images::new([2, 1, 1], 4, vec![0, 3])?;
        assert!(write_images(place.path().join("two"), &two).is_err());
        Ok(())
    }

    #[test]
    fn arrays_hold_levels_or_numbers_up_to_one() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("images.npy");
        let write = |descr: &str, shape: &str, numbers: &[u8]| {
            let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((text.len() as u16).to_le_bytes());
            bytes.extend(text.into_bytes());
            bytes.extend(numbers);
            std::fs::write(&path, bytes)
        };
        let expected = ImageRows::Levels(Images::new([1, 1, 2], 256, vec![1, 2, 3, 4])?);
        for shape in ["(2, 1, 1, 2)", "(2, 1, 2)", "(2, 2)"] {
            write("|u1", shape, &[1, 2, 3, 4])?;
            assert_eq!(read_images(&path, [1, 1, 2], 256)?, expected, "{shape}");
        }
        write("|u1", "(4,)", &[1, 2, 3, 4])?;
        assert!(read_images(&path, [1, 1, 2], 256).is_err());
        // A length that no memory would hold.
        write("|u1", "(99999999999, 2)", &[1, 2, 3, 4])?;
        assert!(read_images(&path, [1, 1, 2], 256).is_err());
        crate::table::save_npy(&path, &Matrix::from_rows(&[[0.25, 0.5]]))?;
        assert_eq!(
            read_images(&path, [1, 1, 2], 256)?,
            ImageRows::Dequantised(Matrix::from_rows(&[[0.25, 0.5]]))
        );
        for bad in [f64::NAN, -0.1, 1.5, f64::INFINITY] {
            crate::table::save_npy(&path, &Matrix::from_rows(&[[0.25, bad]]))?;
            let refused = read_images(&path, [1, 1, 2], 256).map_err(|error| error.to_string());
            assert!(
                refused.is_err_and(|error| error.contains(&format!("it holds {bad}"))),
                "{bad}"
            );
        }
        crate::table::save_npy(&path, &Matrix::from_rows(&[[0.25, 7.0]]))?;
        let error = read_images(&path, [1, 1, 2], 256).map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.contains("holds 7") && error.contains("uint8")));
        Ok(())
    }
}
