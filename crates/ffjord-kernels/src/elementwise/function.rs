//! The nonlinear functions as values, and their application to slices.

use super::nonlinearity::{Nonlinearity, Saved};
use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};

/// A scalar function y = φ(x) that is applied to every element.
///
/// ```
/// use ffjord_kernels::elementwise::Function;
/// use ffjord_kernels::simd::SimdLevel;
///
/// let (mut x, mut slope) = ([0.0f32, 1.0], [0.0; 2]);
/// Function::Tanh.apply_with_slope(SimdLevel::detect(), &mut x, &mut slope);
/// assert_eq!((x[0], slope[0]), (0.0, 1.0));
/// assert!((x[1] - 1f32.tanh()).abs() < 1e-6);
/// ```
///
/// Both derivatives, which forward-over-reverse mode takes:
///
/// ```
/// use ffjord_kernels::elementwise::{Function, Saved};
/// use ffjord_kernels::simd::SimdLevel;
///
/// let level = SimdLevel::detect();
/// let (mut slope, mut curvature) = ([0.0f64; 2], [0.0; 2]);
/// Function::Square.derivatives(level, &[3.0, -1.0], &mut slope, &mut curvature);
/// assert_eq!((slope, curvature), ([6.0, -2.0], [2.0, 2.0]));
///
/// let mut x = [0.0f32, 2.0];
/// Function::Swish { beta: 1.0 }.cast::<f32>().apply(level, &mut x);
/// assert!(x[0] == 0.0 && (x[1] - 2.0 / (1.0 + (-2f32).exp())).abs() < 1e-6);
/// // Of tanh its value says the slope, 1 − y².
/// assert_eq!(Function::<f32>::Tanh.saved(), Saved::Output);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function<T> {
    /// y = x.
    Identity,
    /// y = max(x, 0), with slope 0 at 0.
    Relu,
    /// y = x².
    Square,
    /// y = tanh x.
    Tanh,
    /// y = 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// y = ln(1 + eˣ).
    Softplus,
    /// y = x for x > 0, else eˣ − 1.
    Elu,
    /// y = x σ(β x).
    Swish {
        /// The factor β.
        beta: T,
    },
}

/// Evaluates `$body` with `$name` bound to the [`Nonlinearity`] that a [`Function`] stands for.
macro_rules! with_nonlinearity {
    ($function:expr, $name:ident => $body:expr) => {{
        use $crate::elementwise::nonlinearity::{Elu, Identity, Relu, Sigmoid, Softplus, Square, Swish, Tanh};
        match $function {
            $crate::elementwise::Function::Identity => {
                let $name = Identity;
                $body
            }
            $crate::elementwise::Function::Relu => {
                let $name = Relu;
                $body
            }
            $crate::elementwise::Function::Square => {
                let $name = Square;
                $body
            }
            $crate::elementwise::Function::Tanh => {
                let $name = Tanh;
                $body
            }
            $crate::elementwise::Function::Sigmoid => {
                let $name = Sigmoid;
                $body
            }
            $crate::elementwise::Function::Softplus => {
                let $name = Softplus;
                $body
            }
            $crate::elementwise::Function::Elu => {
                let $name = Elu;
                $body
            }
            $crate::elementwise::Function::Swish { beta } => {
                let $name = Swish { beta };
                $body
            }
        }
    }};
}
pub(crate) use with_nonlinearity;

impl Function<f64> {
    /// The same function for numbers of another precision.
    #[must_use]
    pub fn cast<T: Real>(self) -> Function<T> {
        match self {
            Self::Identity => Function::Identity,
            Self::Relu => Function::Relu,
            Self::Square => Function::Square,
            Self::Tanh => Function::Tanh,
            Self::Sigmoid => Function::Sigmoid,
            Self::Softplus => Function::Softplus,
            Self::Elu => Function::Elu,
            Self::Swish { beta } => Function::Swish {
                beta: T::from_f64(beta),
            },
        }
    }
}

impl<T: Real> Function<T> {
    /// What a forward pass has to keep for the reverse pass.
    #[must_use]
    pub fn saved(self) -> Saved {
        fn of<T: Real, F: Nonlinearity<T>>(_: F) -> Saved {
            F::SAVED
        }
        with_nonlinearity!(self, f => of::<T, _>(f))
    }

    /// x ← φ(x).
    pub fn apply(self, level: SimdLevel, x: &mut [T]) {
        with_nonlinearity!(self, f => level.dispatch(Apply { f, x }));
    }

    /// x ← φ(x) and slope ← φ'(x).
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn apply_with_slope(self, level: SimdLevel, x: &mut [T], slope: &mut [T]) {
        assert_eq!(x.len(), slope.len(), "a slope for each element");
        with_nonlinearity!(self, f => level.dispatch(ApplyWithSlope { f, x, slope }));
    }

    /// slope ← φ'(x) and curvature ← φ''(x).
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn derivatives(self, level: SimdLevel, x: &[T], slope: &mut [T], curvature: &mut [T]) {
        assert_eq!(x.len(), slope.len(), "a slope for each element");
        assert_eq!(x.len(), curvature.len(), "a curvature for each element");
        with_nonlinearity!(self, f => level.dispatch(Derivatives { f, x, slope, curvature }));
    }
}

struct Apply<'a, T, F> {
    f: F,
    x: &'a mut [T],
}

impl<T: Real, F: Nonlinearity<T>> Kernel for Apply<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Isa>(self) {
        for x in self.x {
            *x = self.f.value::<S>(*x);
        }
    }
}

struct ApplyWithSlope<'a, T, F> {
    f: F,
    x: &'a mut [T],
    slope: &'a mut [T],
}

impl<T: Real, F: Nonlinearity<T>> Kernel for ApplyWithSlope<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Isa>(self) {
        for (x, slope) in self.x.iter_mut().zip(self.slope) {
            (*x, *slope) = self.f.value_and_slope::<S>(*x);
        }
    }
}

struct Derivatives<'a, T, F> {
    f: F,
    x: &'a [T],
    slope: &'a mut [T],
    curvature: &'a mut [T],
}

impl<T: Real, F: Nonlinearity<T>> Kernel for Derivatives<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Isa>(self) {
        for ((&x, slope), curvature) in self.x.iter().zip(self.slope).zip(self.curvature) {
            let (y, direct) = self.f.value_and_slope::<S>(x);
            let saved = if F::SAVED == Saved::Input { x } else { y };
            let (_, c) = self.f.slope_and_curvature::<S>(saved, direct);
            *slope = direct;
            *curvature = if F::SAVED == Saved::Input { c } else { c * direct };
        }
    }
}
