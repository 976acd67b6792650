//! Winograd's transforms: between images and the terms in which a 3×3 convolution is a product of numbers.
//!
//! A tile is 2 × 2 pixels y of one image and the 4 × 4 pixels d of another that a 3×3 kernel g connects them with:
//! y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A (Lavin and Gray, CVPR 2016, eq. 8). Its 16 terms take 16 products where the pixels take
//! 36. The matrices A, B and G act along one side of a tile and then along the other.

use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};
use std::ops::Range;

/// The terms of a tile.
pub(super) const TERMS: usize = 16;

/// The tiles of an image, from left to right and from top to bottom; those at the right and at the bottom reach beyond
/// an odd size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    /// Height and width of the image.
    pub(super) size: (usize, usize),
}

impl Tiles {
    #[inline(always)]
    fn across(self) -> usize {
        self.size.1.div_ceil(2)
    }

    /// The tiles of one image.
    #[inline(always)]
    pub(super) fn count(self) -> usize {
        self.size.0.div_ceil(2) * self.across()
    }

    /// The image of a tile, and its first line and column.
    #[inline(always)]
    fn place(self, tile: usize) -> (usize, usize, usize) {
        let (image, tile) = (tile / self.count(), tile % self.count());
        (image, tile / self.across() * 2, tile % self.across() * 2)
    }

    /// Where the pixel `row` and `column` behind the one before the tile lies among the images, if it does.
    #[inline(always)]
    fn pixel(self, (image, top, left): (usize, usize, usize), row: usize, column: usize) -> Option<usize> {
        let (height, width) = self.size;
        let line = (top + row).checked_sub(1).filter(|&line| line < height)?;
        let column = (left + column).checked_sub(1).filter(|&column| column < width)?;
        Some((image * height + line) * width + column)
    }
}

/// Some tiles of images `[…, H, W, channels]`, and where their terms lie: matrices `[tiles, channels]`, one for each term,
/// `stride` numbers apart.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    pub(super) tiles: Tiles,
    /// The tiles, counted on from image to image.
    pub(super) range: Range<usize>,
    pub(super) channels: usize,
    pub(super) stride: usize,
}

impl Selection {
    /// Writes Bᵀ d B of the tiles; `zeros` has one for every channel.
    pub(super) fn spread<T: Real>(self, level: SimdLevel, images: &[T], zeros: &[T], terms: &mut [T]) {
        level.dispatch(Spread {
            selection: self,
            images,
            zeros,
            terms,
        });
    }

    /// Writes the pixels Aᵀ m A of the tiles, given their terms m.
    pub(super) fn collect<T: Real>(self, level: SimdLevel, terms: &[T], images: &mut [T]) {
        level.dispatch(Collect {
            selection: self,
            terms,
            images,
        });
    }

    /// The adjoint of [`collect`](Self::collect): writes A ȳ Aᵀ of the tiles, given cotangents of pixels.
    pub(super) fn return_to_terms<T: Real>(self, level: SimdLevel, images: &[T], zeros: &[T], terms: &mut [T]) {
        level.dispatch(Return {
            selection: self,
            images,
            zeros,
            terms,
        });
    }
}

/// Calls the code for vectors of the instruction set.
macro_rules! by_vector {
    ($isa:ident, $real:ident, $this:ident . $run:ident) => {
        match $isa::VECTOR_BYTES / size_of::<$real>() {
            16 => $this.$run::<16>(),
            8 => $this.$run::<8>(),
            4 => $this.$run::<4>(),
            _ => $this.$run::<2>(),
        }
    };
}

struct Spread<'a, T> {
    selection: Selection,
    images: &'a [T],
    zeros: &'a [T],
    terms: &'a mut [T],
}

impl<T: Real> Kernel for Spread<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        by_vector!(S, T, self.vectors);
    }
}

impl<T: Real> Spread<'_, T> {
    #[inline(always)]
    fn vectors<const L: usize>(self) {
        let Selection {
            tiles,
            range,
            channels,
            stride,
        } = self.selection;
        let whole = channels / L * L;
        for (index, tile) in range.enumerate() {
            let place = tiles.place(tile);
            let mut window = [self.zeros; TERMS];
            for (i, seen) in window.iter_mut().enumerate() {
                if let Some(pixel) = tiles.pixel(place, i / 4, i % 4) {
                    *seen = &self.images[pixel * channels..][..channels];
                }
            }
            let terms = &mut self.terms[index * channels..];
            for channel in (0..whole).step_by(L) {
                spread::<T, L>(&window, channel, stride, &mut terms[channel..]);
            }
            for channel in whole..channels {
                spread::<T, 1>(&window, channel, stride, &mut terms[channel..]);
            }
        }
    }
}

/// Bᵀ d B of `L` channels. Variables of their own stay in registers, where arrays of arrays may not.
#[inline(always)]
fn spread<T: Real, const L: usize>(window: &[&[T]; TERMS], channel: usize, stride: usize, terms: &mut [T]) {
    let (a0, a1, a2, a3) = spread_column::<T, L>(window, 0, channel);
    let (b0, b1, b2, b3) = spread_column::<T, L>(window, 1, channel);
    let (c0, c1, c2, c3) = spread_column::<T, L>(window, 2, channel);
    let (d0, d1, d2, d3) = spread_column::<T, L>(window, 3, channel);
    store_row(terms, 0, stride, spread_line::<T, L>(a0, b0, c0, d0));
    store_row(terms, 4, stride, spread_line::<T, L>(a1, b1, c1, d1));
    store_row(terms, 8, stride, spread_line::<T, L>(a2, b2, c2, d2));
    store_row(terms, 12, stride, spread_line::<T, L>(a3, b3, c3, d3));
}

/// Bᵀ d of one column of d.
#[inline(always)]
fn spread_column<T: Real, const L: usize>(window: &[&[T]; TERMS], column: usize, channel: usize) -> Four<T, L> {
    spread_line(
        vector::<T, L>(window[column], channel),
        vector::<T, L>(window[4 + column], channel),
        vector::<T, L>(window[8 + column], channel),
        vector::<T, L>(window[12 + column], channel),
    )
}

struct Collect<'a, T> {
    selection: Selection,
    terms: &'a [T],
    images: &'a mut [T],
}

impl<T: Real> Kernel for Collect<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        by_vector!(S, T, self.vectors);
    }
}

impl<T: Real> Collect<'_, T> {
    #[inline(always)]
    fn vectors<const L: usize>(mut self) {
        let (channels, range) = (self.selection.channels, self.selection.range.clone());
        let whole = channels / L * L;
        for (index, tile) in range.enumerate() {
            let place = self.selection.tiles.place(tile);
            let mut pixels = [None; 4];
            for (i, pixel) in pixels.iter_mut().enumerate() {
                *pixel = self.selection.tiles.pixel(place, 1 + i / 2, 1 + i % 2);
            }
            for channel in (0..whole).step_by(L) {
                self.collect::<L>(index * channels + channel, &pixels, channel);
            }
            for channel in whole..channels {
                self.collect::<1>(index * channels + channel, &pixels, channel);
            }
        }
    }

    /// Aᵀ m A of `L` channels, whose first term lies at `from`.
    #[inline(always)]
    fn collect<const L: usize>(&mut self, from: usize, pixels: &[Option<usize>; 4], channel: usize) {
        let (a0, a1) = self.collect_column::<L>(from, 0);
        let (b0, b1) = self.collect_column::<L>(from, 1);
        let (c0, c1) = self.collect_column::<L>(from, 2);
        let (d0, d1) = self.collect_column::<L>(from, 3);
        let (y0, y1) = collect_line(a0, b0, c0, d0);
        let (y2, y3) = collect_line(a1, b1, c1, d1);
        self.store(pixels[0], channel, &y0);
        self.store(pixels[1], channel, &y1);
        self.store(pixels[2], channel, &y2);
        self.store(pixels[3], channel, &y3);
    }

    /// Aᵀ m of one column of m.
    #[inline(always)]
    fn collect_column<const L: usize>(&self, from: usize, column: usize) -> ([T; L], [T; L]) {
        let stride = self.selection.stride;
        let from = from + column * stride;
        collect_line(
            vector::<T, L>(self.terms, from),
            vector::<T, L>(self.terms, from + 4 * stride),
            vector::<T, L>(self.terms, from + 8 * stride),
            vector::<T, L>(self.terms, from + 12 * stride),
        )
    }

    #[inline(always)]
    fn store<const L: usize>(&mut self, pixel: Option<usize>, channel: usize, y: &[T; L]) {
        if let Some(pixel) = pixel {
            self.images[pixel * self.selection.channels + channel..][..L].copy_from_slice(y);
        }
    }
}

struct Return<'a, T> {
    selection: Selection,
    images: &'a [T],
    zeros: &'a [T],
    terms: &'a mut [T],
}

impl<T: Real> Kernel for Return<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        by_vector!(S, T, self.vectors);
    }
}

impl<T: Real> Return<'_, T> {
    #[inline(always)]
    fn vectors<const L: usize>(self) {
        let Selection {
            tiles,
            range,
            channels,
            stride,
        } = self.selection;
        let whole = channels / L * L;
        for (index, tile) in range.enumerate() {
            let place = tiles.place(tile);
            let mut pixels = [self.zeros; 4];
            for (i, seen) in pixels.iter_mut().enumerate() {
                if let Some(pixel) = tiles.pixel(place, 1 + i / 2, 1 + i % 2) {
                    *seen = &self.images[pixel * channels..][..channels];
                }
            }
            let terms = &mut self.terms[index * channels..];
            for channel in (0..whole).step_by(L) {
                return_pixels::<T, L>(&pixels, channel, stride, &mut terms[channel..]);
            }
            for channel in whole..channels {
                return_pixels::<T, 1>(&pixels, channel, stride, &mut terms[channel..]);
            }
        }
    }
}

/// A ȳ Aᵀ of `L` channels.
#[inline(always)]
fn return_pixels<T: Real, const L: usize>(pixels: &[&[T]; 4], channel: usize, stride: usize, terms: &mut [T]) {
    let (left, right) = (vector::<T, L>(pixels[0], channel), vector::<T, L>(pixels[1], channel));
    let (a0, a1, a2, a3) = return_line(left, vector(pixels[2], channel));
    let (b0, b1, b2, b3) = return_line(right, vector(pixels[3], channel));
    store_row(terms, 0, stride, return_line::<T, L>(a0, b0));
    store_row(terms, 4, stride, return_line::<T, L>(a1, b1));
    store_row(terms, 8, stride, return_line::<T, L>(a2, b2));
    store_row(terms, 12, stride, return_line::<T, L>(a3, b3));
}

/// Four vectors, such as those of one line of a tile.
type Four<T, const L: usize> = ([T; L], [T; L], [T; L], [T; L]);

/// Bᵀ along one side.
#[inline(always)]
fn spread_line<T: Real, const L: usize>(a: [T; L], b: [T; L], c: [T; L], d: [T; L]) -> Four<T, L> {
    (minus(a, c), plus(b, c), minus(c, b), minus(b, d))
}

/// Aᵀ along one side.
#[inline(always)]
fn collect_line<T: Real, const L: usize>(a: [T; L], b: [T; L], c: [T; L], d: [T; L]) -> ([T; L], [T; L]) {
    (plus(plus(a, b), c), minus(minus(b, c), d))
}

/// A along one side.
#[inline(always)]
fn return_line<T: Real, const L: usize>(a: [T; L], b: [T; L]) -> Four<T, L> {
    (a, plus(a, b), minus(a, b), minus([T::ZERO; L], b))
}

/// G along one side.
#[inline(always)]
fn kernel_line<T: Real>([a, b, c]: [T; 3]) -> [T; 4] {
    let (ends, middle) = ((a + c) * T::HALF, b * T::HALF);
    [a, ends + middle, ends - middle, c]
}

/// G g Gᵀ of a kernel.
#[inline(always)]
pub(super) fn terms_of_kernel<T: Real>(tap: impl Fn(usize) -> T) -> [T; TERMS] {
    let columns: [[T; 4]; 3] = std::array::from_fn(|j| kernel_line([tap(j), tap(3 + j), tap(6 + j)]));
    let rows: [[T; 4]; 4] = std::array::from_fn(|i| kernel_line(columns.map(|column| column[i])));
    std::array::from_fn(|term| rows[term / 4][term % 4])
}

/// Gᵀ along one side.
#[inline(always)]
fn tap_line<T: Real, const L: usize>(a: [T; L], b: [T; L], c: [T; L], d: [T; L]) -> [[T; L]; 3] {
    let (mut sum, mut difference) = (plus(b, c), minus(b, c));
    for i in 0..L {
        sum[i] *= T::HALF;
        difference[i] *= T::HALF;
    }
    [plus(a, sum), difference, plus(sum, d)]
}

/// Gᵀ ū of one column of ū, whose first number lies at `from`.
#[inline(always)]
fn tap_column<T: Real, const L: usize>(terms: &[T], from: usize, stride: usize) -> [[T; L]; 3] {
    tap_line(
        vector::<T, L>(terms, from),
        vector::<T, L>(terms, from + 4 * stride),
        vector::<T, L>(terms, from + 8 * stride),
        vector::<T, L>(terms, from + 12 * stride),
    )
}

/// Gᵀ ū G, the adjoint of [`terms_of_kernel`], of `L` kernels from number `first` on; terms lie `stride` apart.
#[inline(always)]
pub(super) fn taps_of_terms<T: Real, const L: usize>(terms: &[T], first: usize, stride: usize) -> [[T; L]; 9] {
    let [a0, a1, a2] = tap_column::<T, L>(terms, first, stride);
    let [b0, b1, b2] = tap_column::<T, L>(terms, first + stride, stride);
    let [c0, c1, c2] = tap_column::<T, L>(terms, first + 2 * stride, stride);
    let [d0, d1, d2] = tap_column::<T, L>(terms, first + 3 * stride, stride);
    let [g0, g1, g2] = tap_line(a0, b0, c0, d0);
    let [g3, g4, g5] = tap_line(a1, b1, c1, d1);
    let [g6, g7, g8] = tap_line(a2, b2, c2, d2);
    [g0, g1, g2, g3, g4, g5, g6, g7, g8]
}

/// `L` numbers from `start` on.
#[inline(always)]
fn vector<T: Real, const L: usize>(from: &[T], start: usize) -> [T; L] {
    let mut vector = [T::ZERO; L];
    vector.copy_from_slice(&from[start..start + L]);
    vector
}

/// Stores the terms from `term` on.
#[inline(always)]
fn store_row<T: Real, const L: usize>(terms: &mut [T], term: usize, stride: usize, (a, b, c, d): Four<T, L>) {
    terms[term * stride..][..L].copy_from_slice(&a);
    terms[(term + 1) * stride..][..L].copy_from_slice(&b);
    terms[(term + 2) * stride..][..L].copy_from_slice(&c);
    terms[(term + 3) * stride..][..L].copy_from_slice(&d);
}

#[inline(always)]
fn plus<T: Real, const L: usize>(a: [T; L], b: [T; L]) -> [T; L] {
    let mut sum = a;
    for i in 0..L {
        sum[i] += b[i];
    }
    sum
}

#[inline(always)]
fn minus<T: Real, const L: usize>(a: [T; L], b: [T; L]) -> [T; L] {
    let mut difference = a;
    for i in 0..L {
        difference[i] -= b[i];
    }
    difference
}
