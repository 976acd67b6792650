//! What can be wrong with files of images.

use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why images could not be read.
///
/// ```
/// use ffjord_data::{DataError, Images, image::ImageError};
/// // A pixel of level 4 where there are the levels 0 to 3.
/// let refused = Images::new([1, 1, 2], 4, vec![0, 4]).unwrap_err();
/// assert!(matches!(&refused, DataError::Images(ImageError::Shape { levels: 4, .. })));
/// assert!(refused.to_string().contains("no level from 4 on"), "{refused}");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Pixels do not fill images, or have levels that there are not.
    #[error(
        "{pixels} pixels are no images of {shape:?} (channels, height, width) with {levels} levels: give whole images, 2 to \
         256 levels, and no level from {levels} on"
    )]
    Shape {
        /// Channels, height and width.
        shape: [usize; 3],
        /// Levels of a pixel.
        levels: usize,
        /// How many pixels were given.
        pixels: usize,
    },
    /// A file is not what its name says, or is damaged.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of a set is not where it was looked for.
    #[error("{name}: there is no {missing} at {}: {remedy}", path.display())]
    Missing {
        /// The set.
        name: &'static str,
        /// The file.
        missing: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// What to do.
        remedy: String,
    },
    /// Images are not those that a manifest describes.
    #[error(
        "the images are not those of {name}: {what} is {given} where the manifest has {expected}; use the files named by \
         `data info {name}`, or import others under a `--label`"
    )]
    OtherImages {
        /// The set.
        name: &'static str,
        /// What differs.
        what: String,
        /// What the images show.
        given: f64,
        /// What the manifest has.
        expected: f64,
    },
    /// The name of no set.
    #[error("unknown image set `{given}`: accepted are {accepted}")]
    Unknown {
        /// The name given.
        given: String,
        /// The names there are.
        accepted: String,
    },
}

impl ImageError {
    /// Adds to what is wrong the file that it is wrong with.
    pub(super) fn file(path: &Path) -> impl Fn(String) -> Self {
        let path = path.to_path_buf();
        move |reason| Self::File {
            path: path.clone(),
            reason,
        }
    }
}
