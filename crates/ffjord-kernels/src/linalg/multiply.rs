//! Rows times a packed matrix.

use super::PackedMatrix;
use super::packed::Order;
use super::tile::{EightRows, NARROW_ROWS, RowTile, SixRows, sum, times_interleaved};
use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};

/// A row-major matrix that is only read: rows of `stride` numbers, of which the leading ones count.
///
/// ```
/// use ffjord_kernels::linalg::{Rows, add_column_sums};
/// use ffjord_kernels::simd::SimdLevel;
///
/// // Rows of two numbers and one of padding, which column sums include.
/// let a = Rows { data: &[1.0f32, 2.0, 0.0, 3.0, 4.0, 0.0], stride: 3 };
/// let mut sums = [0.0; 3];
/// add_column_sums(SimdLevel::detect(), a, &mut sums);
/// assert_eq!(sums, [4.0, 6.0, 0.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    /// The numbers, row after row.
    pub data: &'a [T],
    /// Numbers from one row to the next.
    pub stride: usize,
}

/// A row-major matrix to write to.
///
/// ```
/// use ffjord_kernels::linalg::{PackedMatrix, Rows, RowsMut, multiply};
/// use ffjord_kernels::simd::SimdLevel;
///
/// // Results three numbers apart: what of the padding lies between them is written as zeros.
/// let level = SimdLevel::detect();
/// let mut b = PackedMatrix::<f32>::zeros(level, 1, 1);
/// b.fill_with(|_, _| 2.0);
/// let mut c = [9.0; 6];
/// multiply(level, Rows { data: &[1.0, 5.0], stride: 1 }, &b, &[], RowsMut { data: &mut c, stride: 3 });
/// assert_eq!((c[0], c[3]), (2.0, 10.0));
/// ```
#[derive(Debug)]
pub struct RowsMut<'a, T> {
    /// The numbers, row after row.
    pub data: &'a mut [T],
    /// Numbers from one row to the next.
    pub stride: usize,
}

/// `C[r, :] = A[r, :] · B + bias` for every row of A, single-threaded.
///
/// A is `[R, K]`, B is packed `[K, N]`, `bias` is empty (zero) or has [`PanelLayout::padded`](super::PanelLayout)
/// entries. C is `[R, ≥ N]`: as many of the padded columns are written as its stride holds, the padding as zeros
/// where the bias is zero. A row's result does not depend on the other rows.
///
/// ```
/// use ffjord_kernels::linalg::{PackedMatrix, Rows, RowsMut, multiply};
/// use ffjord_kernels::simd::SimdLevel;
///
/// // One row (1, 2) times [[1, 3], [2, 4]].
/// let level = SimdLevel::detect();
/// let mut b = PackedMatrix::<f64>::zeros(level, 2, 2);
/// b.fill_with(|k, n| (1 + k + 2 * n) as f64);
/// let mut c = [0.0; 2];
/// multiply(level, Rows { data: &[1.0, 2.0], stride: 2 }, &b, &[], RowsMut { data: &mut c, stride: 2 });
/// assert_eq!(c, [5.0, 11.0]);
/// ```
///
/// # Panics
/// If A and C do not hold the same number of whole rows, a row is shorter than the product needs, or B is packed for
/// another level.
pub fn multiply<T: Real>(level: SimdLevel, a: Rows<'_, T>, b: &PackedMatrix<T>, bias: &[T], c: RowsMut<'_, T>) {
    let columns = b.layout().padded();
    assert_eq!(b.level(), level, "a matrix that is packed for the level");
    assert!(
        bias.is_empty() || bias.len() == columns,
        "a bias for each padded column"
    );
    assert_eq!(c.data.len() % c.stride, 0, "whole rows");
    assert_eq!(
        a.data.len(),
        c.data.len() / c.stride * a.stride,
        "a row of A for each row of C"
    );
    assert!(a.stride >= b.depth(), "a row of A holds the depth of the product");
    assert!(
        c.stride >= b.layout().columns(),
        "a row of C holds the columns of the product"
    );
    level.dispatch(Multiply { a, b, bias, c });
}

struct Multiply<'a, T: Real> {
    a: Rows<'a, T>,
    b: &'a PackedMatrix<T>,
    bias: &'a [T],
    c: RowsMut<'a, T>,
}

impl<T: Real> Kernel for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        if let Order::Interleaved { rows, vector } = self.b.order() {
            return match (rows, vector) {
                (16, 16) if S::VECTOR_BYTES == 64 => self.interleaved::<S, 16, 16>(),
                (8, 16) if S::VECTOR_BYTES == 64 => self.interleaved::<S, 8, 16>(),
                (_, 16) if S::VECTOR_BYTES == 64 => self.interleaved::<S, 4, 16>(),
                (8, 8) if S::VECTOR_BYTES >= 32 => self.interleaved::<S, 8, 8>(),
                (_, 8) if S::VECTOR_BYTES >= 32 => self.interleaved::<S, 4, 8>(),
                _ => self.interleaved::<S, 4, 4>(),
            };
        }
        // Panels are the outer loop: one panel stays in the first-level cache while all rows stream past it. The
        // widths are constants of the instruction set, so only a few of these arms are compiled for each.
        let vector = S::VECTOR_BYTES / size_of::<T>();
        for (first, width) in self.b.layout().panels() {
            let narrow = width < 2 * vector;
            match width {
                64 if vector == 16 => self.panel::<S, SixRows, 6, 64>(first),
                32 if vector == 8 => self.panel::<S, SixRows, 6, 32>(first),
                32 if vector == 16 => self.panel::<S, EightRows, 8, 32>(first),
                16 if !narrow => self.panel::<S, SixRows, 6, 16>(first),
                16 if vector == 16 => self.panel::<S, EightRows, 8, 16>(first),
                8 if !narrow && vector == 4 => self.panel::<S, SixRows, 6, 8>(first),
                8 if vector >= 8 => self.panel::<S, EightRows, 8, 8>(first),
                4 if vector == 2 => self.panel::<S, SixRows, 6, 4>(first),
                4 if vector >= 4 => self.panel::<S, EightRows, 8, 4>(first),
                _ => self.panel::<S, EightRows, 8, 2>(first),
            }
        }
    }
}

impl<T: Real> Multiply<'_, T> {
    /// All rows times columns with `P` rows in a vector of `L`.
    #[inline(always)]
    fn interleaved<S: Isa, const P: usize, const L: usize>(&mut self) {
        let (a_stride, c_stride) = (self.a.stride, self.c.stride);
        let rows = self.c.data.len() / c_stride;
        let whole = rows / NARROW_ROWS * NARROW_ROWS;
        for row in (0..whole).step_by(NARROW_ROWS) {
            let (a, c) = (&self.a.data[row * a_stride..], &mut self.c.data[row * c_stride..]);
            interleaved_rows::<T, S, P, L>((self.b, self.bias), (a, a_stride), (c, c_stride), NARROW_ROWS - 1);
        }
        if whole < rows {
            let (a, c) = (&self.a.data[whole * a_stride..], &mut self.c.data[whole * c_stride..]);
            interleaved_rows::<T, S, P, L>((self.b, self.bias), (a, a_stride), (c, c_stride), rows - whole - 1);
        }
    }

    /// All rows times the panel of `N` columns that starts at `first`, `M` rows at a time.
    #[inline(always)]
    fn panel<S: Isa, Tile: RowTile<M>, const M: usize, const N: usize>(&mut self, first: usize) {
        let (panel, _) = self.b.panel(first, N).as_chunks::<N>();
        let (a_stride, c_stride) = (self.a.stride, self.c.stride);
        let mut start = [T::ZERO; N];
        if !self.bias.is_empty() {
            start.copy_from_slice(&self.bias[first..first + N]);
        }
        let valid = N.min(c_stride - first);
        let mut c_tiles = self.c.data.chunks_exact_mut(M * c_stride);
        let mut a_tiles = self.a.data.chunks_exact(M * a_stride);
        if valid == N {
            for (c, a) in c_tiles.by_ref().zip(a_tiles.by_ref()) {
                let sums = Tile::times_panel::<T, S, N>(a, a_stride, M - 1, panel, &start);
                for i in 0..M {
                    c[i * c_stride + first..][..N].copy_from_slice(&sums[i]);
                }
            }
        } else {
            for (c, a) in c_tiles.by_ref().zip(a_tiles.by_ref()) {
                let sums = Tile::times_panel::<T, S, N>(a, a_stride, M - 1, panel, &start);
                for i in 0..M {
                    copy_prefix(&mut c[i * c_stride + first..][..valid], &sums[i]);
                }
            }
        }
        let (c, a) = (c_tiles.into_remainder(), a_tiles.remainder());
        let rows = c.len() / c_stride;
        if rows > 0 {
            // The last tile repeats its last row; what that computes is not stored.
            let sums = Tile::times_panel::<T, S, N>(a, a_stride, rows - 1, panel, &start);
            for (c, sums) in c.chunks_exact_mut(c_stride).zip(&sums) {
                copy_prefix(&mut c[first..first + valid], sums);
            }
        }
    }
}

/// A tile of rows times interleaved columns; `last` is the last row.
#[inline(always)]
fn interleaved_rows<T: Real, S: Isa, const P: usize, const L: usize>(
    (b, bias): (&PackedMatrix<T>, &[T]),
    (a, a_stride): (&[T], usize),
    (c, c_stride): (&mut [T], usize),
    last: usize,
) {
    let (columns, padded) = (b.layout().columns(), b.layout().padded().min(c_stride));
    let mut start = [T::ZERO; L];
    for (start, &bias) in start.iter_mut().zip(bias) {
        *start = bias;
    }
    let sums = times_interleaved::<T, S, P, L>(a, (a_stride, b.depth()), last, b.interleaved::<L>());
    for (c, sums) in c.chunks_exact_mut(c_stride).zip(&sums).take(last + 1) {
        let (c, padding) = c[..padded].split_at_mut(columns);
        for ((c, parts), bias) in c.iter_mut().zip(sums.as_chunks::<P>().0).zip(start) {
            *c = sum(parts) + bias;
        }
        // The padding of C is what zeros in B would make it.
        for (c, &bias) in padding.iter_mut().zip(&start[columns..]) {
            *c = bias;
        }
    }
}

/// Copies as many numbers as `to` holds, in pieces of constant size: a call of `memcpy` would cost more than it moves.
#[inline(always)]
fn copy_prefix<T: Real, const N: usize>(to: &mut [T], from: &[T; N]) {
    let (to_pieces, to_rest) = to.as_chunks_mut::<4>();
    let (from_pieces, _) = from.as_chunks::<4>();
    for (to, from) in to_pieces.iter_mut().zip(from_pieces) {
        *to = *from;
    }
    let done = N.min(4 * to_pieces.len());
    for (to, from) in to_rest.iter_mut().zip(&from[done..]).take(4) {
        *to = *from;
    }
}
