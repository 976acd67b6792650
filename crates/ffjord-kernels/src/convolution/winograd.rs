//! 3×3 convolutions of stride 1 and padding 1 by Winograd's transform: 16 products of tiles with transformed kernels.
//!
//! They take 4 multiplications a pixel and pair of channels instead of 9. All entries of the images' transforms are 0, 1
//! and −1 and those of the kernel's 0, 1 and ±½, so that little accuracy is lost.

use super::tiles::{Selection, TERMS, Tiles, taps_of_terms, terms_of_kernel};
use crate::Real;
use crate::linalg::{PackedMatrix, Rows, RowsMut, accumulate_outer, multiply};
use crate::simd::{Isa, Kernel, SimdLevel};

/// With fewer channels on either side the transforms take longer than the products that they save.
const LEAST_CHANNELS: usize = 16;

/// Bytes of the terms of one side that are made at a time: with those of the other side and the kernels they stay in the
/// second-level cache.
const TERM_BYTES: usize = 192 << 10;

/// Whether a 3×3 convolution between so many channels is done in this way.
pub(super) fn suits(inputs: usize, outputs: usize) -> bool {
    inputs.min(outputs) >= LEAST_CHANNELS
}

/// As many tiles at a time as keep their terms of so many channels in the cache; whole register tiles of rows.
pub(super) fn tiles_at_a_time<T>(channels: usize) -> usize {
    /// A multiple of all heights of register tiles.
    const ROWS: usize = 24;
    (TERM_BYTES / (TERMS * channels * size_of::<T>()) / ROWS).max(1) * ROWS
}

/// As many images as have tiles to be transformed at a time; at least one.
pub(super) fn images_at_a_time<T>(size: (usize, usize), channels: usize) -> usize {
    tiles_at_a_time::<T>(channels).div_ceil(Tiles { size }.count())
}

/// Numbers from one term to the next: a cache line more than there are, since terms that lie whole pages apart would
/// share the same few lines of the first-level cache.
fn stride<T>(tiles: usize, channels: usize) -> usize {
    tiles * channels + 64 / size_of::<T>()
}

/// The numbers of the buffer for the terms of both sides and a pixel of zeros.
pub(super) fn buffer_numbers<T>(inputs: usize, outputs: usize) -> usize {
    let widest = inputs.max(outputs);
    let tiles = tiles_at_a_time::<T>(widest);
    TERMS * (stride::<T>(tiles, inputs) + stride::<T>(tiles, outputs)) + widest
}

/// Tiles of images and of their convolutions, some at a time, with a buffer for their terms.
struct Walk<'a, T> {
    tiles: Tiles,
    channels: [usize; 2],
    at_a_time: usize,
    terms: [&'a mut [T]; 2],
    zeros: &'a [T],
}

impl<'a, T: Real> Walk<'a, T> {
    fn new(size: (usize, usize), channels: [usize; 2], buffer: &'a mut [T]) -> Self {
        let [first, second] = channels;
        let widest = first.max(second);
        let at_a_time = tiles_at_a_time::<T>(widest);
        let (terms, rest) = buffer.split_at_mut(TERMS * stride::<T>(at_a_time, first));
        let (more_terms, rest) = rest.split_at_mut(TERMS * stride::<T>(at_a_time, second));
        let zeros = &mut rest[..widest];
        zeros.fill(T::ZERO);
        Self {
            tiles: Tiles { size },
            channels,
            at_a_time,
            terms: [terms, more_terms],
            zeros,
        }
    }

    /// Calls `visit(this, [selection of the first side, of the second])` until all tiles of so many numbers of the first
    /// side have been visited.
    fn for_each(&mut self, numbers: usize, mut visit: impl FnMut(&mut Self, [Selection; 2])) {
        let (height, width) = self.tiles.size;
        let total = numbers / (height * width * self.channels[0]) * self.tiles.count();
        for start in (0..total).step_by(self.at_a_time) {
            let range = start..total.min(start + self.at_a_time);
            let selections = self.channels.map(|channels| Selection {
                tiles: self.tiles,
                range: range.clone(),
                channels,
                stride: stride::<T>(self.at_a_time, channels),
            });
            visit(self, selections);
        }
    }
}

/// The part of one term of some tiles.
fn rows(selection: &Selection, term: usize) -> std::ops::Range<usize> {
    let start = term * selection.stride;
    start..start + selection.range.len() * selection.channels
}

/// Sets the terms of every kernel, `entry(source channel, target channel, tap)`.
pub(super) fn fill_with<T: Real>(matrices: &mut [PackedMatrix<T>], entry: impl Fn(usize, usize, usize) -> T) {
    PackedMatrix::fill_together(matrices, |source, target| {
        terms_of_kernel(|tap| entry(source, target, tap))
    });
}

/// Writes the convolution of images `[…, H, W, source]`.
pub(super) fn convolve<T: Real>(
    level: SimdLevel,
    (size, source, target): ((usize, usize), usize, usize),
    matrices: &[PackedMatrix<T>],
    from: &[T],
    (to, buffer): (&mut [T], &mut [T]),
) {
    let mut walk = Walk::new(size, [source, target], buffer);
    walk.for_each(from.len(), |walk, [before, behind]| {
        let [terms, products] = &mut walk.terms;
        before.clone().spread(level, from, &walk.zeros[..source], terms);
        for (term, matrix) in matrices.iter().enumerate() {
            let a = Rows {
                data: &terms[rows(&before, term)],
                stride: source,
            };
            let c = RowsMut {
                data: &mut products[rows(&behind, term)],
                stride: target,
            };
            multiply(level, a, matrix, &[], c);
        }
        behind.collect(level, products, to);
    });
}

/// The numbers of a gradient as it is summed.
pub(super) fn sum_numbers(inputs: usize, outputs: usize) -> usize {
    TERMS * inputs * outputs
}

/// Adds to `sum`, matrices `[outputs, inputs]`, the gradient of the kernels' terms that images `x` `[…, H, W, inputs]` and
/// cotangents `g` `[…, H, W, outputs]` give.
pub(super) fn accumulate<T: Real>(
    level: SimdLevel,
    (size, inputs, outputs): ((usize, usize), usize, usize),
    (x, g): (&[T], &[T]),
    buffer: &mut [T],
    sum: &mut [T],
) {
    let mut walk = Walk::new(size, [inputs, outputs], buffer);
    walk.for_each(x.len(), |walk, [before, behind]| {
        let [terms, cotangents] = &mut walk.terms;
        before.clone().spread(level, x, &walk.zeros[..inputs], terms);
        behind
            .clone()
            .return_to_terms(level, g, &walk.zeros[..outputs], cotangents);
        for (term, sum) in sum.chunks_exact_mut(inputs * outputs).enumerate() {
            let cotangents = Rows {
                data: &cotangents[rows(&behind, term)],
                stride: outputs,
            };
            let terms = Rows {
                data: &terms[rows(&before, term)],
                stride: inputs,
            };
            let sum = RowsMut {
                data: sum,
                stride: inputs,
            };
            accumulate_outer(level, (outputs, inputs), cotangents, terms, sum);
        }
    });
}

/// Writes the gradient of kernels `[outputs, inputs, 3, 3]`, given that of their terms.
pub(super) fn unpack<T: Real>(level: SimdLevel, sum: &[T], kernel: &mut [T]) {
    level.dispatch(Unpack { sum, kernel });
}

struct Unpack<'a, T> {
    sum: &'a [T],
    kernel: &'a mut [T],
}

impl<T: Real> Kernel for Unpack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        const LANES: usize = 8;
        let kernels = self.sum.len() / TERMS;
        let whole = kernels / LANES * LANES;
        let (vectors, rest) = self.kernel.split_at_mut(whole * 9);
        for (index, to) in vectors.chunks_exact_mut(LANES * 9).enumerate() {
            let taps = taps_of_terms::<T, LANES>(self.sum, index * LANES, kernels);
            for (lane, to) in to.as_chunks_mut::<9>().0.iter_mut().enumerate() {
                for (to, tap) in to.iter_mut().zip(&taps) {
                    *to = tap[lane];
                }
            }
        }
        for (index, to) in (whole..kernels).zip(rest.as_chunks_mut::<9>().0) {
            let taps = taps_of_terms::<T, 1>(self.sum, index, kernels);
            for (to, [tap]) in to.iter_mut().zip(taps) {
                *to = tap;
            }
        }
    }
}
