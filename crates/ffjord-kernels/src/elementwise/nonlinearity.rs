//! The nonlinear functions: value, derivative, and what the reverse pass needs of the second derivative.

use super::exponential::{
    Rounded, exp_m1_of_nonpositive, exp_of_nonpositive, halves_of_exp_m1_and_exp, ln_1p_of_unit, product,
    scaled_exp_of_nonpositive,
};
use crate::Real;
use crate::simd::Isa;

/// What a forward pass has to keep of a nonlinearity y = φ(x) for the reverse pass.
///
/// ```
/// use ffjord_kernels::elementwise::{Function, Saved};
/// // 1 − y² is the slope of tanh; that of x² needs x.
/// assert_eq!(Function::<f64>::Tanh.saved(), Saved::Output);
/// assert_eq!(Function::<f64>::Square.saved(), Saved::Input);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Saved {
    /// y and its tangents, which the next layer's weight gradient needs anyway.
    Output,
    /// As [`Saved::Output`], and φ'(x).
    OutputAndSlope,
    /// x and its tangents.
    Input,
}

/// A scalar function y = φ(x) with its first two derivatives.
pub(crate) trait Nonlinearity<T: Real>: Copy {
    /// What [`Nonlinearity::slope_and_curvature`] is computed from.
    const SAVED: Saved;

    /// φ(x).
    fn value<S: Isa>(self, x: T) -> T;

    /// (φ(x), φ'(x)).
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T);

    /// (φ'(x), c) from what was saved, where c times the saved tangent is φ''(x) dx.
    ///
    /// So c is φ''(x) where the input is saved and φ''(x) / φ'(x) where the output is: functions with that quotient in
    /// closed form need not keep their input.
    fn slope_and_curvature<S: Isa>(self, saved: T, slope: T) -> (T, T);

    /// (∂φ/∂β, ∂φ'/∂β) at x for a function with a parameter β.
    #[inline(always)]
    fn parameter_slopes<S: Isa>(self, _x: T) -> (T, T) {
        (T::ZERO, T::ZERO)
    }
}

/// y = x.
#[derive(Clone, Copy)]
pub(crate) struct Identity;
/// y = max(x, 0).
#[derive(Clone, Copy)]
pub(crate) struct Relu;
/// y = x².
#[derive(Clone, Copy)]
pub(crate) struct Square;
/// y = tanh x.
#[derive(Clone, Copy)]
pub(crate) struct Tanh;
/// y = 1 / (1 + e⁻ˣ).
#[derive(Clone, Copy)]
pub(crate) struct Sigmoid;
/// y = ln(1 + eˣ).
#[derive(Clone, Copy)]
pub(crate) struct Softplus;
/// y = x for x > 0, else eˣ − 1.
#[derive(Clone, Copy)]
pub(crate) struct Elu;
/// y = x σ(β x).
#[derive(Clone, Copy)]
pub(crate) struct Swish<T> {
    pub(crate) beta: T,
}

/// One for positive y, `below(y)` for negative y and zero, and NaN for NaN.
#[inline(always)]
fn one_if_positive<T: Real>(y: T, otherwise: T) -> T {
    if y > T::ZERO {
        T::ONE
    } else if y <= T::ZERO {
        otherwise
    } else {
        y
    }
}

impl<T: Real> Nonlinearity<T> for Identity {
    const SAVED: Saved = Saved::Output;
    #[inline(always)]
    fn value<S: Isa>(self, x: T) -> T {
        x
    }
    #[inline(always)]
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T) {
        (x, T::ONE)
    }
    #[inline(always)]
    fn slope_and_curvature<S: Isa>(self, _y: T, _slope: T) -> (T, T) {
        (T::ONE, T::ZERO)
    }
}

impl<T: Real> Nonlinearity<T> for Relu {
    const SAVED: Saved = Saved::Output;
    #[inline(always)]
    fn value<S: Isa>(self, x: T) -> T {
        if x <= T::ZERO { T::ZERO } else { x }
    }
    #[inline(always)]
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T) {
        (self.value::<S>(x), one_if_positive(x, T::ZERO))
    }
    #[inline(always)]
    fn slope_and_curvature<S: Isa>(self, y: T, _slope: T) -> (T, T) {
        (one_if_positive(y, T::ZERO), T::ZERO)
    }
}

impl<T: Real> Nonlinearity<T> for Square {
    const SAVED: Saved = Saved::Input;
    #[inline(always)]
    fn value<S: Isa>(self, x: T) -> T {
        x * x
    }
    #[inline(always)]
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T) {
        (x * x, x + x)
    }
    #[inline(always)]
    fn slope_and_curvature<S: Isa>(self, x: T, _slope: T) -> (T, T) {
        (x + x, T::TWO)
    }
}

impl<T: Real> Nonlinearity<T> for Tanh {
    const SAVED: Saved = Saved::Output;
    #[inline(always)]
    fn value<S: Isa>(self, x: T) -> T {
        // With e = exp(−2 |x|) and h = (e − 1) / 2, −|y| = h / (1 + h). Written as |y| = 1 − e / (1 + h) only the last
        // rounding counts, and while |y| is small, as −|y| = h + h |y|, the quotient's error counts for the last term.
        let (parts, half_e) = halves_of_exp_m1_and_exp::<T, S>(-T::TWO * x.abs());
        let h = parts.value + parts.rest;
        let small = h > T::TANH_HALF;
        let quotient = (if small { h } else { half_e }) / (T::ONE + h);
        let refined = parts.value + (-h).fma::<S>(quotient, parts.rest);
        (if small {
            refined
        } else {
            (-T::TWO).fma::<S>(quotient, T::ONE)
        })
        .copysign(x)
    }
    #[inline(always)]
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T) {
        let y = self.value::<S>(x);
        (y, (-y).fma::<S>(y, T::ONE))
    }
    #[inline(always)]
    fn slope_and_curvature<S: Isa>(self, y: T, _slope: T) -> (T, T) {
        ((-y).fma::<S>(y, T::ONE), -T::TWO * y)
    }
}

/// σ(x), given σ(−|x|).
#[inline(always)]
fn sigmoid_of_lower<T: Real>(x: T, lower: T) -> T {
    if x >= T::ZERO { T::ONE - lower } else { lower }
}

/// σ(−|x|), given u = e^(−|x|).
///
/// Written as u / (1 + u) = u − u σ, which takes the quotient's error for σ times u.
#[inline(always)]
fn lower_sigmoid<T: Real, S: Isa>(u: T) -> T {
    (-u).fma::<S>(u / (T::ONE + u), u)
}

/// σ(−|x|) / `scale` in two parts, given u = e^(−|x|) / `scale`.
///
/// The rest is what the quotient u / (1 + u) leaves of u, over 1 + u.
#[inline(always)]
fn lower_sigmoid_in_parts<T: Real, S: Isa>(u: Rounded<T>, scale: T) -> Rounded<T> {
    let true_u = u.value * scale;
    let value = u.value / (T::ONE + true_u);
    let left = (-true_u).fma::<S>(value, u.value - value);
    let inverse = T::ONE - value * scale;
    Rounded {
        value,
        rest: inverse * inverse.fma::<S>(u.rest, left),
    }
}

/// σ' = σ − σ², given σ(−|x|) in two parts.
#[inline(always)]
fn slope_of_parts<T: Real, S: Isa>(lower: Rounded<T>) -> T {
    let sum = lower.value + lower.rest;
    lower.value + (-sum).fma::<S>(sum, lower.rest)
}

/// (σ(x), σ'(x)).
#[inline(always)]
fn sigmoid<T: Real, S: Isa>(x: T) -> (T, T) {
    let u = exp_of_nonpositive::<T, S>(-x.abs());
    let slope = slope_of_parts::<T, S>(lower_sigmoid_in_parts::<T, S>(u, T::ONE));
    (sigmoid_of_lower(x, lower_sigmoid::<T, S>(u.value)), slope)
}

impl<T: Real> Nonlinearity<T> for Sigmoid {
    const SAVED: Saved = Saved::OutputAndSlope;
    #[inline(always)]
    fn value<S: Isa>(self, x: T) -> T {
        sigmoid::<T, S>(x).0
    }
    #[inline(always)]
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T) {
        sigmoid::<T, S>(x)
    }
    #[inline(always)]
    fn slope_and_curvature<S: Isa>(self, y: T, slope: T) -> (T, T) {
        (slope, T::ONE - T::TWO * y)
    }
}

impl<T: Real> Nonlinearity<T> for Softplus {
    const SAVED: Saved = Saved::OutputAndSlope;
    #[inline(always)]
    fn value<S: Isa>(self, x: T) -> T {
        self.value_and_slope::<S>(x).0
    }
    #[inline(always)]
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T) {
        let u = exp_of_nonpositive::<T, S>(-x.abs());
        let positive = if x > T::ZERO { x } else { T::ZERO };
        let slope = sigmoid_of_lower(x, lower_sigmoid::<T, S>(u.value));
        let logarithm = ln_1p_of_unit::<T, S>(u);
        (logarithm.value + (positive + logarithm.rest), slope)
    }
    #[inline(always)]
    fn slope_and_curvature<S: Isa>(self, _y: T, slope: T) -> (T, T) {
        (slope, T::ONE - slope)
    }
}

impl<T: Real> Nonlinearity<T> for Elu {
    const SAVED: Saved = Saved::Output;
    #[inline(always)]
    fn value<S: Isa>(self, x: T) -> T {
        let (e_m1, _) = exp_m1_of_nonpositive::<T, S>(-x.abs());
        if x > T::ZERO { x } else { e_m1.copysign(x) }
    }
    #[inline(always)]
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T) {
        let (e_m1, e) = exp_m1_of_nonpositive::<T, S>(-x.abs());
        (if x > T::ZERO { x } else { e_m1.copysign(x) }, one_if_positive(x, e))
    }
    #[inline(always)]
    fn slope_and_curvature<S: Isa>(self, y: T, _slope: T) -> (T, T) {
        (
            one_if_positive(y, y + T::ONE),
            if y > T::ZERO { T::ZERO } else { T::ONE },
        )
    }
}

/// The number itself unless its exponential has vanished: then zero, so that the product with it is no NaN.
#[inline(always)]
fn bounded<T: Real>(x: T) -> T {
    if x.abs() > -T::EXP_UNDERFLOW { T::ZERO } else { x }
}

impl<T: Real> Swish<T> {
    /// β x, and σ(−|β x|) / [`Real::EXP_SCALE`], which makes good for the rounding of β x.
    #[inline(always)]
    fn lower<S: Isa>(self, x: T) -> (T, Rounded<T>) {
        let bx = product::<T, S>(self.beta, x);
        let u = scaled_exp_of_nonpositive::<T, S>(-bx.value.abs());
        let size_rest = if bx.value >= T::ZERO { -bx.rest } else { bx.rest };
        let u = Rounded {
            value: u.value,
            rest: u.value.fma::<S>(size_rest, u.rest),
        };
        (bx.value, lower_sigmoid_in_parts::<T, S>(u, T::EXP_SCALE))
    }

    /// x σ(β x), with σ in two parts and so with one rounding.
    #[inline(always)]
    fn value_of_lower<S: Isa>(x: T, bx: T, lower: Rounded<T>) -> T {
        let positive = bx >= T::ZERO;
        let (low, low_rest) = (lower.value * T::EXP_SCALE, lower.rest * T::EXP_SCALE);
        let high = T::ONE - low;
        let high_rest = ((T::ONE - high) - low) - low_rest;
        let gate = if positive { high } else { lower.value };
        let gate_rest = if positive { high_rest } else { lower.rest };
        let scale = if positive { T::ONE } else { T::EXP_SCALE };
        let y = x.fma::<S>(gate, x * gate_rest) * scale;
        // Far out there may be infinities, and beyond them NaN.
        let y = if bx > -T::EXP_UNDERFLOW { x } else { y };
        if bx < T::EXP_UNDERFLOW { T::ZERO } else { y }
    }
}

impl<T: Real> Nonlinearity<T> for Swish<T> {
    const SAVED: Saved = Saved::Input;
    #[inline(always)]
    fn value<S: Isa>(self, x: T) -> T {
        let (bx, lower) = self.lower::<S>(x);
        Self::value_of_lower::<S>(x, bx, lower)
    }
    #[inline(always)]
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T) {
        let (bx, lower) = self.lower::<S>(x);
        let parts = Rounded {
            value: lower.value * T::EXP_SCALE,
            rest: lower.rest * T::EXP_SCALE,
        };
        let sigmoid = sigmoid_of_lower(bx, parts.value + parts.rest);
        (
            Self::value_of_lower::<S>(x, bx, lower),
            bounded(bx).fma::<S>(slope_of_parts::<T, S>(parts), sigmoid),
        )
    }
    #[inline(always)]
    fn slope_and_curvature<S: Isa>(self, x: T, _slope: T) -> (T, T) {
        let (sigmoid, slope) = sigmoid::<T, S>(self.beta * x);
        let bx = bounded(self.beta * x);
        let curvature = self.beta * slope * bx.fma::<S>(T::ONE - T::TWO * sigmoid, T::TWO);
        (bx.fma::<S>(slope, sigmoid), curvature)
    }
    #[inline(always)]
    fn parameter_slopes<S: Isa>(self, x: T) -> (T, T) {
        let bx = self.beta * x;
        let (sigmoid, slope) = sigmoid::<T, S>(bx);
        let x_slope = x * slope;
        (x * x_slope, x_slope * bx.fma::<S>(T::ONE - T::TWO * sigmoid, T::TWO))
    }
}
