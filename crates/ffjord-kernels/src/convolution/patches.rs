//! Patches of an image as rows of a matrix, and the sum of such rows back into an image.

use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};
use std::ops::Range;

/// How each pixel (y, x) of a coarse image sees a patch of a fine one, from (s y − p, s x − p) on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Height and width of the coarse image.
    pub(super) coarse: (usize, usize),
    /// Height and width of the fine image.
    pub(super) fine: (usize, usize),
    /// Height and width of a patch.
    pub(super) kernel: (usize, usize),
    /// s.
    pub(super) step: usize,
    /// p.
    pub(super) padding: usize,
}

impl Grid {
    pub(super) fn taps(self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    /// Whether a coarse image is one pixel that sees the whole fine one: its patch is the image as it lies.
    pub(super) fn is_one_patch(self) -> bool {
        self.coarse == (1, 1) && self.fine == self.kernel && self.padding == 0
    }

    /// The fine line that coarse line `y` sees through row `tap` of the kernel, if it lies in the image.
    fn line(self, y: usize, tap: usize) -> Option<usize> {
        (y * self.step + tap)
            .checked_sub(self.padding)
            .filter(|&line| line < self.fine.0)
    }

    /// The kernel's columns through which coarse column `x` sees the image, and the fine column of the first of them.
    fn columns(self, x: usize) -> (Range<usize>, usize) {
        let inside = self.inside(x, self.fine.1, self.kernel.1);
        // Nothing of the image is seen where the range is empty.
        let first = (x * self.step + inside.start).saturating_sub(self.padding);
        (inside, first.min(self.fine.1))
    }

    /// The rows or columns of a kernel with so many `taps` through which a coarse one sees a fine image with `length` of
    /// them.
    fn inside(self, coarse: usize, length: usize, taps: usize) -> Range<usize> {
        let start = coarse * self.step;
        let end = taps.min((length + self.padding).saturating_sub(start));
        self.padding.saturating_sub(start).min(end)..end
    }

    /// Calls `visit(coarse pixels, rows, columns)` for all runs of pixels in a line that see the image through the same
    /// rows and columns of the kernel.
    pub(super) fn for_each_run(self, mut visit: impl FnMut(Range<usize>, Range<usize>, Range<usize>)) {
        let (height, width) = self.coarse;
        for y in 0..height {
            let rows = self.inside(y, self.fine.0, self.kernel.0);
            let mut start = 0;
            while start < width {
                let columns = self.inside(start, self.fine.1, self.kernel.1);
                let differs = |&x: &usize| self.inside(x, self.fine.1, self.kernel.1) != columns;
                let end = (start + 1..width).find(differs).unwrap_or(width);
                visit(y * width + start..y * width + end, rows.clone(), columns);
                start = end;
            }
        }
    }

    /// Calls `visit(coarse pixel, fine pixel, tap)` for all pairs of pixels that see each other.
    pub(super) fn for_each_contact(self, mut visit: impl FnMut(usize, usize, usize)) {
        for y in 0..self.coarse.0 {
            for (row, line) in (0..self.kernel.0).filter_map(|row| self.line(y, row).map(|line| (row, line))) {
                for x in 0..self.coarse.1 {
                    let (columns, first) = self.columns(x);
                    for (i, column) in columns.enumerate() {
                        visit(
                            y * self.coarse.1 + x,
                            line * self.fine.1 + first + i,
                            row * self.kernel.1 + column,
                        );
                    }
                }
            }
        }
    }

    /// Writes the patches `[pixels, kernel, channels]` of the coarse `lines` of a fine image `[H, W, channels]`; zeros
    /// outside of it.
    pub(super) fn gather<T: Real>(self, lines: Range<usize>, channels: usize, image: &[T], patches: &mut [T]) {
        let (across, width) = (self.kernel.1 * channels, self.fine.1);
        let pixels = patches.chunks_exact_mut(self.kernel.0 * across);
        let positions = lines.flat_map(|y| (0..self.coarse.1).map(move |x| (y, x)));
        for ((y, x), patch) in positions.zip(pixels) {
            let (columns, first) = self.columns(x);
            let inside = columns.start * channels..columns.end * channels;
            for (row, to) in patch.chunks_exact_mut(across).enumerate() {
                let Some(line) = self.line(y, row) else {
                    to.fill(T::ZERO);
                    continue;
                };
                let from = &image[(line * width + first) * channels..][..inside.len()];
                to[..inside.start].fill(T::ZERO);
                to[inside.clone()].copy_from_slice(from);
                to[inside.end..].fill(T::ZERO);
            }
        }
    }

    /// Adds the patches of the coarse `lines` to a fine image: the adjoint of [`Grid::gather`].
    pub(super) fn scatter<T: Real>(
        self,
        level: SimdLevel,
        lines: Range<usize>,
        channels: usize,
        patches: &[T],
        image: &mut [T],
    ) {
        level.dispatch(Scatter {
            grid: self,
            lines,
            channels,
            patches,
            image,
        });
    }
}

struct Scatter<'a, T> {
    grid: Grid,
    lines: Range<usize>,
    channels: usize,
    patches: &'a [T],
    image: &'a mut [T],
}

impl<T: Real> Kernel for Scatter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self {
            grid,
            lines,
            channels,
            patches,
            image,
        } = self;
        let (across, width) = (grid.kernel.1 * channels, grid.fine.1);
        let positions = lines.flat_map(|y| (0..grid.coarse.1).map(move |x| (y, x)));
        for ((y, x), patch) in positions.zip(patches.chunks_exact(grid.kernel.0 * across)) {
            let (columns, first) = grid.columns(x);
            let inside = columns.start * channels..columns.end * channels;
            for (row, from) in patch.chunks_exact(across).enumerate() {
                let Some(line) = grid.line(y, row) else { continue };
                let to = &mut image[(line * width + first) * channels..][..inside.len()];
                for (to, &from) in to.iter_mut().zip(&from[inside.clone()]) {
                    *to += from;
                }
            }
        }
    }
}
