//! Images with whole levels: MNIST and its relatives, CIFAR-10, SVHN, Omniglot, the Frey Faces, silhouettes, handwritten
//! digits that come with the program, and folders of pictures.
//!
//! Pixels stay the bytes that a publisher's file has; a run sees `(k + u) / levels` with u uniform on [0, 1)
//! ([`Images::dequantised`]), whose density bounds the probability of the levels (Theis, van den Oord and Bethge 2016).
//! Sizes that a file claims are held against its length before memory is taken.

mod batches;
mod dataset;
mod error;
#[cfg(feature = "image")]
mod files;
#[cfg(feature = "image")]
mod folder;
mod idx;
mod members;
mod observed;
pub mod store;
mod svhn;

pub use dataset::{FoundImages, ImageSet, ImageSplits};
pub use error::ImageError;
#[cfg(feature = "image")]
pub use files::{ImageRows, is_idx, read_images, write_images};
#[cfg(feature = "image")]
pub use folder::read_folder;

use crate::{DataError, Matrix};
use rand::Rng;
use std::ops::Range;

/// Images `[N, C, H, W]` with levels from 0 on, as bytes.
///
/// ```
/// use ffjord_data::image::Images;
/// use rand::SeedableRng;
///
/// let images = Images::new([1, 2, 2], 256, vec![0, 255, 7, 9])?;
/// let x = images.dequantised(0..1, &mut rand_chacha::ChaCha8Rng::seed_from_u64(0))?;
/// assert!(x.row(0)[1] >= 255.0 / 256.0 && x.row(0)[2] < 8.0 / 256.0);
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
///
/// One image, some of them, and what they are like:
///
/// ```
/// use ffjord_data::Images;
/// let images = Images::new([1, 1, 2], 5, vec![0, 4, 2, 2, 4, 4])?;
/// assert_eq!((images.len(), images.shape(), images.levels(), images.dimension()), (3, [1, 1, 2], 5, 2));
/// assert_eq!((images.get(1), images.get(3)), (Some(&[2, 2][..]), None));
/// assert_eq!(images.slice(1..3)?.get(1), Some(&[4, 4][..]));
/// let (mean, _) = images.slice(0..2)?.channel_moments()[0];
/// assert!((mean - 0.5).abs() < 1e-12);
/// assert!(images.slice(0..4).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    shape: [usize; 3],
    levels: usize,
    pixels: Vec<u8>,
}

impl Images {
    /// Images of `shape` `[C, H, W]` with this many levels.
    ///
    /// # Errors
    /// [`ImageError::Shape`] unless the pixels fill whole images, there are 2 to 256 levels, and no pixel has another.
    pub fn new(shape: [usize; 3], levels: usize, pixels: Vec<u8>) -> Result<Self, DataError> {
        let numbers = shape
            .iter()
            .try_fold(1usize, |numbers, side| numbers.checked_mul(*side));
        let whole = numbers.is_some_and(|numbers| numbers > 0 && pixels.len().is_multiple_of(numbers));
        let known = (2..=256).contains(&levels) && pixels.iter().all(|pixel| usize::from(*pixel) < levels);
        if !(whole && known) {
            return Err(ImageError::Shape {
                shape,
                levels,
                pixels: pixels.len(),
            }
            .into());
        }
        Ok(Self { shape, levels, pixels })
    }

    /// Channels, height and width.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// How many levels a pixel can have.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// The numbers of one image.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pixels.len() / self.dimension()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The levels of an image, channel by channel; none beyond the last.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.pixels.chunks_exact(self.dimension()).nth(index)
    }

    /// A range of the images.
    ///
    /// # Errors
    /// [`DataError::RowOutOfRange`] if it ends beyond the last.
    pub fn slice(&self, range: Range<usize>) -> Result<Self, DataError> {
        let pixels = self.part(&range)?.to_vec();
        Ok(Self { pixels, ..*self })
    }

    fn part(&self, range: &Range<usize>) -> Result<&[u8], DataError> {
        let numbers = self.dimension();
        let part = self
            .pixels
            .get(range.start * numbers..range.end.saturating_mul(numbers));
        part.ok_or(DataError::RowOutOfRange {
            row: range.end,
            rows: self.len(),
        })
    }

    /// A range of the images as rows of `(k + u) / levels`, u drawn for every pixel.
    ///
    /// # Errors
    /// As [`slice`](Self::slice).
    pub fn dequantised(&self, range: Range<usize>, rng: &mut impl Rng) -> Result<Matrix<f32>, DataError> {
        let values = self.part(&range)?.iter().map(|level| self.noisy(*level, rng)).collect();
        Matrix::new(range.len(), self.dimension(), values)
    }

    /// `(k + u) / levels`, below 1 in single precision too.
    fn noisy(&self, level: u8, rng: &mut impl Rng) -> f32 {
        let noise: f64 = rng.random();
        let value = ((f64::from(level) + noise) / self.levels as f64) as f32;
        value.min(1.0 - f32::EPSILON / 2.0)
    }

    /// Mean and population standard deviation of the pixels of every channel, from 0 to 1.
    #[must_use]
    pub fn channel_moments(&self) -> Vec<(f64, f64)> {
        let [channels, height, width] = self.shape;
        let (plane, top) = (height * width, (self.levels - 1) as f64);
        let moments = |channel: usize| {
            // Sums of whole numbers: exact.
            let (mut sum, mut squares) = (0u64, 0u64);
            for plane in self.pixels.chunks_exact(plane).skip(channel).step_by(channels) {
                for &pixel in plane {
                    sum += u64::from(pixel);
                    squares += u64::from(pixel) * u64::from(pixel);
                }
            }
            let count = (self.len() * plane).max(1) as f64;
            let mean = sum as f64 / count;
            let variance = (squares as f64 / count - mean * mean).max(0.0);
            (mean / top, variance.sqrt() / top)
        };
        (0..channels).map(moments).collect()
    }
}
