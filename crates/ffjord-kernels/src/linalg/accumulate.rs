//! Sums of outer products over rows: the weight gradient.

use super::tile::outer_sum;
use super::{Rows, RowsMut, large};
use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};

/// `C[i, j] += Σᵣ X[r, i] · Y[r, j]`, the product `Xᵀ Y` over all rows, single-threaded.
///
/// C is `[M, N]`. X is `[R, ≥ M]` and Y is `[R, ≥ N]`, with padding that may hold any finite or non-finite values.
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

/// Bytes of X and Y that are summed at a time: they stay in the second-level cache for all tiles of C.
const PANEL_BYTES: usize = 64 << 10;

impl<T: Real> Kernel for AccumulateOuter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        let vector = S::VECTOR_BYTES / size_of::<T>();
        let rows = (PANEL_BYTES / size_of::<T>() / (self.x.stride + self.y.stride)).max(32);
        let x_panels = self.x.data.chunks(rows * self.x.stride);
        let y_panels = self.y.data.chunks(rows * self.y.stride);
        for (x, y) in x_panels.zip(y_panels) {
            match vector {
                16 => self.row_panel::<S, 32, 64>(x, y),
                8 => self.row_panel::<S, 16, 32>(x, y),
                4 => self.row_panel::<S, 8, 16>(x, y),
                _ => self.row_panel::<S, 4, 8>(x, y),
            }
        }
    }
}

impl<T: Real> AccumulateOuter<'_, T> {
    /// `N` is two vectors, for tiles of six rows; `WIDE` four, for results with few rows.
    #[inline(always)]
    fn row_panel<S: Isa, const N: usize, const WIDE: usize>(&mut self, x: &[T], y: &[T]) {
        if self.m >= 6 && self.y.stride >= N {
            self.tiles::<S, 6, N>(x, y);
        } else if self.m >= 2 && self.y.stride >= WIDE {
            self.tiles::<S, 2, WIDE>(x, y);
        } else if self.y.stride >= N {
            self.tiles::<S, 1, N>(x, y);
        } else if self.m >= 6 {
            self.tiles::<S, 6, 1>(x, y);
        } else {
            self.tiles::<S, 1, 1>(x, y);
        }
    }

    /// All tiles of C. The last ones of a row or column reach back over sums that are already complete; those are
    /// computed again and not stored.
    #[inline(always)]
    fn tiles<S: Isa, const M: usize, const N: usize>(&mut self, x: &[T], y: &[T]) {
        for j in (0..self.n).step_by(N) {
            let tile_j = j.min(self.y.stride - N);
            for i in (0..self.m).step_by(M) {
                let tile_i = i.min(self.m.max(M) - M);
                let sums = outer_sum::<T, S, M, N>((x, self.x.stride, tile_i), (y, self.y.stride, tile_j));
                if tile_i == i && tile_j == j && j + N <= self.n {
                    for (a, sums) in sums.iter().enumerate() {
                        let c = &mut self.c.data[(i + a) * self.c.stride + j..][..N];
                        for b in 0..N {
                            c[b] += sums[b];
                        }
                    }
                } else {
                    let columns = j..(tile_j + N).min(self.n);
                    for (row, sums) in (tile_i..self.m).zip(&sums).skip(i - tile_i) {
                        let c = &mut self.c.data[row * self.c.stride..][columns.clone()];
                        for (c, &sum) in c.iter_mut().zip(&sums[j - tile_j..]) {
                            *c += sum;
                        }
                    }
                }
            }
        }
    }
}
