//! Winograd's transforms along one side of a tile (Lavin and Gray, CVPR 2016): y = Aᵀ [(G g) ⊙ (Bᵀ d)] for two pixels y.

use crate::Real;

/// The pixels of one image that a tile has along a side.
pub(super) const PIXELS: usize = 2;

/// `L` channels of one pixel or term.
pub(super) type Vector<T, const L: usize> = [T; L];

/// A transform of `R` taps to `N` terms, which `N` pixels of the other image take part in.
pub(super) trait Transform<const N: usize, const R: usize> {
    /// Bᵀ d.
    fn spread<T: Real, const L: usize>(pixels: [Vector<T, L>; N]) -> [Vector<T, L>; N];

    /// Aᵀ m.
    fn collect<T: Real, const L: usize>(terms: [Vector<T, L>; N]) -> [Vector<T, L>; PIXELS];

    /// A ȳ, the adjoint of [`collect`](Self::collect).
    fn give_back<T: Real, const L: usize>(pixels: [Vector<T, L>; PIXELS]) -> [Vector<T, L>; N];

    /// G g.
    fn kernel<T: Real>(taps: [T; R]) -> [T; N];

    /// Gᵀ ū, the adjoint of [`kernel`](Self::kernel).
    fn taps<T: Real, const L: usize>(terms: [Vector<T, L>; N]) -> [Vector<T, L>; R];
}

/// Three taps, with the points 0, 1, −1 and ∞: the entries of A and B are 0, 1 and −1 and those of G 0, 1 and ±½, so that
/// little accuracy is lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreeTaps;

impl Transform<4, 3> for ThreeTaps {
    #[inline(always)]
    fn spread<T: Real, const L: usize>([a, b, c, d]: [Vector<T, L>; 4]) -> [Vector<T, L>; 4] {
        [minus(a, c), plus(b, c), minus(c, b), minus(b, d)]
    }

    #[inline(always)]
    fn collect<T: Real, const L: usize>([a, b, c, d]: [Vector<T, L>; 4]) -> [Vector<T, L>; PIXELS] {
        [plus(plus(a, b), c), minus(minus(b, c), d)]
    }

    #[inline(always)]
    fn give_back<T: Real, const L: usize>([a, b]: [Vector<T, L>; PIXELS]) -> [Vector<T, L>; 4] {
        [a, plus(a, b), minus(a, b), minus([T::ZERO; L], b)]
    }

    #[inline(always)]
    fn kernel<T: Real>([a, b, c]: [T; 3]) -> [T; 4] {
        let (ends, middle) = ((a + c) * T::HALF, b * T::HALF);
        [a, ends + middle, ends - middle, c]
    }

    #[inline(always)]
    fn taps<T: Real, const L: usize>([a, b, c, d]: [Vector<T, L>; 4]) -> [Vector<T, L>; 3] {
        let sum = times(plus(b, c), T::HALF);
        let difference = times(minus(b, c), T::HALF);
        [plus(a, sum), difference, plus(sum, d)]
    }
}

/// Five taps, with the points 0, 1, −1, 2, −2 and ∞: factors up to 16, which cost a digit:
/// single precision keeps 5e-6 of the largest number.
#[derive(Clone, Copy, Debug)]
pub(super) struct FiveTaps;

impl Transform<6, 5> for FiveTaps {
    #[inline(always)]
    fn spread<T: Real, const L: usize>([a, b, c, d, e, f]: [Vector<T, L>; 6]) -> [Vector<T, L>; 6] {
        let (four, five) = (T::from_f64(4.0), T::from_f64(5.0));
        let (even_at_1, odd_at_1) = (minus(e, times(c, four)), minus(d, times(b, four)));
        let (even_at_2, odd_at_2) = (minus(e, c), times(minus(d, b), T::TWO));
        [
            plus(minus(times(a, four), times(c, five)), e),
            plus(even_at_1, odd_at_1),
            minus(even_at_1, odd_at_1),
            plus(even_at_2, odd_at_2),
            minus(even_at_2, odd_at_2),
            plus(minus(times(b, four), times(d, five)), f),
        ]
    }

    #[inline(always)]
    fn collect<T: Real, const L: usize>([a, b, c, d, e, f]: [Vector<T, L>; 6]) -> [Vector<T, L>; PIXELS] {
        let even = plus(plus(b, c), plus(d, e));
        let odd = plus(minus(b, c), times(minus(d, e), T::TWO));
        [plus(a, even), plus(odd, f)]
    }

    #[inline(always)]
    fn give_back<T: Real, const L: usize>([a, b]: [Vector<T, L>; PIXELS]) -> [Vector<T, L>; 6] {
        let twice = times(b, T::TWO);
        [a, plus(a, b), minus(a, b), plus(a, twice), minus(a, twice), b]
    }

    #[inline(always)]
    fn kernel<T: Real>([a, b, c, d, e]: [T; 5]) -> [T; 6] {
        let (quarter, sixth, small) = (T::from_f64(0.25), T::from_f64(1.0 / 6.0), T::from_f64(1.0 / 24.0));
        let (four, eight, sixteen) = (T::from_f64(4.0), T::from_f64(8.0), T::from_f64(16.0));
        let (even_at_1, odd_at_1) = ((a + c + e) * sixth, (b + d) * sixth);
        let even_at_2 = (a + c * four + e * sixteen) * small;
        let odd_at_2 = (b * T::TWO + d * eight) * small;
        [
            a * quarter,
            -(even_at_1 + odd_at_1),
            odd_at_1 - even_at_1,
            even_at_2 + odd_at_2,
            even_at_2 - odd_at_2,
            e,
        ]
    }

    #[inline(always)]
    fn taps<T: Real, const L: usize>([a, b, c, d, e, f]: [Vector<T, L>; 6]) -> [Vector<T, L>; 5] {
        let (quarter, sixth, small) = (T::from_f64(0.25), T::from_f64(-1.0 / 6.0), T::from_f64(1.0 / 24.0));
        let (four, eight, sixteen) = (T::from_f64(4.0), T::from_f64(8.0), T::from_f64(16.0));
        let (even_at_1, odd_at_1) = (times(plus(b, c), sixth), times(minus(b, c), sixth));
        let (even_at_2, odd_at_2) = (times(plus(d, e), small), times(minus(d, e), small));
        [
            plus(times(a, quarter), plus(even_at_1, even_at_2)),
            plus(odd_at_1, times(odd_at_2, T::TWO)),
            plus(even_at_1, times(even_at_2, four)),
            plus(odd_at_1, times(odd_at_2, eight)),
            plus(plus(even_at_1, times(even_at_2, sixteen)), f),
        ]
    }
}

#[inline(always)]
fn plus<T: Real, const L: usize>(mut a: Vector<T, L>, b: Vector<T, L>) -> Vector<T, L> {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
    a
}

#[inline(always)]
fn minus<T: Real, const L: usize>(mut a: Vector<T, L>, b: Vector<T, L>) -> Vector<T, L> {
    for (a, b) in a.iter_mut().zip(b) {
        *a -= b;
    }
    a
}

#[inline(always)]
fn times<T: Real, const L: usize>(mut a: Vector<T, L>, factor: T) -> Vector<T, L> {
    for a in &mut a {
        *a *= factor;
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two pixels that a kernel makes of a line, by the transform and by the sums.
    fn check<const N: usize, const R: usize, F: Transform<N, R>>() {
        let number = |i: usize| ((i * 37 + 11) % 23) as f64 / 7.0 - 1.5;
        let taps: [f64; R] = std::array::from_fn(number);
        let line: [[f64; 1]; N] = std::array::from_fn(|i| [number(i + 9)]);
        let (kernel, mut terms) = (F::kernel(taps), F::spread(line));
        for (term, factor) in terms.iter_mut().zip(kernel) {
            term[0] *= factor;
        }
        let pixels = F::collect(terms);
        for (i, [pixel]) in pixels.into_iter().enumerate() {
            let sum: f64 = taps.iter().zip(&line[i..]).map(|(tap, [d])| tap * d).sum();
            assert!((pixel - sum).abs() < 1e-12, "{N} terms, pixel {i}: {pixel} but {sum}");
        }
        // ⟨A ȳ, m⟩ = ⟨ȳ, Aᵀ m⟩ and ⟨Gᵀ ū, g⟩ = ⟨ū, G g⟩.
        let cotangent = [[0.7], [-1.3]];
        let dot = |a: &[[f64; 1]], b: &[[f64; 1]]| a.iter().zip(b).map(|([a], [b])| a * b).sum::<f64>();
        let given_back = dot(&F::give_back(cotangent), &terms);
        assert!((given_back - dot(&cotangent, &pixels)).abs() < 1e-12, "{N} terms");
        let of_taps = dot(&F::taps(terms), &taps.map(|tap| [tap]));
        assert!(
            (of_taps - dot(&terms, &kernel.map(|term| [term]))).abs() < 1e-12,
            "{N} terms"
        );
    }

    #[test]
    fn transforms_make_convolutions_and_adjoints_are_adjoint() {
        check::<4, 3, ThreeTaps>();
        check::<6, 5, FiveTaps>();
    }
}
