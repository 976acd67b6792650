//! A finished picture.

use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, RgbImage};

use crate::PlotError;

/// A finished picture: RGB pixels and the number of input values that had no place in it.
///
/// ```
/// use ffjord_plot::{Grid, PanelOptions, Window, density_map};
///
/// let grid = Grid::from_fn(Window::square(3.0)?, 40, 40, |x, y| (-0.5 * (x * x + y * y)).exp() as f32)?;
/// let figure = density_map(&grid, &PanelOptions::default())?;
/// let png = figure.to_png()?;
/// assert!(png.starts_with(b"\x89PNG"));
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
///
/// Its pixels, and its file:
///
/// ```
/// use ffjord_plot::{ImageGrid, image_grid};
/// # let folder = tempfile::tempdir()?;
/// let figure = image_grid(&[0.0, 1.0, f32::NAN, 1.0], ImageGrid { shape: [1, 2, 2], across: 1 })?;
/// assert_eq!((figure.width(), figure.skipped()), (figure.height(), 1));
/// assert_eq!(figure.pixel(figure.width(), 0), None);
/// let path = folder.path().join("image.png");
/// figure.save(&path)?;
/// assert_eq!(std::fs::read(&path)?, figure.to_png()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    image: RgbImage,
    skipped: usize,
}

impl Figure {
    pub(crate) fn new(image: RgbImage, skipped: usize) -> Self {
        Self { image, skipped }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.image.width()
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.image.height()
    }

    /// The red, green and blue values of the pixel in column `x` from the left and row `y` from the top, if there is
    /// one.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        self.image.get_pixel_checked(x, y).map(|pixel| pixel.0)
    }

    /// How many points or cells were left out because they are NaN or infinite (on a logarithmic axis: or not
    /// positive).
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The picture as the bytes of a PNG file; equal figures give equal bytes.
    ///
    /// # Errors
    /// [`PlotError::Png`] if the encoder fails.
    pub fn to_png(&self) -> Result<Vec<u8>, PlotError> {
        let mut bytes = Cursor::new(Vec::new());
        self.image.write_to(&mut bytes, ImageFormat::Png)?;
        Ok(bytes.into_inner())
    }

    /// Writes the picture to `path` as PNG, whatever the name ends in; a reader sees the old file or the whole new one.
    ///
    /// # Errors
    /// [`PlotError::File`] if the folder does not exist or cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        Ok(ffjord_files::write_atomic(path, self.to_png()?)?)
    }

    pub(crate) fn into_image(self) -> RgbImage {
        self.image
    }
}
