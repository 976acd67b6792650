//! The nonlinear functions: value, derivative, and what the reverse pass needs of the second derivative.

use super::exponential::{exp_m1_of_nonpositive, exp_of_nonpositive, ln_1p_of_unit};
use crate::Real;
use crate::simd::Isa;

/// What a forward pass has to keep of a nonlinearity y = φ(x) for the reverse pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        // With e = exp(−2 |x|): (1 − e) / (1 + e) while that is small, else 1 − 2 e / (1 + e), where only the last
        // rounding counts.
        let (e_m1, e) = exp_m1_of_nonpositive::<T, S>(-T::TWO * x.abs());
        let small = e_m1 > T::TANH_HALF;
        let quotient = (if small { -e_m1 } else { e + e }) / (e_m1 + T::TWO);
        (if small { quotient } else { T::ONE - quotient }).copysign(x)
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

/// (σ(x), σ'(x), e^(−|x|)).
#[inline(always)]
fn sigmoid<T: Real, S: Isa>(x: T) -> (T, T, T) {
    let u = exp_of_nonpositive::<T, S>(-x.abs());
    let one_plus = T::ONE + u;
    let larger = T::ONE / one_plus;
    let smaller = u / one_plus;
    (if x >= T::ZERO { larger } else { smaller }, larger * smaller, u)
}

impl<T: Real> Nonlinearity<T> for Sigmoid {
    const SAVED: Saved = Saved::OutputAndSlope;
    #[inline(always)]
    fn value<S: Isa>(self, x: T) -> T {
        let u = exp_of_nonpositive::<T, S>(-x.abs());
        (if x >= T::ZERO { T::ONE } else { u }) / (T::ONE + u)
    }
    #[inline(always)]
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T) {
        let (y, slope, _) = sigmoid::<T, S>(x);
        (y, slope)
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
        let u = exp_of_nonpositive::<T, S>(-x.abs());
        let positive = if x > T::ZERO { x } else { T::ZERO };
        positive + ln_1p_of_unit::<T, S>(u)
    }
    #[inline(always)]
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T) {
        let u = exp_of_nonpositive::<T, S>(-x.abs());
        let positive = if x > T::ZERO { x } else { T::ZERO };
        let slope = (if x >= T::ZERO { T::ONE } else { u }) / (T::ONE + u);
        (positive + ln_1p_of_unit::<T, S>(u), slope)
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

impl<T: Real> Nonlinearity<T> for Swish<T> {
    const SAVED: Saved = Saved::Input;
    #[inline(always)]
    fn value<S: Isa>(self, x: T) -> T {
        x * Sigmoid.value::<S>(self.beta * x)
    }
    #[inline(always)]
    fn value_and_slope<S: Isa>(self, x: T) -> (T, T) {
        let bx = self.beta * x;
        let (sigmoid, slope, _) = sigmoid::<T, S>(bx);
        (x * sigmoid, bx.fma::<S>(slope, sigmoid))
    }
    #[inline(always)]
    fn slope_and_curvature<S: Isa>(self, x: T, _slope: T) -> (T, T) {
        let bx = self.beta * x;
        let (sigmoid, slope, _) = sigmoid::<T, S>(bx);
        let curvature = self.beta * slope * bx.fma::<S>(T::ONE - T::TWO * sigmoid, T::TWO);
        (bx.fma::<S>(slope, sigmoid), curvature)
    }
    #[inline(always)]
    fn parameter_slopes<S: Isa>(self, x: T) -> (T, T) {
        let bx = self.beta * x;
        let (sigmoid, slope, _) = sigmoid::<T, S>(bx);
        let x_slope = x * slope;
        (x * x_slope, x_slope * bx.fma::<S>(T::ONE - T::TWO * sigmoid, T::TWO))
    }
}
