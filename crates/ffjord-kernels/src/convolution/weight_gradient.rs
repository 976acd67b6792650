//! The gradient of a kernel: the sum over images of pixels times the patches that meet them, or the same in Winograd's
//! terms.

use super::Stride;
use super::architecture::ConvShape;
use super::operator::{line_tiles, patch_numbers};
use super::windows::Windows;
use crate::Real;
use crate::linalg::{Rows, RowsMut, accumulate_outer};
use crate::simd::SimdLevel;

/// Where the patches have fewer numbers than this, the sum is transposed, in longer rows.
const FEW_COLUMNS: usize = 16;

/// Which image is cut into patches, and how the sum is stored.
#[derive(Clone, Copy)]
pub(super) struct WeightGradient {
    shape: ConvShape,
    /// Whether patches are cut from the output's cotangent, not from the input.
    of_output: bool,
}

impl WeightGradient {
    /// Patches are cut from the fine image; with equal sizes from the one with fewer channels.
    pub(super) fn new(shape: ConvShape) -> Self {
        let of_output = match shape.stride {
            Stride::Keep => shape.outputs < shape.inputs,
            Stride::Halve => false,
            Stride::Double => true,
        };
        Self { shape, of_output }
    }

    /// Channels of the image of pixels and of the image of patches.
    fn channels(self) -> (usize, usize) {
        let ConvShape { inputs, outputs, .. } = self.shape;
        if self.of_output {
            (inputs, outputs)
        } else {
            (outputs, inputs)
        }
    }

    fn is_transposed(self) -> bool {
        let (pixels, patches) = self.channels();
        patches * self.shape.taps() < FEW_COLUMNS && pixels > patches
    }

    /// The numbers of the sum.
    pub(super) fn sum_numbers(self) -> usize {
        match self.shape.in_terms() {
            Some(taps) => taps.sum_numbers(self.shape.inputs, self.shape.outputs),
            None => self.shape.weights(),
        }
    }

    /// The numbers of the buffer for patches or tiles.
    pub(super) fn buffer_numbers<T>(self) -> usize {
        if let Some(taps) = self.shape.in_terms() {
            return taps.buffer_numbers::<T>(self.shape.inputs, self.shape.outputs);
        }
        match self.windows() {
            Some(windows) => windows.buffer_numbers(),
            None => patch_numbers::<T>(self.shape.grid(), self.channels().1),
        }
    }

    fn windows(self) -> Option<Windows> {
        let (plain, cut) = self.channels();
        Windows::of_gradient(self.shape.grid(), plain, cut)
    }

    /// Adds to `sum` what the images `x` `[…, H, W, inputs]` and `g` `[…, H', W', outputs]` give.
    pub(super) fn accumulate<T: Real>(self, level: SimdLevel, x: &[T], g: &[T], patches: &mut [T], sum: &mut [T]) {
        if let Some(taps) = self.shape.in_terms() {
            let shape = (self.shape.input, self.shape.inputs, self.shape.outputs);
            return taps.accumulate(level, shape, (x, g), patches, sum);
        }
        if let Some(windows) = self.windows() {
            let (pixels, images) = if self.of_output { (x, g) } else { (g, x) };
            return windows.add_gradient(level, (pixels, self.channels().0), images, patches, sum);
        }
        let (grid, (plain, cut)) = (self.shape.grid(), self.channels());
        let row = grid.taps() * cut;
        let images = x
            .chunks_exact(self.shape.input_len())
            .zip(g.chunks_exact(self.shape.output_len()));
        for (x, g) in images {
            let (pixels, image) = if self.of_output { (x, g) } else { (g, x) };
            for lines in line_tiles::<T>(grid, cut) {
                let span = lines.start * grid.coarse.1..lines.end * grid.coarse.1;
                let patches = &mut patches[..span.len() * row];
                grid.gather(lines, cut, image, patches);
                let pixels = Rows {
                    data: &pixels[span.start * plain..span.end * plain],
                    stride: plain,
                };
                let patches = Rows {
                    data: &*patches,
                    stride: row,
                };
                if self.is_transposed() {
                    let c = RowsMut {
                        data: &mut *sum,
                        stride: plain,
                    };
                    accumulate_outer(level, (row, plain), patches, pixels, c);
                } else {
                    let c = RowsMut {
                        data: &mut *sum,
                        stride: row,
                    };
                    accumulate_outer(level, (plain, row), pixels, patches, c);
                }
            }
        }
    }

    /// Writes the sum as a kernel `[coarse, fine, k, k]`.
    pub(super) fn unpack<T: Real>(self, level: SimdLevel, sum: &[T], kernel: &mut [T]) {
        if let Some(taps) = self.shape.in_terms() {
            return taps.unpack(level, sum, &mut kernel[..self.shape.weights()]);
        }
        let (plain, cut) = self.channels();
        let (taps, (_, fine)) = (self.shape.taps(), self.shape.coarse_and_fine());
        let (pixel_stride, patch_stride) = if self.is_transposed() {
            (1, plain)
        } else {
            (taps * cut, 1)
        };
        // The fine image is the one that was cut, unless a 3×3 convolution was turned round.
        let turned = self.shape.stride == Stride::Keep && self.of_output;
        for (index, to) in kernel[..self.shape.weights()].iter_mut().enumerate() {
            let (coarse, fine, tap) = (index / taps / fine, index / taps % fine, index % taps);
            let (plain, patch) = if turned {
                (fine, (taps - 1 - tap) * cut + coarse)
            } else {
                (coarse, tap * cut + fine)
            };
            *to = sum[plain * pixel_stride + patch * patch_stride];
        }
    }
}
