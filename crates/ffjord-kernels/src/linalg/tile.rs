//! The register tiles: the innermost loops of the matrix products.

use crate::Real;
use crate::simd::Isa;

/// A register tile of `M` rows.
pub(super) trait RowTile<const M: usize> {
    /// `M` rows of A times one panel of packed B, starting from `start`: returns
    /// `start + Σₖ A[i, k] · panel[k][j]`. The rows of A are `stride` apart; rows behind row `last` repeat it.
    fn times_panel<T: Real, S: Isa, const N: usize>(
        a: &[T],
        stride: usize,
        last: usize,
        panel: &[[T; N]],
        start: &[T; N],
    ) -> [[T; N]; M];
}

/// Every row is a variable of its own, cut to the length of the panel, and the loops are counted: so the compiler
/// drops all bounds checks from the inner loop and keeps the sums in registers.
macro_rules! row_tile {
    ($name:ident, $count:literal, $($row:ident $index:literal),*) => {
        pub(super) struct $name;

        impl RowTile<$count> for $name {
            #[inline(always)]
            fn times_panel<T: Real, S: Isa, const N: usize>(
                a: &[T],
                stride: usize,
                last: usize,
                panel: &[[T; N]],
                start: &[T; N],
            ) -> [[T; N]; $count] {
                let depth = panel.len();
                $(let $row = &a[if $index < last { $index } else { last } * stride..][..depth];)*
                let mut sums = [*start; $count];
                for k in 0..depth {
                    let (x, weights) = ([$($row[k]),*], &panel[k]);
                    for i in 0..$count {
                        for j in 0..N {
                            sums[i][j] = x[i].fma::<S>(weights[j], sums[i][j]);
                        }
                    }
                }
                sums
            }
        }
    };
}

row_tile!(SixRows, 6, r0 0, r1 1, r2 2, r3 3, r4 4, r5 5);
row_tile!(EightRows, 8, r0 0, r1 1, r2 2, r3 3, r4 4, r5 5, r6 6, r7 7);

/// Sum over rows of outer products of `M` columns of X, from `i`, with `N` columns of Y, from `j`:
/// `Σᵣ X[r, i + a] · Y[r, j + b]`.
#[inline(always)]
pub(super) fn outer_sum<T: Real, S: Isa, const M: usize, const N: usize>(
    (x, x_stride, i): (&[T], usize, usize),
    (y, y_stride, j): (&[T], usize, usize),
) -> [[T; N]; M] {
    let mut sums = [[T::ZERO; N]; M];
    for (x, y) in x.chunks_exact(x_stride).zip(y.chunks_exact(y_stride)) {
        let (Some(x), Some(y)) = (x[i..].first_chunk::<M>(), y[j..].first_chunk::<N>()) else {
            break;
        };
        for a in 0..M {
            for b in 0..N {
                sums[a][b] = x[a].fma::<S>(y[b], sums[a][b]);
            }
        }
    }
    sums
}
