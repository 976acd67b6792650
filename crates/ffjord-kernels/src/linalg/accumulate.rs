//! Sums of outer products over rows: the weight gradient.

use super::tile::{EightColumns, OneColumn, OuterTile, SixColumns, TwoColumns};
use super::{Rows, RowsMut, large};
use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};

/// `C[i, j] += Σᵣ X[r, i] · Y[r, j]`, the product `Xᵀ Y` over all rows, single-threaded.
///
/// C is `[M, N]`. X is `[R, ≥ M]` and Y is `[R, ≥ N]`, with padding that may hold any finite or non-finite values.
///
/// ```
/// use ffjord_kernels::linalg::{Rows, RowsMut, accumulate_outer};
/// use ffjord_kernels::simd::SimdLevel;
///
/// // Two rows; C = XᵀY is added to.
/// let (x, y, mut c) = ([1.0f64, 2.0], [3.0, 4.0], [100.0]);
/// let rows = |data| Rows { data, stride: 1 };
/// accumulate_outer(SimdLevel::detect(), (1, 1), rows(&x), rows(&y), RowsMut { data: &mut c, stride: 1 });
/// assert_eq!(c, [100.0 + 3.0 + 8.0]);
/// ```
///
/// # Panics
/// If a row of X, Y or C is shorter than `m` or `n`, or C has less than `m` rows.
pub fn accumulate_outer<T: Real>(
    level: SimdLevel,
    (m, n): (usize, usize),
    x: Rows<'_, T>,
    y: Rows<'_, T>,
    c: RowsMut<'_, T>,
) {
    assert!(
        m <= x.stride && n <= y.stride && n <= c.stride,
        "rows that hold the product"
    );
    assert!(
        m == 0 || (m - 1) * c.stride + n <= c.data.len(),
        "a result with a row for each column of X"
    );
    if m.min(n) >= LARGE {
        large::accumulate_outer((m, n), x, y, c);
    } else {
        level.dispatch(AccumulateOuter { m, n, x, y, c });
    }
}

/// Results with at least this many rows and columns are left to the `gemm` crate: there the columns of X and Y lie so
/// far apart that copying them together, as it does, pays.
const LARGE: usize = 192;

struct AccumulateOuter<'a, T> {
    m: usize,
    n: usize,
    x: Rows<'a, T>,
    y: Rows<'a, T>,
    c: RowsMut<'a, T>,
}

/// Bytes of X and Y that are summed at a time. They are read again for all tiles of C: from the second-level cache with
/// AVX-512, whose wide tiles read little, from the first with narrower ones.
const fn panel_bytes<S: Isa>() -> usize {
    if S::VECTOR_BYTES == 64 { 128 << 10 } else { 28 << 10 }
}

impl<T: Real> Kernel for AccumulateOuter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        let vector = S::VECTOR_BYTES / size_of::<T>();
        let rows = (panel_bytes::<S>() / size_of::<T>() / (self.x.stride + self.y.stride)).max(32);
        let x_panels = self.x.data.chunks(rows * self.x.stride);
        let y_panels = self.y.data.chunks(rows * self.y.stride);
        for (x, y) in x_panels.zip(y_panels) {
            match vector {
                // AVX-512 has twice as many registers as the others.
                16 => self.row_panel::<S, EightColumns, 8, 16, 32, 64>(x, y),
                8 if S::VECTOR_BYTES == 64 => self.row_panel::<S, EightColumns, 8, 8, 16, 32>(x, y),
                8 => self.row_panel::<S, SixColumns, 6, 8, 16, 32>(x, y),
                4 => self.row_panel::<S, SixColumns, 6, 4, 8, 16>(x, y),
                _ => self.row_panel::<S, SixColumns, 6, 2, 4, 8>(x, y),
            }
        }
    }
}

impl<T: Real> AccumulateOuter<'_, T> {
    /// `N` is two vectors, for tiles of `M` rows; `NARROW` one, for results with few columns; `WIDE` four, for results
    /// with few rows and, with AVX-512, wherever they fit.
    #[inline(always)]
    fn row_panel<S, Tile, const M: usize, const NARROW: usize, const N: usize, const WIDE: usize>(
        &mut self,
        x: &[T],
        y: &[T],
    ) where
        S: Isa,
        Tile: OuterTile<M>,
    {
        let mut j = 0;
        while j < self.n {
            let rest = self.n - j;
            let fits = |rows, columns| self.m >= rows && self.y.stride >= columns;
            if S::VECTOR_BYTES == 64 && rest > N && fits(6, WIDE) {
                self.strip::<S, SixColumns, 6, WIDE>(x, y, j);
                j += WIDE;
            } else if rest > NARROW && fits(M, N) {
                self.strip::<S, Tile, M, N>(x, y, j);
                j += N;
            } else if rest > NARROW && fits(6, N) {
                self.strip::<S, SixColumns, 6, N>(x, y, j);
                j += N;
            } else if rest > N && fits(2, WIDE) {
                self.strip::<S, TwoColumns, 2, WIDE>(x, y, j);
                j += WIDE;
            } else if rest > NARROW && fits(1, N) {
                self.strip::<S, OneColumn, 1, N>(x, y, j);
                j += N;
            } else if fits(M, NARROW) {
                self.strip::<S, Tile, M, NARROW>(x, y, j);
                j += NARROW;
            } else if fits(1, NARROW) {
                self.strip::<S, OneColumn, 1, NARROW>(x, y, j);
                j += NARROW;
            } else if self.x.stride >= NARROW {
                self.column::<S, NARROW>(x, y, j);
                j += 1;
            } else {
                self.strip::<S, OneColumn, 1, 1>(x, y, j);
                j += 1;
            }
        }
    }

    /// Column `j` of C, with vectors along the columns of X: for results too narrow for vectors of their own.
    #[inline(always)]
    fn column<S: Isa, const N: usize>(&mut self, x: &[T], y: &[T], j: usize) {
        for i in (0..self.m).step_by(N) {
            let tile_i = i.min(self.x.stride - N);
            let (x, y) = ((x, self.x.stride, tile_i), (y, self.y.stride, j));
            let [sums] = OneColumn::plus_outer::<T, S, N>([[T::ZERO; N]], y, x);
            for (row, &sum) in (tile_i..self.m).zip(&sums).skip(i - tile_i) {
                self.c.data[row * self.c.stride + j] += sum;
            }
        }
    }

    /// Columns `j` to `j + N` of C, as far as it has them. The last tiles of rows or columns reach back over sums that
    /// are already complete; those are computed again and not stored.
    #[inline(always)]
    fn strip<S: Isa, Tile: OuterTile<M>, const M: usize, const N: usize>(&mut self, x: &[T], y: &[T], j: usize) {
        let c_stride = self.c.stride;
        let tile_j = j.min(self.y.stride - N);
        for i in (0..self.m).step_by(M) {
            let tile_i = i.min(self.m.max(M) - M);
            let (x, y) = ((x, self.x.stride, tile_i), (y, self.y.stride, tile_j));
            let mut sums = [[T::ZERO; N]; M];
            if tile_i == i && tile_j == j && j + N <= self.n {
                // Sums that begin with what is there already leave nothing to add afterwards.
                for (a, sums) in sums.iter_mut().enumerate() {
                    sums.copy_from_slice(&self.c.data[(i + a) * c_stride + j..][..N]);
                }
                let sums = Tile::plus_outer::<T, S, N>(sums, x, y);
                for (a, sums) in sums.iter().enumerate() {
                    self.c.data[(i + a) * c_stride + j..][..N].copy_from_slice(sums);
                }
            } else {
                let sums = Tile::plus_outer::<T, S, N>(sums, x, y);
                let columns = j..(tile_j + N).min(self.n);
                for (row, sums) in (tile_i..self.m).zip(&sums).skip(i - tile_i) {
                    let c = &mut self.c.data[row * c_stride..][columns.clone()];
                    for (c, &sum) in c.iter_mut().zip(&sums[j - tile_j..]) {
                        *c += sum;
                    }
                }
            }
        }
    }
}
