//! Folders of PNG and JPEG pictures.

use super::{ImageError, Images};
use crate::{DataError, fs};
use image::{DynamicImage, ImageReader, Limits};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Pictures beyond this many pixels a side are refused before they are decoded.
const MAX_SIDE: u32 = 4_096;

/// The pictures of a folder in the order of their names, all of one size: of one channel if all are grey, else of three.
///
/// ```
/// use ffjord_data::Images;
/// use ffjord_data::image::{read_folder, write_images};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("pictures");
/// let images = Images::new([3, 1, 2], 256, vec![255, 0, 0, 255, 7, 9])?;
/// write_images(&path, &images)?;
/// assert_eq!(read_folder(&path)?, images);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ImageError::File`] for a folder without pictures, for one that cannot be decoded, and for another size than the first
/// picture's.
pub fn read_folder(path: impl AsRef<Path>) -> Result<Images, DataError> {
    let path = path.as_ref();
    let fail = |path: &Path, reason: String| ImageError::File {
        path: path.to_path_buf(),
        reason,
    };
    let entries = std::fs::read_dir(path).map_err(|source| DataError::Io {
        action: "open",
        path: path.to_path_buf(),
        source,
    })?;
    let is_picture = |path: &PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| ["png", "jpg", "jpeg"].contains(&ending.as_str()))
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_picture)
        .collect();
    files.sort();
    let pictures = files.iter().map(|file| decode(file)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = pictures.first() else {
        return Err(fail(path, "this folder has no .png, .jpg or .jpeg file".to_string()).into());
    };
    let (width, height) = (first.width(), first.height());
    let grey = pictures.iter().all(|picture| !picture.color().has_color());
    let mut pixels = Vec::new();
    for (file, picture) in files.iter().zip(&pictures) {
        if (picture.width(), picture.height()) != (width, height) {
            let (other_width, other_height) = (picture.width(), picture.height());
            let reason = format!(
                "it is {other_width}×{other_height}, but {} is {width}×{height}: all pictures must have one size",
                files[0].display()
            );
            return Err(fail(file, reason).into());
        }
        match grey {
            true => pixels.extend(picture.to_luma8().into_raw()),
            false => {
                let colours = picture.to_rgb8().into_raw();
                (0..3).for_each(|channel| pixels.extend(colours.iter().skip(channel).step_by(3)));
            }
        }
    }
    let channels = if grey { 1 } else { 3 };
    Images::new([channels, height as usize, width as usize], 256, pixels)
}

fn decode(path: &Path) -> Result<DynamicImage, DataError> {
    let bytes = fs::read(path)?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    let decoded = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(image::ImageError::from);
    let decoded = decoded.and_then(|mut reader| {
        reader.limits(limits);
        reader.decode()
    });
    decoded.map_err(|error| {
        ImageError::File {
            path: path.to_path_buf(),
            reason: format!(
                "this picture cannot be read: {error}; give PNG or JPEG of at most {MAX_SIDE} pixels a side"
            ),
        }
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_one_size_become_channels() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_folder(folder.path()).is_err());
        let save = |name: &str, picture: DynamicImage| picture.save(folder.path().join(name)).unwrap();
        save("b.png", image::GrayImage::from_raw(2, 1, vec![3, 4]).unwrap().into());
        save("a.png", image::GrayImage::from_raw(2, 1, vec![1, 2]).unwrap().into());
        let images = read_folder(folder.path()).unwrap();
        assert_eq!(
            (images.shape(), images.len(), images.get(0)),
            ([1, 1, 2], 2, Some(&[1, 2][..]))
        );
        save(
            "c.png",
            image::RgbImage::from_raw(2, 1, vec![5, 6, 7, 8, 9, 10]).unwrap().into(),
        );
        let images = read_folder(folder.path()).unwrap();
        assert_eq!(
            (images.shape(), images.get(2)),
            ([3, 1, 2], Some(&[5, 8, 6, 9, 7, 10][..]))
        );
        save("d.png", image::GrayImage::from_raw(1, 1, vec![3]).unwrap().into());
        assert!(
            read_folder(folder.path())
                .unwrap_err()
                .to_string()
                .contains("d.png: it is 1×1")
        );
        std::fs::write(folder.path().join("c.png"), b"no picture").unwrap();
        assert!(read_folder(folder.path()).is_err());
    }
}
