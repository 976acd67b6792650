//! A density read from a picture.

use std::{io::Cursor, path::Path};

use image::{DynamicImage, ImageReader, Limits};
use rand::Rng;
use thiserror::Error;

use super::sample_points;
use crate::{DataError, Matrix, fs};

/// Pictures beyond this many pixels a side, or needing more than half a gigabyte, are refused before they are decoded.
const MAX_SIDE: u32 = 16_384;
const MAX_DECODED_BYTES: u64 = 1 << 29;

/// Why a picture cannot serve as a density.
///
/// ```
/// use ffjord_data::toy::{ImageDensity, ImageDensityError, Ink};
/// let refused = ImageDensity::decode(b"no picture", Ink::Dark).unwrap_err();
/// assert!(matches!(refused, ImageDensityError::Unreadable { .. }));
/// assert!(refused.to_string().contains("give a PNG or JPEG"));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageDensityError {
    /// The bytes are no picture in a known format, are damaged, or the picture is too large.
    #[error("the picture cannot be read: {source}; give a PNG or JPEG of at most {MAX_SIDE} pixels a side")]
    Unreadable {
        /// The decoder's reason.
        source: image::ImageError,
    },
    /// No pixel has any weight.
    #[error("the picture has no {ink} pixel, so there is no density in it: choose the other ink or another picture")]
    NoInk {
        /// The ink that was looked for.
        ink: Ink,
    },
}

/// Which pixels of a picture carry probability.
///
/// ```
/// use ffjord_data::toy::{ImageDensity, ImageDensityError, Ink};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("white.png");
/// image::GrayImage::from_pixel(4, 2, image::Luma([255])).save(&path)?;
/// let picture = std::fs::read(&path)?;
/// // A white sheet has no dark pixel, and is twice as wide as high.
/// assert!(matches!(ImageDensity::decode(&picture, Ink::Dark), Err(ImageDensityError::NoInk { ink: Ink::Dark })));
/// assert_eq!(ImageDensity::decode(&picture, Ink::Light)?.extent(), [4.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Ink {
    /// Dark ones, as in a drawing on white paper: the weight is white minus brightness.
    #[default]
    Dark,
    /// Bright ones, as in a photograph of the night sky: the weight is the brightness.
    Light,
}

impl std::fmt::Display for Ink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dark => "dark",
            Self::Light => "light",
        })
    }
}

/// The density that is constant on every pixel of a picture and proportional to its ink; transparent pixels have none.
///
/// The longer side of the picture spans [−4, 4], the shorter one less in proportion, both centred at 0; up is up.
///
/// ```
/// # use ffjord_data::toy::{ImageDensity, Ink};
/// # use rand::SeedableRng;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("dot.png");
/// # image::GrayImage::from_fn(9, 9, |x, y| image::Luma([if (x, y) == (4, 4) { 0 } else { 255 }])).save(&path)?;
/// let density = ImageDensity::open(&path, Ink::Dark)?;
/// let points = density.sample(1000, &mut rand_chacha::ChaCha8Rng::seed_from_u64(0));
/// // The one black pixel of nine by nine is in the middle and 8/9 wide.
/// assert!(points.as_slice().iter().all(|coordinate| coordinate.abs() <= 4.0 / 9.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageDensity {
    /// Running sums of the pixels' weights, row by row from the top left. Integers, so that sampling is exact.
    cumulative: Vec<u64>,
    width: u32,
    height: u32,
}

impl ImageDensity {
    /// Reads a PNG or JPEG file.
    ///
    /// # Errors
    /// [`DataError::Io`] for a file that cannot be read, else the errors of [`decode`](Self::decode).
    pub fn open(path: impl AsRef<Path>, ink: Ink) -> Result<Self, DataError> {
        Ok(Self::decode(&fs::read(path.as_ref())?, ink)?)
    }

    /// Reads a PNG or JPEG picture from memory.
    ///
    /// # Errors
    /// [`ImageDensityError::Unreadable`] for bytes that are no picture, [`ImageDensityError::NoInk`] for one without
    /// any weight.
    pub fn decode(bytes: &[u8], ink: Ink) -> Result<Self, ImageDensityError> {
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_DECODED_BYTES);
        let unreadable = |source| ImageDensityError::Unreadable { source };
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|error| unreadable(error.into()))?;
        reader.limits(limits);
        Self::new(&reader.decode().map_err(unreadable)?, ink)
    }

    fn new(picture: &DynamicImage, ink: Ink) -> Result<Self, ImageDensityError> {
        let pixels = picture.to_luma_alpha16();
        let mut total = 0;
        let cumulative = pixels
            .pixels()
            .map(|pixel| {
                let [brightness, opacity] = pixel.0;
                let weight = match ink {
                    Ink::Dark => u16::MAX - brightness,
                    Ink::Light => brightness,
                };
                total += u64::from(weight) * u64::from(opacity);
                total
            })
            .collect();
        if total == 0 {
            return Err(ImageDensityError::NoInk { ink });
        }
        Ok(Self {
            cumulative,
            width: pixels.width(),
            height: pixels.height(),
        })
    }

    /// The half-widths (x, y) of the picture in the plane; the larger one is 4.
    pub fn extent(&self) -> [f64; 2] {
        let pixel = self.half_pixel();
        [f64::from(self.width) * pixel, f64::from(self.height) * pixel]
    }

    /// Draws `n` independent points, `[n, 2]`: a pixel by its weight, then a uniform place inside it.
    pub fn sample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Matrix<f32> {
        sample_points(n, || self.point(rng))
    }

    fn point<R: Rng + ?Sized>(&self, rng: &mut R) -> [f64; 2] {
        let total = self.cumulative.last().copied().unwrap_or_default();
        let drawn = rng.random_range(0..total);
        // The first pixel whose running sum exceeds the draw: one without weight is never it.
        let pixel = self.cumulative.partition_point(|sum| *sum <= drawn);
        let (row, column) = (pixel / self.width as usize, pixel % self.width as usize);
        let [right, top] = self.extent();
        let side = 2.0 * self.half_pixel();
        [
            side * (column as f64 + rng.random::<f64>()) - right,
            top - side * (row as f64 + rng.random::<f64>()),
        ]
    }

    fn half_pixel(&self) -> f64 {
        4.0 / f64::from(self.width.max(self.height))
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, ImageFormat, Luma, LumaA};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn png(picture: &DynamicImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    /// Twice as wide as high; the brightness of the left, top right and bottom right part is given.
    fn three_parts(left: u8, top_right: u8, bottom_right: u8) -> Vec<u8> {
        let picture = GrayImage::from_fn(20, 10, |x, y| {
            Luma([match (x < 10, y < 5) {
                (true, _) => left,
                (false, true) => top_right,
                (false, false) => bottom_right,
            }])
        });
        png(&picture.into())
    }

    #[test]
    fn brightness_is_density_and_up_is_up() {
        let density = ImageDensity::decode(&three_parts(0, 200, 100), Ink::Light).unwrap();
        assert_eq!(density.extent(), [4.0, 2.0]);
        let points = density.sample(30_000, &mut ChaCha8Rng::seed_from_u64(1));
        assert!(
            points
                .iter_rows()
                .all(|p| (0.0..=4.0).contains(&p[0]) && p[1].abs() <= 2.0)
        );
        let above = points.iter_rows().filter(|p| p[1] > 0.0).count() as f64 / 30_000.0;
        // Two thirds, with a standard deviation of 0.0027.
        assert!((above - 2.0 / 3.0).abs() < 0.014, "{above}");
        // Uniform inside: the x variance is that of a width of 4.
        assert!((points.column_stds()[0] - 4.0 / 12_f64.sqrt()).abs() < 0.02);
    }

    #[test]
    fn dark_ink_and_transparency() {
        let density = ImageDensity::decode(&three_parts(0, 255, 255), Ink::Dark).unwrap();
        let points = density.sample(1000, &mut ChaCha8Rng::seed_from_u64(2));
        assert!(points.iter_rows().all(|p| p[0] <= 0.0));
        let transparent = image::GrayAlphaImage::from_fn(2, 1, |x, _| LumaA([0, if x == 0 { 0 } else { 255 }]));
        let density = ImageDensity::decode(&png(&transparent.into()), Ink::Dark).unwrap();
        let points = density.sample(1000, &mut ChaCha8Rng::seed_from_u64(3));
        assert!(points.iter_rows().all(|p| p[0] >= 0.0));
    }

    #[test]
    fn pictures_without_ink_and_no_pictures_are_errors() {
        let black = three_parts(0, 0, 0);
        assert!(matches!(
            ImageDensity::decode(&black, Ink::Light),
            Err(ImageDensityError::NoInk { ink: Ink::Light })
        ));
        assert!(ImageDensity::decode(&black, Ink::Dark).is_ok());
        for bytes in [&b""[..], b"not a picture", &black[..black.len() / 2], &black[..20]] {
            assert!(matches!(
                ImageDensity::decode(bytes, Ink::Dark),
                Err(ImageDensityError::Unreadable { .. })
            ));
        }
    }

    #[test]
    fn a_claimed_size_is_refused_before_it_is_allocated() {
        let mut bytes = three_parts(0, 0, 0);
        // The width in the IHDR chunk; its checksum is then wrong too, either is reason enough.
        bytes[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(ImageDensity::decode(&bytes, Ink::Dark).is_err());
    }
}
