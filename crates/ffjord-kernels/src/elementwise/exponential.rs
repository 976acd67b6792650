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

/// The parts of eˣ = 2ⁿ eʳ: a power of two, r, and eʳ − 1 − r as a product of two factors.
struct Reduced<T> {
    scale: T,
    r: T,
    square: T,
    higher: T,
}

impl<T: Real> Reduced<T> {
    /// Of an `x` that is not below `least`, with 2ⁿ as `rounder` leaves it.
    #[inline(always)]
    fn new<S: Isa>(x: T, least: T, rounder: T) -> Self {
        let x = if x < least { least } else { x };
        let rounded = x.fma::<S>(T::LOG2_E, rounder);
        let n = rounded - rounder;
        let r = (-n).fma::<S>(T::LN_2_HIGH, x);
        let r = (-n).fma::<S>(T::LN_2_LOW, r);
        Self {
            scale: rounded.exp2_of_rounded(),
            r,
            square: r * r,
            higher: polynomial::<T, S>(T::EXP_COEFFICIENTS, r),
        }
    }

    /// eʳ − 1.
    #[inline(always)]
    fn exp_m1<S: Isa>(&self) -> T {
        self.square.fma::<S>(self.higher, self.r)
    }
}

/// A number and what its rounding left out.
#[derive(Clone, Copy)]
pub(super) struct Rounded<T> {
    pub(super) value: T,
    pub(super) rest: T,
}

/// eˣ / [`Real::EXP_SCALE`] for x ≤ 0, which is a normal number until eˣ has vanished.
#[inline(always)]
pub(super) fn scaled_exp_of_nonpositive<T: Real, S: Isa>(x: T) -> Rounded<T> {
    let reduced = Reduced::new::<S>(x, T::EXP_UNDERFLOW, T::SCALED_ROUNDER);
    let (e, scale) = (reduced.exp_m1::<S>(), reduced.scale);
    let value = e.fma::<S>(scale, scale);
    Rounded {
        value,
        rest: e.fma::<S>(scale, scale - value),
    }
}

/// eˣ for x ≤ 0, gradually to zero through the subnormal numbers.
#[inline(always)]
pub(super) fn exp_of_nonpositive<T: Real, S: Isa>(x: T) -> Rounded<T> {
    let u = scaled_exp_of_nonpositive::<T, S>(x);
    Rounded {
        value: u.value * T::EXP_SCALE,
        rest: u.rest * T::EXP_SCALE,
    }
}

/// (eˣ − 1, eˣ) for x ≤ 0, eˣ gradually to zero through the subnormal numbers.
#[inline(always)]
pub(super) fn exp_m1_of_nonpositive<T: Real, S: Isa>(x: T) -> (T, T) {
    let reduced = Reduced::new::<S>(x, T::EXP_UNDERFLOW, T::SCALED_ROUNDER);
    let e = reduced.exp_m1::<S>();
    let scale = reduced.scale * T::EXP_SCALE;
    (
        e.fma::<S>(scale, scale - T::ONE),
        e.fma::<S>(reduced.scale, reduced.scale) * T::EXP_SCALE,
    )
}

/// Halves of eˣ − 1, with its rest, and of eˣ for x ≤ 0; eˣ ends at a small normal number, where eˣ − 1 has been −1 for
/// long.
///
/// The value is the part of eˣ − 1 = (2ⁿ − 1 + 2ⁿ r) + 2ⁿ (eʳ − 1 − r) in the first brackets.
#[inline(always)]
pub(super) fn halves_of_exp_m1_and_exp<T: Real, S: Isa>(x: T) -> (Rounded<T>, T) {
    let Reduced {
        scale,
        r,
        square,
        higher,
    } = Reduced::new::<S>(x, T::EXP_M1_SATURATED, T::ROUNDER - T::ONE);
    let (tail, less) = (square * higher, scale - T::HALF);
    let value = r.fma::<S>(scale, less);
    let lost = r.fma::<S>(scale, less - value);
    let parts = Rounded {
        value,
        rest: scale.fma::<S>(tail, lost),
    };
    (parts, (r + tail).fma::<S>(scale, scale))
}

/// a · b with what the rounding left out, as far as that is a small number.
#[inline(always)]
pub(super) fn product<T: Real, S: Isa>(a: T, b: T) -> Rounded<T> {
    let value = a * b;
    let rest = if S::FMA {
        a.fma::<S>(b, -value)
    } else {
        // Dekker (1971): halves of a number have exact products.
        let halves = |x: T| {
            let shifted = x * T::SPLITTER;
            let high = shifted - (shifted - x);
            (high, x - high)
        };
        let ((a_high, a_low), (b_high, b_low)) = (halves(a), halves(b));
        ((a_high * b_high - value) + a_high * b_low + a_low * b_high) + a_low * b_low
    };
    Rounded {
        value,
        rest: if rest.abs() < T::ONE { rest } else { T::ZERO },
    }
}

/// ln(1 + u) for 0 ≤ u ≤ 1.
///
/// Written as u minus a correction, so that the rounding of s counts for that alone. Without a fused product, which
/// rounds once, the rests of u (with the weight that it has at u = 1) and of the sum make up for the second rounding.
#[inline(always)]
pub(super) fn ln_1p_of_unit<T: Real, S: Isa>(u: Rounded<T>) -> Rounded<T> {
    let Rounded { value: u, rest } = u;
    let s = u / (u + T::TWO);
    let z = s * s;
    let higher = (z + z) * polynomial::<T, S>(T::ATANH_COEFFICIENTS, z);
    if S::FMA {
        let value = (-s).fma::<S>(u - higher, u);
        return Rounded { value, rest: -T::ZERO };
    }
    let correction = T::HALF * rest - s * (u - higher);
    let value = u + correction;
    Rounded {
        value,
        rest: correction - (value - u),
    }
}
