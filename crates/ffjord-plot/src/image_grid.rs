//! Small images side by side.

use crate::{Figure, PlotError};
use image::{Rgb, RgbImage};

/// A side of an image is shown with at least this many pixels.
const SHOWN: usize = 56;
/// Pixels between images.
const GAP: usize = 4;
const BETWEEN: [u8; 3] = [255; 3];

/// What the images look like, and how they are arranged.
///
/// ```
/// use ffjord_plot::{ImageGrid, image_grid};
/// let images = [0.5; 3 * 4];
/// let below = image_grid(&images, ImageGrid { shape: [1, 2, 2], across: 1 })?;
/// let beside = image_grid(&images, ImageGrid { shape: [1, 2, 2], across: 3 })?;
/// assert_eq!((below.width(), below.height()), (beside.height(), beside.width()));
/// // Three numbers are no image of two channels.
/// assert!(image_grid(&images[..3], ImageGrid { shape: [2, 1, 1], across: 1 }).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageGrid {
    /// Channels (1 for grey, 3 for red, green and blue), height and width.
    pub shape: [usize; 3],
    /// Images in a row.
    pub across: usize,
}

/// Images `[N, C, H, W]` with numbers from 0 (dark) to 1 in rows; numbers beyond are cut off, and what is no number is
/// shown as 0 and counted.
///
/// ```
/// use ffjord_plot::{ImageGrid, image_grid};
///
/// let images = [0.0, 1.0, 1.0, 0.0, 0.5, 0.5, 0.5, 0.5];
/// let figure = image_grid(&images, ImageGrid { shape: [1, 2, 2], across: 2 })?;
/// assert_eq!(figure.pixel(4, 4), Some([0, 0, 0]));
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
///
/// # Errors
/// [`PlotError::Images`] unless the numbers are whole images of one or three channels.
pub fn image_grid(images: &[f32], grid: ImageGrid) -> Result<Figure, PlotError> {
    let [channels, height, width] = grid.shape;
    let numbers = channels * height * width;
    let whole = numbers > 0 && !images.is_empty() && images.len().is_multiple_of(numbers);
    if !whole || ![1, 3].contains(&channels) || grid.across == 0 {
        return Err(PlotError::Images {
            numbers: images.len(),
            shape: grid.shape,
        });
    }
    let count = images.len() / numbers;
    let (across, down) = (grid.across.min(count), count.div_ceil(grid.across));
    let scale = SHOWN.div_ceil(height.max(width));
    let (cell_width, cell_height) = (scale * width + GAP, scale * height + GAP);
    let size = |cells: usize, cell: usize| (cells * cell + GAP) as u32;
    let mut picture = RgbImage::from_pixel(size(across, cell_width), size(down, cell_height), Rgb(BETWEEN));
    for (index, image) in images.chunks_exact(numbers).enumerate() {
        let (left, top) = (
            GAP + index % grid.across * cell_width,
            GAP + index / grid.across * cell_height,
        );
        for (row, column) in (0..scale * height).flat_map(|row| (0..scale * width).map(move |column| (row, column))) {
            let at = row / scale * width + column / scale;
            let level = |channel: usize| {
                let value = image[(channel % channels) * height * width + at];
                (value.clamp(0.0, 1.0) * 255.0).round() as u8
            };
            let (x, y) = ((left + column) as u32, (top + row) as u32);
            picture.put_pixel(x, y, Rgb([level(0), level(1), level(2)]));
        }
    }
    let skipped = images.iter().filter(|value| value.is_nan()).count();
    Ok(Figure::new(picture, skipped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_places_are_those_of_the_images() -> Result<(), PlotError> {
        let grid = ImageGrid {
            shape: [3, 1, 1],
            across: 2,
        };
        let figure = image_grid(&[1.0, 0.0, 0.0, 0.0, 2.0, 0.0, f32::NAN, 0.0, 1.0], grid)?;
        assert_eq!((figure.width(), figure.height(), figure.skipped()), (124, 124, 1));
        assert_eq!(figure.pixel(4, 4), Some([255, 0, 0]));
        assert_eq!(figure.pixel(64, 59), Some([0, 255, 0]));
        assert_eq!(figure.pixel(4, 64), Some([0, 0, 255]));
        assert_eq!(figure.pixel(64, 64), Some([255; 3]));
        for (numbers, shape) in [(3, [2, 1, 1]), (4, [3, 1, 1]), (0, [1, 1, 1])] {
            assert!(image_grid(&vec![0.0; numbers], ImageGrid { shape, across: 2 }).is_err());
        }
        Ok(())
    }
}
