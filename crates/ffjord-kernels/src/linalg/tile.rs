//! The register tiles: the innermost loops of the matrix products.

use crate::Real;
use crate::simd::Isa;

/// Some rows of A times one panel of packed B, starting from `start`: returns
/// `start + Σₖ rows[i][k] · panel[k][j]`. All rows are at least as long as the panel.
///
/// The rows are walked with nested zips because the compiler then drops every bounds check from the inner loop, which
/// it does not for an array of slices.
macro_rules! rows_times_panel {
    ($name:ident, $count:literal, $first:ident $(, $row:ident)*) => {
        #[inline(always)]
        pub(super) fn $name<T: Real, S: Isa, const N: usize>(
            [$first, $($row),*]: [&[T]; $count],
            panel: &[[T; N]],
            start: &[T; N],
        ) -> [[T; N]; $count] {
            let mut sums = [*start; $count];
            let steps = panel.iter().zip($first)$(.zip($row))*;
            for rows_times_panel!(@pattern (weights, $first) $(, $row)*) in steps {
                for (&a, sums) in [$first, $($row),*].into_iter().zip(&mut sums) {
                    for j in 0..N {
                        sums[j] = a.fma::<S>(weights[j], sums[j]);
                    }
                }
            }
            sums
        }
    };
    (@pattern $done:pat) => { $done };
    (@pattern $done:pat, $next:ident $(, $rest:ident)*) => { rows_times_panel!(@pattern ($done, $next) $(, $rest)*) };
}

rows_times_panel!(six_rows_times_panel, 6, a, b, c, d, e, f);
rows_times_panel!(eight_rows_times_panel, 8, a, b, c, d, e, f, g, h);

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
