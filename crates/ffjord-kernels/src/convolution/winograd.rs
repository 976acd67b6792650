//! Convolutions of stride 1 that keep an image's size by Winograd's transform: products of tiles with transformed kernels.
//!
//! Tiles of 2 × 2 pixels take 4 multiplications a pixel and pair of channels instead of 9 with kernels of 3 × 3 taps, and 9
//! instead of 25 with 5 × 5.

use super::tiles::{Selection, Tiles, taps_of_terms, terms_of_kernel};
use super::transform::{FiveTaps, ThreeTaps, Transform};
use crate::Real;
use crate::linalg::{PackedMatrix, Rows, RowsMut, accumulate_outer, multiply};
use crate::simd::{Isa, Kernel, SimdLevel};
use std::marker::PhantomData;

/// With fewer channels on either side, or fewer pairs of them, the transforms take longer than the products that they save from
/// products of windows.
const LEAST_CHANNELS: usize = 32;
const LEAST_PAIRS: usize = 2048;

/// Bytes of the terms of one side that are made at a time: with those of the other side and the kernels they stay in the
/// second-level cache.
const TERM_BYTES: usize = 192 << 10;

/// The kernels that have a transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taps {
    /// 3 × 3.
    Three,
    /// 5 × 5.
    Five,
}

impl Taps {
    /// The transform with which a convolution of such a kernel, step and padding between so many channels is done, if it is
    /// done in this way.
    pub(super) fn suit(
        kernel: (usize, usize),
        step: usize,
        padding: usize,
        inputs: usize,
        outputs: usize,
    ) -> Option<Self> {
        let enough = inputs.min(outputs) >= LEAST_CHANNELS && inputs * outputs >= LEAST_PAIRS;
        match (kernel, step, padding) {
            ((3, 3), 1, 1) if enough => Some(Self::Three),
            ((5, 5), 1, 2) if enough => Some(Self::Five),
            _ => None,
        }
    }

    /// The terms of a tile.
    pub(super) fn terms(self) -> usize {
        match self {
            Self::Three => 16,
            Self::Five => 36,
        }
    }

    /// As many tiles at a time as keep their terms of so many channels in the cache; whole register tiles of rows.
    fn tiles_at_a_time<T>(self, channels: usize) -> usize {
        /// A multiple of all heights of register tiles.
        const ROWS: usize = 24;
        (TERM_BYTES / (self.terms() * channels * size_of::<T>()) / ROWS).max(1) * ROWS
    }

    /// As many images as have tiles to be transformed at a time; at least one.
    pub(super) fn images_at_a_time<T>(self, size: (usize, usize), channels: usize) -> usize {
        self.tiles_at_a_time::<T>(channels).div_ceil(Tiles { size }.count())
    }

    /// The numbers of the buffer for the terms of both sides and a pixel of zeros.
    pub(super) fn buffer_numbers<T>(self, inputs: usize, outputs: usize) -> usize {
        let widest = inputs.max(outputs);
        let tiles = self.tiles_at_a_time::<T>(widest);
        self.terms() * (stride::<T>(tiles, inputs) + stride::<T>(tiles, outputs)) + widest
    }

    /// The numbers of a gradient as it is summed.
    pub(super) fn sum_numbers(self, inputs: usize, outputs: usize) -> usize {
        self.terms() * inputs * outputs
    }

    /// Sets the terms of every kernel, `entry(source channel, target channel, tap)`.
    pub(super) fn fill_with<T: Real>(self, matrices: &mut [PackedMatrix<T>], entry: impl Fn(usize, usize, usize) -> T) {
        match self {
            Self::Three => PackedMatrix::fill_together::<16>(matrices, |source, target| {
                flat(terms_of_kernel::<_, ThreeTaps, 4, 3>(|tap| entry(source, target, tap)))
            }),
            Self::Five => PackedMatrix::fill_together::<36>(matrices, |source, target| {
                flat(terms_of_kernel::<_, FiveTaps, 6, 5>(|tap| entry(source, target, tap)))
            }),
        }
    }

    /// Writes the convolution of images `[…, H, W, source]`.
    pub(super) fn convolve<T: Real>(
        self,
        level: SimdLevel,
        shape: ((usize, usize), usize, usize),
        matrices: &[PackedMatrix<T>],
        from: &[T],
        (to, buffer): (&mut [T], &mut [T]),
    ) {
        match self {
            Self::Three => convolve::<T, ThreeTaps, 4, 3>(self, level, shape, matrices, from, (to, buffer)),
            Self::Five => convolve::<T, FiveTaps, 6, 5>(self, level, shape, matrices, from, (to, buffer)),
        }
    }

    /// Adds to `sum`, matrices `[outputs, inputs]`, the gradient of the kernels' terms that images `x` `[…, H, W, inputs]`
    /// and cotangents `g` `[…, H, W, outputs]` give.
    pub(super) fn accumulate<T: Real>(
        self,
        level: SimdLevel,
        shape: ((usize, usize), usize, usize),
        images: (&[T], &[T]),
        buffer: &mut [T],
        sum: &mut [T],
    ) {
        match self {
            Self::Three => accumulate::<T, ThreeTaps, 4, 3>(self, level, shape, images, buffer, sum),
            Self::Five => accumulate::<T, FiveTaps, 6, 5>(self, level, shape, images, buffer, sum),
        }
    }

    /// Writes the gradient of kernels `[outputs, inputs, k, k]`, given that of their terms.
    pub(super) fn unpack<T: Real>(self, level: SimdLevel, sum: &[T], kernel: &mut [T]) {
        match self {
            Self::Three => level.dispatch(Unpack::<T, ThreeTaps, 4, 3>::new(sum, kernel)),
            Self::Five => level.dispatch(Unpack::<T, FiveTaps, 6, 5>::new(sum, kernel)),
        }
    }
}

/// Rows of terms as one array.
#[inline(always)]
fn flat<T: Real, const N: usize, const ALL: usize>(rows: [[T; N]; N]) -> [T; ALL] {
    std::array::from_fn(|term| rows[term / N][term % N])
}

/// Numbers from one term to the next: a cache line more than there are, since terms that lie whole pages apart would
/// share the same few lines of the first-level cache.
fn stride<T>(tiles: usize, channels: usize) -> usize {
    tiles * channels + 64 / size_of::<T>()
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
    fn new(taps: Taps, size: (usize, usize), channels: [usize; 2], buffer: &'a mut [T]) -> Self {
        let [first, second] = channels;
        let widest = first.max(second);
        let at_a_time = taps.tiles_at_a_time::<T>(widest);
        let (terms, rest) = buffer.split_at_mut(taps.terms() * stride::<T>(at_a_time, first));
        let (more_terms, rest) = rest.split_at_mut(taps.terms() * stride::<T>(at_a_time, second));
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

fn convolve<T: Real, F: Transform<N, R>, const N: usize, const R: usize>(
    taps: Taps,
    level: SimdLevel,
    (size, source, target): ((usize, usize), usize, usize),
    matrices: &[PackedMatrix<T>],
    from: &[T],
    (to, buffer): (&mut [T], &mut [T]),
) {
    let mut walk = Walk::new(taps, size, [source, target], buffer);
    walk.for_each(from.len(), |walk, [before, behind]| {
        let [terms, products] = &mut walk.terms;
        before
            .clone()
            .spread::<T, F, N, R>(level, from, &walk.zeros[..source], terms);
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
        behind.collect::<T, F, N, R>(level, products, to);
    });
}

fn accumulate<T: Real, F: Transform<N, R>, const N: usize, const R: usize>(
    taps: Taps,
    level: SimdLevel,
    (size, inputs, outputs): ((usize, usize), usize, usize),
    (x, g): (&[T], &[T]),
    buffer: &mut [T],
    sum: &mut [T],
) {
    let mut walk = Walk::new(taps, size, [inputs, outputs], buffer);
    walk.for_each(x.len(), |walk, [before, behind]| {
        let [terms, cotangents] = &mut walk.terms;
        before
            .clone()
            .spread::<T, F, N, R>(level, x, &walk.zeros[..inputs], terms);
        behind
            .clone()
            .give_back::<T, F, N, R>(level, g, &walk.zeros[..outputs], cotangents);
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

struct Unpack<'a, T, F, const N: usize, const R: usize> {
    sum: &'a [T],
    kernel: &'a mut [T],
    transform: PhantomData<F>,
}

impl<'a, T, F, const N: usize, const R: usize> Unpack<'a, T, F, N, R> {
    fn new(sum: &'a [T], kernel: &'a mut [T]) -> Self {
        Self {
            sum,
            kernel,
            transform: PhantomData,
        }
    }
}

impl<T: Real, F: Transform<N, R>, const N: usize, const R: usize> Kernel for Unpack<'_, T, F, N, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        const LANES: usize = 8;
        let kernels = self.sum.len() / (N * N);
        let whole = kernels / LANES * LANES;
        let (vectors, rest) = self.kernel.split_at_mut(whole * R * R);
        for (index, to) in vectors.chunks_exact_mut(LANES * R * R).enumerate() {
            let taps = taps_of_terms::<T, F, N, R, LANES>(self.sum, index * LANES, kernels);
            for (lane, to) in to.chunks_exact_mut(R * R).enumerate() {
                for (to, tap) in to.iter_mut().zip(taps.as_flattened()) {
                    *to = tap[lane];
                }
            }
        }
        for (index, to) in (whole..kernels).zip(rest.chunks_exact_mut(R * R)) {
            let taps = taps_of_terms::<T, F, N, R, 1>(self.sum, index, kernels);
            for (to, [tap]) in to.iter_mut().zip(taps.as_flattened()) {
                *to = *tap;
            }
        }
    }
}
