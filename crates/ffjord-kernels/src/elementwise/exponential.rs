//! The exponential and its relatives, without branches or library calls, so that loops over them vectorise.
//!
//! eˣ = 2ⁿ eʳ with n = round(x / ln 2) and |r| ≤ ½ ln 2; ln(1 + u) = 2 atanh s with s = u / (u + 2),
//! which is u − s (u − 2 (s² / 3 + s⁴ / 5 + …)). A NaN goes through all of
//! them: comparisons are written so that it takes the side on which it is kept.

use crate::Real;
use crate::simd::Isa;

#[inline(always)]
fn polynomial<T: Real, S: Isa>(coefficients: &'static [T], x: T) -> T {
    let mut sum = coefficients[0];
    for &coefficient in &coefficients[1..] {
        sum = sum.fma::<S>(x, coefficient);
    }
    sum
}

/// The sum of [`Real::ROUNDER`] and n, then n itself, then eʳ − 1.
#[inline(always)]
fn reduced<T: Real, S: Isa>(x: T) -> (T, T, T) {
    let rounded = x.fma::<S>(T::LOG2_E, T::ROUNDER);
    let n = rounded - T::ROUNDER;
    let r = (-n).fma::<S>(T::LN_2_HIGH, x);
    let r = (-n).fma::<S>(T::LN_2_LOW, r);
    let higher = polynomial::<T, S>(T::EXP_COEFFICIENTS, r);
    (rounded, n, (r * r).fma::<S>(higher, r))
}

/// eˣ for x ≤ 0, gradually to zero through the subnormal numbers.
#[inline(always)]
pub(super) fn exp_of_nonpositive<T: Real, S: Isa>(x: T) -> T {
    let x = if x < T::EXP_UNDERFLOW { T::EXP_UNDERFLOW } else { x };
    let (_, n, e) = reduced::<T, S>(x);
    // 2ⁿ may be too small for a normal number: scale in two steps, of which only the last one can round.
    let first = n.fma::<S>(T::HALF, T::ROUNDER);
    let second = (n - (first - T::ROUNDER)) + T::ROUNDER;
    let scale = first.exp2_of_rounded();
    e.fma::<S>(scale, scale) * second.exp2_of_rounded()
}

/// (eˣ − 1, eˣ) for x ≤ 0; eˣ ends at a small normal number, where eˣ − 1 has been −1 for long.
#[inline(always)]
pub(super) fn exp_m1_of_nonpositive<T: Real, S: Isa>(x: T) -> (T, T) {
    let x = if x < T::EXP_M1_SATURATED {
        T::EXP_M1_SATURATED
    } else {
        x
    };
    let (rounded, _, e) = reduced::<T, S>(x);
    let scale = rounded.exp2_of_rounded();
    (e.fma::<S>(scale, scale - T::ONE), e.fma::<S>(scale, scale))
}

/// ln(1 + u) for 0 ≤ u ≤ 1.
///
/// Written as u minus a correction, so that the rounding of s counts for that alone.
#[inline(always)]
pub(super) fn ln_1p_of_unit<T: Real, S: Isa>(u: T) -> T {
    let s = u / (u + T::TWO);
    let z = s * s;
    let higher = (z + z) * polynomial::<T, S>(T::ATANH_COEFFICIENTS, z);
    (-s).fma::<S>(u - higher, u)
}
