//! One convolution, in one direction, as products of rows with a packed kernel.

use super::patches::Grid;
use super::windows::Windows;
use super::winograd::Taps;
use crate::Real;
use crate::linalg::{PackedMatrix, Rows, RowsMut, multiply};
use crate::simd::SimdLevel;
use std::ops::Range;

/// How the image that is read becomes the image that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Each written pixel is a product of the patch it sees: reads the fine image, writes the coarse one.
    Gather,
    /// Each read pixel is multiplied into a patch, and the patches are summed: reads coarse, writes fine.
    Scatter,
    /// As gathering, in Winograd's terms of tiles.
    Winograd(Taps),
}

impl Method {
    /// Channels of the image that patches are made of.
    pub(super) fn patch_channels(self, source: usize, target: usize) -> usize {
        match self {
            Self::Gather | Self::Winograd(_) => source,
            Self::Scatter => target,
        }
    }

    /// The numbers of the buffer that convolutions between so many channels need.
    pub(super) fn buffer_numbers<T>(self, grid: Grid, source: usize, target: usize) -> usize {
        match self {
            Self::Winograd(taps) => taps.buffer_numbers::<T>(source, target),
            Self::Scatter => patch_numbers::<T>(grid, target),
            Self::Gather => Windows::buffer_of(grid, source).max(patch_numbers::<T>(grid, source)),
        }
    }
}

/// A linear map of images `[H, W, source]` → `[H', W', target]`.
#[derive(Clone, Debug)]
pub(super) struct ImageOperator<T: Real> {
    pub(super) method: Method,
    grid: Grid,
    source: usize,
    target: usize,
    /// `[k² source, target]` to gather, `[source, k² target]` to scatter, `[source, target]` for each of Winograd's terms.
    matrices: Vec<PackedMatrix<T>>,
    /// How gathering does without patches, where it does.
    windows: Option<Windows>,
}

/// Bytes of patches that are made at a time: they stay in the second-level cache beside the packed kernel.
const PATCH_BYTES: usize = 128 << 10;

/// As many coarse lines at a time as keep their patches of `channels` channels in the cache; at least one.
pub(super) fn line_tiles<T>(grid: Grid, channels: usize) -> impl Iterator<Item = Range<usize>> {
    let lines = lines_at_a_time::<T>(grid, channels);
    let height = grid.coarse.0;
    (0..height)
        .step_by(lines)
        .map(move |first| first..height.min(first + lines))
}

/// As many images at a time as keep their patches in the cache; at least one.
pub(super) fn images_at_a_time<T>(grid: Grid, channels: usize) -> usize {
    let image = grid.coarse.0 * grid.coarse.1 * grid.taps() * channels * size_of::<T>();
    (PATCH_BYTES / image).max(1)
}

/// The numbers of the patches of [`line_tiles`], or of [`images_at_a_time`] where whole images fit.
pub(super) fn patch_numbers<T>(grid: Grid, channels: usize) -> usize {
    let lines = lines_at_a_time::<T>(grid, channels) * images_at_a_time::<T>(grid, channels);
    lines * grid.coarse.1 * grid.taps() * channels
}

fn lines_at_a_time<T>(grid: Grid, channels: usize) -> usize {
    let line = grid.coarse.1 * grid.taps() * channels * size_of::<T>();
    (PATCH_BYTES / line).clamp(1, grid.coarse.0)
}

impl<T: Real> ImageOperator<T> {
    pub(super) fn zeros(level: SimdLevel, method: Method, grid: Grid, source: usize, target: usize) -> Self {
        let (count, depth, columns) = match method {
            Method::Gather => (1, grid.taps() * source, target),
            Method::Scatter => (1, source, grid.taps() * target),
            Method::Winograd(taps) => (taps.terms(), source, target),
        };
        let matrix = PackedMatrix::zeros(level, depth, columns);
        Self {
            windows: match method {
                Method::Gather => Windows::of_product(grid, source, &matrix),
                _ => None,
            },
            method,
            grid,
            source,
            target,
            matrices: vec![matrix; count],
        }
    }

    /// Sets the kernel, `entry(source channel, target channel, tap)`.
    pub(super) fn fill_with(&mut self, entry: impl Fn(usize, usize, usize) -> T) {
        let (source, target) = (self.source, self.target);
        match self.method {
            Method::Gather => self.matrices[0].fill_with(|k, n| entry(k % source, n, k / source)),
            Method::Scatter => self.matrices[0].fill_with(|k, n| entry(k, n % target, n / target)),
            Method::Winograd(taps) => taps.fill_with(&mut self.matrices, entry),
        }
    }

    /// As many images as are best given together.
    pub(super) fn images_at_a_time(&self) -> usize {
        if let Method::Winograd(taps) = self.method {
            return taps.images_at_a_time::<T>(self.grid.fine, self.source.max(self.target));
        }
        if let Some(windows) = self.windows {
            return windows.together();
        }
        images_at_a_time::<T>(self.grid, self.method.patch_channels(self.source, self.target))
    }

    /// The numbers of the buffer that [`apply`](Self::apply) needs.
    pub(super) fn buffer_numbers(&self) -> usize {
        self.method.buffer_numbers::<T>(self.grid, self.source, self.target)
    }

    /// Writes the image of every image in `from`.
    pub(super) fn apply(&self, level: SimdLevel, from: &[T], to: &mut [T], patches: &mut [T]) {
        if let Method::Winograd(taps) = self.method {
            let shape = (self.grid.fine, self.source, self.target);
            return taps.convolve(level, shape, &self.matrices, from, (to, patches));
        }
        if self.grid.is_one_patch() {
            let patch = self.grid.taps() * self.method.patch_channels(self.source, self.target);
            let (read, written) = match self.method {
                Method::Scatter => (self.source, patch),
                _ => (patch, self.target),
            };
            let (from, to) = (
                Rows {
                    data: from,
                    stride: read,
                },
                RowsMut {
                    data: to,
                    stride: written,
                },
            );
            return multiply(level, from, &self.matrices[0], &[], to);
        }
        if let Some(windows) = self.windows {
            return windows.convolve(level, &self.matrices[0], from, patches, to);
        }
        let size = |(height, width): (usize, usize)| height * width;
        let (coarse, fine) = (size(self.grid.coarse), size(self.grid.fine));
        let (read, written) = match self.method {
            Method::Gather | Method::Winograd(_) => (fine * self.source, coarse * self.target),
            Method::Scatter => (coarse * self.source, fine * self.target),
        };
        let together = self.images_at_a_time();
        let images = from.chunks(together * read).zip(to.chunks_mut(together * written));
        for (from, to) in images {
            match together {
                1 => self.apply_to_image(level, from, to, patches),
                _ => self.apply_to_images(level, (from, read), (to, written), patches),
            }
        }
    }

    /// Several whole images in one product.
    fn apply_to_images(
        &self,
        level: SimdLevel,
        (from, read): (&[T], usize),
        (to, written): (&mut [T], usize),
        patches: &mut [T],
    ) {
        let (lines, pixels) = (self.grid.coarse.0, self.grid.coarse.0 * self.grid.coarse.1);
        let row = self.grid.taps() * self.method.patch_channels(self.source, self.target);
        let patches = &mut patches[..from.len() / read * pixels * row];
        let stride = row;
        match self.method {
            Method::Gather | Method::Winograd(_) => {
                for (from, patches) in from.chunks_exact(read).zip(patches.chunks_exact_mut(pixels * row)) {
                    self.grid.gather(0..lines, self.source, from, patches);
                }
                let (data, columns) = (&*patches, self.target);
                let written = RowsMut {
                    data: to,
                    stride: columns,
                };
                multiply(level, Rows { data, stride }, &self.matrices[0], &[], written);
            }
            Method::Scatter => {
                let (data, columns) = (&mut *patches, self.source);
                let read = Rows {
                    data: from,
                    stride: columns,
                };
                multiply(level, read, &self.matrices[0], &[], RowsMut { data, stride });
                to.fill(T::ZERO);
                for (to, patches) in to.chunks_exact_mut(written).zip(patches.chunks_exact(pixels * row)) {
                    self.grid.scatter(level, 0..lines, self.target, patches, to);
                }
            }
        }
    }

    fn apply_to_image(&self, level: SimdLevel, from: &[T], to: &mut [T], patches: &mut [T]) {
        if self.method == Method::Scatter {
            to.fill(T::ZERO);
        }
        let channels = self.method.patch_channels(self.source, self.target);
        let row = self.grid.taps() * channels;
        for lines in line_tiles::<T>(self.grid, channels) {
            let pixels = lines.start * self.grid.coarse.1..lines.end * self.grid.coarse.1;
            let patches = &mut patches[..pixels.len() * row];
            match self.method {
                Method::Gather | Method::Winograd(_) => {
                    self.grid.gather(lines, self.source, from, patches);
                    let a = Rows {
                        data: &*patches,
                        stride: row,
                    };
                    let c = RowsMut {
                        data: &mut to[pixels.start * self.target..pixels.end * self.target],
                        stride: self.target,
                    };
                    multiply(level, a, &self.matrices[0], &[], c);
                }
                Method::Scatter => {
                    let a = Rows {
                        data: &from[pixels.start * self.source..pixels.end * self.source],
                        stride: self.source,
                    };
                    let c = RowsMut {
                        data: &mut *patches,
                        stride: row,
                    };
                    multiply(level, a, &self.matrices[0], &[], c);
                    self.grid.scatter(level, lines, self.target, patches, to);
                }
            }
        }
    }
}
