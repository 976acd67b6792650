//! Tiles of images, and the terms in which a convolution of a tile is a product of numbers.
//!
//! A tile is 2 × 2 pixels y of one image and the N × N pixels d of another that a kernel g of (N − 1) × (N − 1) taps
//! connects them with: y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A (Lavin and Gray, CVPR 2016, eq. 8). The matrices of the
//! [`Transform`] act along one side of a tile and then along the other.

use super::transform::{PIXELS, Transform, Vector};
use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};
use std::marker::PhantomData;
use std::ops::Range;

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
        self.size.1.div_ceil(PIXELS)
    }

    /// The tiles of one image.
    #[inline(always)]
    pub(super) fn count(self) -> usize {
        self.size.0.div_ceil(PIXELS) * self.across()
    }

    /// The image of a tile, and its first line and column.
    #[inline(always)]
    fn place(self, tile: usize) -> (usize, usize, usize) {
        let (image, tile) = (tile / self.count(), tile % self.count());
        (image, tile / self.across() * PIXELS, tile % self.across() * PIXELS)
    }

    /// Where the pixel `row` and `column` behind the one `before` the tile on both sides lies among the images, if it does.
    #[inline(always)]
    fn pixel(
        self,
        (image, top, left): (usize, usize, usize),
        before: usize,
        (row, column): (usize, usize),
    ) -> Option<usize> {
        let (height, width) = self.size;
        let line = (top + row).checked_sub(before).filter(|&line| line < height)?;
        let column = (left + column).checked_sub(before).filter(|&column| column < width)?;
        Some((image * height + line) * width + column)
    }

    /// The pixels of the tile itself.
    #[inline(always)]
    fn pixels(self, place: (usize, usize, usize)) -> [[Option<usize>; PIXELS]; PIXELS] {
        let mut pixels = [[None; PIXELS]; PIXELS];
        for (row, pixels) in pixels.iter_mut().enumerate() {
            for (column, pixel) in pixels.iter_mut().enumerate() {
                *pixel = self.pixel(place, 0, (row, column));
            }
        }
        pixels
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
    pub(super) fn spread<T: Real, F: Transform<N, R>, const N: usize, const R: usize>(
        self,
        level: SimdLevel,
        images: &[T],
        zeros: &[T],
        terms: &mut [T],
    ) {
        level.dispatch(Spread::<T, F, N, R> {
            selection: self,
            images,
            zeros,
            terms,
            transform: PhantomData,
        });
    }

    /// Writes the pixels Aᵀ m A of the tiles, given their terms m.
    pub(super) fn collect<T: Real, F: Transform<N, R>, const N: usize, const R: usize>(
        self,
        level: SimdLevel,
        terms: &[T],
        images: &mut [T],
    ) {
        level.dispatch(Collect::<T, F, N, R> {
            selection: self,
            terms,
            images,
            transform: PhantomData,
        });
    }

    /// The adjoint of [`collect`](Self::collect): writes A ȳ Aᵀ of the tiles, given cotangents of pixels.
    pub(super) fn give_back<T: Real, F: Transform<N, R>, const N: usize, const R: usize>(
        self,
        level: SimdLevel,
        images: &[T],
        zeros: &[T],
        terms: &mut [T],
    ) {
        level.dispatch(GiveBack::<T, F, N, R> {
            selection: self,
            images,
            zeros,
            terms,
            transform: PhantomData,
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

struct Spread<'a, T, F, const N: usize, const R: usize> {
    selection: Selection,
    images: &'a [T],
    zeros: &'a [T],
    terms: &'a mut [T],
    transform: PhantomData<F>,
}

impl<T: Real, F: Transform<N, R>, const N: usize, const R: usize> Kernel for Spread<'_, T, F, N, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        by_vector!(S, T, self.vectors);
    }
}

impl<T: Real, F: Transform<N, R>, const N: usize, const R: usize> Spread<'_, T, F, N, R> {
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
            let mut window = [[self.zeros; N]; N];
            for (row, seen) in window.iter_mut().enumerate() {
                for (column, seen) in seen.iter_mut().enumerate() {
                    if let Some(pixel) = tiles.pixel(place, R / 2, (row, column)) {
                        *seen = &self.images[pixel * channels..][..channels];
                    }
                }
            }
            let terms = &mut self.terms[index * channels..];
            for channel in (0..whole).step_by(L) {
                spread::<T, F, N, R, L>(&window, channel, stride, &mut terms[channel..]);
            }
            for channel in whole..channels {
                spread::<T, F, N, R, 1>(&window, channel, stride, &mut terms[channel..]);
            }
        }
    }
}

/// Bᵀ d B of `L` channels.
#[inline(always)]
fn spread<T: Real, F: Transform<N, R>, const N: usize, const R: usize, const L: usize>(
    window: &[[&[T]; N]; N],
    channel: usize,
    stride: usize,
    terms: &mut [T],
) {
    let mut columns = [[[T::ZERO; L]; N]; N];
    for (column, to) in columns.iter_mut().enumerate() {
        let mut line = [[T::ZERO; L]; N];
        for (seen, to) in window.iter().zip(&mut line) {
            *to = vector(seen[column], channel);
        }
        *to = F::spread(line);
    }
    for row in 0..N {
        store(&F::spread(across(&columns, row)), row * N, stride, terms);
    }
}

struct Collect<'a, T, F, const N: usize, const R: usize> {
    selection: Selection,
    terms: &'a [T],
    images: &'a mut [T],
    transform: PhantomData<F>,
}

impl<T: Real, F: Transform<N, R>, const N: usize, const R: usize> Kernel for Collect<'_, T, F, N, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        by_vector!(S, T, self.vectors);
    }
}

impl<T: Real, F: Transform<N, R>, const N: usize, const R: usize> Collect<'_, T, F, N, R> {
    #[inline(always)]
    fn vectors<const L: usize>(mut self) {
        let (channels, range) = (self.selection.channels, self.selection.range.clone());
        let whole = channels / L * L;
        for (index, tile) in range.enumerate() {
            let pixels = self.selection.tiles.pixels(self.selection.tiles.place(tile));
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
    fn collect<const L: usize>(&mut self, from: usize, pixels: &[[Option<usize>; PIXELS]; PIXELS], channel: usize) {
        let stride = self.selection.stride;
        let mut columns = [[[T::ZERO; L]; PIXELS]; N];
        for (column, to) in columns.iter_mut().enumerate() {
            *to = F::collect(down(self.terms, from + column * stride, stride));
        }
        for (row, pixels) in pixels.iter().enumerate() {
            for (y, pixel) in F::collect(across(&columns, row)).iter().zip(pixels) {
                if let Some(pixel) = pixel {
                    self.images[pixel * self.selection.channels + channel..][..L].copy_from_slice(y);
                }
            }
        }
    }
}

struct GiveBack<'a, T, F, const N: usize, const R: usize> {
    selection: Selection,
    images: &'a [T],
    zeros: &'a [T],
    terms: &'a mut [T],
    transform: PhantomData<F>,
}

impl<T: Real, F: Transform<N, R>, const N: usize, const R: usize> Kernel for GiveBack<'_, T, F, N, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        by_vector!(S, T, self.vectors);
    }
}

impl<T: Real, F: Transform<N, R>, const N: usize, const R: usize> GiveBack<'_, T, F, N, R> {
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
            let mut pixels = [[self.zeros; PIXELS]; PIXELS];
            for (seen, pixels) in pixels.iter_mut().zip(&tiles.pixels(place)) {
                for (seen, pixel) in seen.iter_mut().zip(pixels) {
                    if let Some(pixel) = pixel {
                        *seen = &self.images[pixel * channels..][..channels];
                    }
                }
            }
            let terms = &mut self.terms[index * channels..];
            for channel in (0..whole).step_by(L) {
                give_back::<T, F, N, R, L>(&pixels, channel, stride, &mut terms[channel..]);
            }
            for channel in whole..channels {
                give_back::<T, F, N, R, 1>(&pixels, channel, stride, &mut terms[channel..]);
            }
        }
    }
}

/// A ȳ Aᵀ of `L` channels.
#[inline(always)]
fn give_back<T: Real, F: Transform<N, R>, const N: usize, const R: usize, const L: usize>(
    pixels: &[[&[T]; PIXELS]; PIXELS],
    channel: usize,
    stride: usize,
    terms: &mut [T],
) {
    let mut columns = [[[T::ZERO; L]; N]; PIXELS];
    for (column, to) in columns.iter_mut().enumerate() {
        let mut line = [[T::ZERO; L]; PIXELS];
        for (seen, to) in pixels.iter().zip(&mut line) {
            *to = vector(seen[column], channel);
        }
        *to = F::give_back(line);
    }
    for row in 0..N {
        store(&F::give_back(across(&columns, row)), row * N, stride, terms);
    }
}

/// G g Gᵀ of a kernel, the terms in rows.
#[inline(always)]
pub(super) fn terms_of_kernel<T: Real, F: Transform<N, R>, const N: usize, const R: usize>(
    tap: impl Fn(usize) -> T,
) -> [[T; N]; N] {
    let mut columns = [[T::ZERO; N]; R];
    for (column, to) in columns.iter_mut().enumerate() {
        let mut line = [T::ZERO; R];
        for (row, to) in line.iter_mut().enumerate() {
            *to = tap(row * R + column);
        }
        *to = F::kernel(line);
    }
    let mut terms = [[T::ZERO; N]; N];
    for (row, to) in terms.iter_mut().enumerate() {
        let mut line = [T::ZERO; R];
        for (column, to) in columns.iter().zip(&mut line) {
            *to = column[row];
        }
        *to = F::kernel(line);
    }
    terms
}

/// Gᵀ ū G, the adjoint of [`terms_of_kernel`], of `L` kernels from number `first` on; terms lie `stride` apart.
#[inline(always)]
pub(super) fn taps_of_terms<T: Real, F: Transform<N, R>, const N: usize, const R: usize, const L: usize>(
    terms: &[T],
    first: usize,
    stride: usize,
) -> [[Vector<T, L>; R]; R] {
    let mut columns = [[[T::ZERO; L]; R]; N];
    for (column, to) in columns.iter_mut().enumerate() {
        *to = F::taps(down(terms, first + column * stride, stride));
    }
    let mut taps = [[[T::ZERO; L]; R]; R];
    for (row, to) in taps.iter_mut().enumerate() {
        *to = F::taps(across(&columns, row));
    }
    taps
}

// Loops, not closures over arrays, which are compiled without the wide instructions of their callers.

/// `L` numbers from `start` on.
#[inline(always)]
fn vector<T: Real, const L: usize>(from: &[T], start: usize) -> Vector<T, L> {
    let mut vector = [T::ZERO; L];
    vector.copy_from_slice(&from[start..start + L]);
    vector
}

/// A column of `N` × `N` terms that lie `stride` apart, the first of which lies at `from`.
#[inline(always)]
fn down<T: Real, const N: usize, const L: usize>(terms: &[T], from: usize, stride: usize) -> [Vector<T, L>; N] {
    let mut line = [[T::ZERO; L]; N];
    for (row, to) in line.iter_mut().enumerate() {
        *to = vector(terms, from + row * N * stride);
    }
    line
}

/// A row of what is stored in columns.
#[inline(always)]
fn across<T: Real, const M: usize, const N: usize, const L: usize>(
    columns: &[[Vector<T, L>; M]; N],
    row: usize,
) -> [Vector<T, L>; N] {
    let mut line = [[T::ZERO; L]; N];
    for (column, to) in columns.iter().zip(&mut line) {
        *to = column[row];
    }
    line
}

/// Stores terms from number `first` on.
#[inline(always)]
fn store<T: Real, const N: usize, const L: usize>(
    row: &[Vector<T, L>; N],
    first: usize,
    stride: usize,
    terms: &mut [T],
) {
    for (column, term) in row.iter().enumerate() {
        terms[(first + column) * stride..][..L].copy_from_slice(term);
    }
}
