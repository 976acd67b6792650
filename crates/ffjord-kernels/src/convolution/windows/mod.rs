//! Convolutions without patches: in an image with its border of zeros, what a row of the kernel sees from neighbouring pixels
//! are windows of one line, which need no copies of their own.

mod gradient;
mod product;

use super::patches::Grid;
use crate::Real;

/// Pixels that are treated at a time, of several images where they are small.
const PIXELS: usize = 112;
/// The most numbers that a register tile reads behind the end of a window.
const SLACK: usize = 64;

/// Images `[H, W, channels]` of which the pixels of coarse ones see windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    grid: Grid,
    channels: usize,
}

impl Windows {
    /// Where there is no border, or it costs less than patches: a kernel with fewer pixels than its step skips leaves most of
    /// the image unseen. An image that is a patch itself needs neither.
    fn new(grid: Grid, channels: usize) -> Option<Self> {
        ((grid.padding == 0 || grid.taps() >= grid.step * grid.step) && !grid.is_one_patch())
            .then_some(Self { grid, channels })
    }

    /// The numbers of the buffer for a kernel of any number of channels behind it.
    pub(super) fn buffer_of(grid: Grid, channels: usize) -> usize {
        Self::new(grid, channels).map_or(0, Self::buffer_numbers)
    }

    /// Height and width of an image as far as the kernel sees it, with its border; of the image itself where there is none.
    fn seen(self) -> (usize, usize) {
        let along = |coarse: usize, taps: usize| coarse.saturating_sub(1) * self.grid.step + taps;
        let Grid {
            coarse, kernel, fine, ..
        } = self.grid;
        match self.grid.padding {
            0 => fine,
            _ => (along(coarse.0, kernel.0), along(coarse.1, kernel.1)),
        }
    }

    /// The numbers of a line of an image with its border.
    fn across(self) -> usize {
        self.seen().1 * self.channels
    }

    /// The numbers of an image with its border.
    fn image_numbers(self) -> usize {
        self.seen().0 * self.across()
    }

    /// The numbers of what a row of the kernel sees.
    fn window(self) -> usize {
        self.grid.kernel.1 * self.channels
    }

    /// As many images at a time as make up a block of pixels.
    pub(super) fn together(self) -> usize {
        (PIXELS / (self.grid.coarse.0 * self.grid.coarse.1).max(1)).max(1)
    }

    /// The numbers of the buffer for images with their borders.
    pub(super) fn buffer_numbers(self) -> usize {
        self.together() * self.image_numbers() + SLACK
    }

    /// Where the windows of line `y` of coarse image `image` begin.
    fn line(self, image: usize, y: usize) -> usize {
        image * self.image_numbers() + y * self.grid.step * self.across()
    }

    /// Images with their borders, copied to the buffer; as they lie where they need none, and no tile reads behind a window.
    fn with_borders<'a, T: Real>(self, images: &'a [T], reads_behind: bool, buffer: &'a mut [T]) -> &'a [T] {
        if self.grid.padding == 0 && !reads_behind {
            return images;
        }
        let fine = self.grid.fine.0 * self.grid.fine.1 * self.channels;
        let borders = buffer.chunks_exact_mut(self.image_numbers());
        for (image, to) in images.chunks_exact(fine).zip(borders) {
            self.with_border(image, to);
        }
        let end = self.together() * self.image_numbers();
        buffer[end..end + SLACK].fill(T::ZERO);
        buffer
    }

    fn with_border<T: Real>(self, image: &[T], to: &mut [T]) {
        let Grid { fine, padding, .. } = self.grid;
        let across = self.across();
        let left = (padding * self.channels).min(across);
        let middle = (fine.1 * self.channels).min(across - left);
        for (line, to) in to.chunks_exact_mut(across).enumerate() {
            match line.checked_sub(padding).filter(|&line| line < fine.0) {
                None => to.fill(T::ZERO),
                Some(line) => {
                    to[..left].fill(T::ZERO);
                    to[left..left + middle].copy_from_slice(&image[line * fine.1 * self.channels..][..middle]);
                    to[left + middle..].fill(T::ZERO);
                }
            }
        }
    }
}
