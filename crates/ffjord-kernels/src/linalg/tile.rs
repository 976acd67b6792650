//! The register tiles: the innermost loops of the matrix products.

use crate::Real;
use crate::simd::Isa;
use std::hint::black_box;

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
/// drops all bounds checks from the inner loop. So is every row of sums: an array of them lands on the stack in some
/// sizes of tile, and is then some thirty times slower.
macro_rules! row_tile {
    ($name:ident, $count:literal, $($row:ident $sums:ident $index:literal),*) => {
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
                $(
                    let $row = &a[if $index < last { $index } else { last } * stride..][..depth];
                    let mut $sums = *start;
                )*
                for k in 0..depth {
                    let weights = panel[k];
                    $(
                        for j in 0..N {
                            $sums[j] = $row[k].fma::<S>(weights[j], $sums[j]);
                        }
                    )*
                }
                [$($sums),*]
            }
        }
    };
}

row_tile!(SixRows, 6, r0 s0 0, r1 s1 1, r2 s2 2, r3 s3 3, r4 s4 4, r5 s5 5);
row_tile!(EightRows, 8, r0 s0 0, r1 s1 1, r2 s2 2, r3 s3 3, r4 s4 4, r5 s5 5, r6 s6 6, r7 s7 7);

/// A register tile for sums of outer products of `M` columns of X.
pub(super) trait OuterTile<const M: usize> {
    /// Adds outer products of `M` columns of X, from `i`, with `N` columns of Y, from `j`, over all rows: returns
    /// `start + Σᵣ X[r, i + a] · Y[r, j + b]`.
    fn plus_outer<T: Real, S: Isa, const N: usize>(
        start: [[T; N]; M],
        x: (&[T], usize, usize),
        y: (&[T], usize, usize),
    ) -> [[T; N]; M];
}

/// Variables of their own here too.
macro_rules! outer_tile {
    ($name:ident, $count:literal, $($sums:ident $index:literal),*) => {
        pub(super) struct $name;

        impl OuterTile<$count> for $name {
            #[inline(always)]
            fn plus_outer<T: Real, S: Isa, const N: usize>(
                start: [[T; N]; $count],
                (x, x_stride, i): (&[T], usize, usize),
                (y, y_stride, j): (&[T], usize, usize),
            ) -> [[T; N]; $count] {
                $(let mut $sums = start[$index];)*
                let (mut x, mut y) = (&x[i..], &y[j..]);
                while let (Some(a), Some(b)) = (x.first_chunk::<$count>(), y.first_chunk::<N>()) {
                    $(
                        for k in 0..N {
                            $sums[k] = a[$index].fma::<S>(b[k], $sums[k]);
                        }
                    )*
                    let (Some(next_x), Some(next_y)) = (x.get(x_stride..), y.get(y_stride..)) else {
                        break;
                    };
                    (x, y) = (next_x, next_y);
                }
                [$($sums),*]
            }
        }
    };
}

outer_tile!(OneColumn, 1, s0 0);
outer_tile!(TwoColumns, 2, s0 0, s1 1);
outer_tile!(SixColumns, 6, s0 0, s1 1, s2 2, s3 3, s4 4, s5 5);
outer_tile!(EightColumns, 8, s0 0, s1 1, s2 2, s3 3, s4 4, s5 5, s6 6, s7 7);

/// Rows in a tile with interleaved columns.
pub(super) const NARROW_ROWS: usize = 8;

/// Eight rows of A, cut to `depth`, times few columns of B, `P` of its rows at a time: returns vectors in which `P` sums
/// after one another add up to one product.
///
/// `interleaved` holds for every `P` rows of B the first column's `P` entries, then the second's. The last `P` rows reach
/// back where the depth is no multiple of `P`, and have zeros in place of those that were there before. The rows of A are
/// `stride` apart; rows behind row `last` repeat it.
#[inline(always)]
pub(super) fn times_interleaved<T: Real, S: Isa, const P: usize, const L: usize>(
    a: &[T],
    (stride, depth): (usize, usize),
    last: usize,
    interleaved: &[[T; L]],
) -> [[T; L]; NARROW_ROWS] {
    macro_rules! tile {
        ($($row:ident $sums:ident $index:literal),*) => {{
            $(
                let $row = &a[if $index < last { $index } else { last } * stride..][..depth];
                let mut $sums = [T::ZERO; L];
            )*
            let (mut k, last_k) = (0, depth - P);
            for weights in interleaved {
                $(
                    let Some(numbers) = $row[k..].first_chunk::<P>() else { break };
                    $sums = plus_repeated::<T, S, P, L>(numbers, weights, $sums);
                )*
                k = (k + P).min(last_k);
            }
            // Through memory: otherwise the compiler makes vectors of what is added up of several rows later.
            black_box([$($sums),*])
        }};
    }
    tile!(r0 s0 0, r1 s1 1, r2 s2 2, r3 s3 3, r4 s4 4, r5 s5 5, r6 s6 6, r7 s7 7)
}

/// Adds products with `numbers`, repeated to the length of the vector.
#[inline(always)]
fn plus_repeated<T: Real, S: Isa, const P: usize, const L: usize>(
    numbers: &[T; P],
    weights: &[T; L],
    mut sums: [T; L],
) -> [T; L] {
    for i in 0..L {
        sums[i] = numbers[i % P].fma::<S>(weights[i], sums[i]);
    }
    sums
}

/// The sum of `P` numbers, halves added to each other until one is left.
#[inline(always)]
pub(super) fn sum<T: Real, const P: usize>(numbers: &[T; P]) -> T {
    let mut numbers = *numbers;
    let mut half = P / 2;
    while half > 0 {
        for i in 0..half {
            numbers[i] += numbers[i + half];
        }
        half /= 2;
    }
    numbers[0]
}
