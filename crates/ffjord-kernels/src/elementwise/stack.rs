//! One pass of a nonlinearity over values and their tangents, forward and in reverse.
//!
//! A *stack* holds `1 + K` arrays of one length one after another: the values, then K tangents of them.

use super::Function;
use super::function::with_nonlinearity;
use super::nonlinearity::{Nonlinearity, Saved};
use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};

/// Elements that are treated at a time when there are several tangents: their slopes stay in the first-level cache.
const BLOCK: usize = 256;

/// What was kept of a forward pass, all of it for one stack.
///
/// ```
/// use ffjord_kernels::elementwise::{Function, SavedStack};
/// use ffjord_kernels::simd::SimdLevel;
///
/// let level = SimdLevel::detect();
/// // y = x² of x = 3 with one tangent dx = 1: (9, 6 dx).
/// let input = [3.0f64, 1.0];
/// let mut stack = input;
/// Function::Square.forward_stack(level, 1, &mut stack, &mut []);
/// assert_eq!(stack, [9.0, 6.0]);
///
/// // The cotangents of (y, dy) become those of (x, dx); here of y + 10 dy = x² + 20 x dx.
/// let mut cotangents = [1.0, 10.0];
/// Function::Square.reverse_stack(level, 1, SavedStack { stack: &input, slope: &[] }, &mut cotangents);
/// assert_eq!(cotangents, [6.0 + 20.0, 60.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SavedStack<'a, T> {
    /// The stack (y, dy₁, …) or, for [`Saved::Input`], (x, dx₁, …).
    pub stack: &'a [T],
    /// φ'(x) for [`Saved::OutputAndSlope`], else not read.
    pub slope: &'a [T],
}

impl<T: Real> Function<T> {
    /// (x, dx₁, …, dx_K) ← (φ(x), φ'(x) dx₁, …, φ'(x) dx_K).
    ///
    /// `values` is the length of the value array; `slope`, if not empty, receives φ'(x).
    ///
    /// # Panics
    /// If the stack is no multiple of `values` long, or `slope` is neither empty nor `values` long.
    pub fn forward_stack(self, level: SimdLevel, values: usize, stack: &mut [T], slope: &mut [T]) {
        assert!(
            values > 0 && stack.len().is_multiple_of(values),
            "values and whole tangents"
        );
        assert!(slope.is_empty() || slope.len() == values, "a slope for each value");
        let (x, tangents) = stack.split_at_mut(values);
        with_nonlinearity!(self, f => level.dispatch(Forward { f, x, tangents, slope }));
    }

    /// Turns the cotangents of (y, dy₁, …) into those of (x, dx₁, …), in place.
    ///
    /// x̄ = φ'(x) ȳ + φ''(x) Σₖ dxₖ dȳₖ and dx̄ₖ = φ'(x) dȳₖ.
    ///
    /// # Panics
    /// If `saved` and `cotangents` do not have the lengths of one stack with `values` values.
    pub fn reverse_stack(self, level: SimdLevel, values: usize, saved: SavedStack<'_, T>, cotangents: &mut [T]) {
        assert!(
            values > 0 && cotangents.len().is_multiple_of(values),
            "values and whole tangents"
        );
        assert_eq!(
            saved.stack.len(),
            cotangents.len(),
            "a cotangent for each element of the stack"
        );
        if self == Function::Identity {
            return;
        }
        let (value, tangents) = saved.stack.split_at(values);
        let slope = if self.saved() == Saved::OutputAndSlope {
            &saved.slope[..values]
        } else {
            value
        };
        let (cotangent, tangent_cotangents) = cotangents.split_at_mut(values);
        with_nonlinearity!(self, f => level.dispatch(Reverse {
            f, value, slope, tangents, cotangent, tangent_cotangents
        }));
    }

    /// The derivative of `Σ ȳ y + Σₖ dȳₖ dyₖ` with respect to β of [`Function::Swish`]; zero for the others.
    ///
    /// `stack` is (x, dx₁, …); `cotangents` are those of (y, dy₁, …), before [`Function::reverse_stack`].
    ///
    /// ```
    /// use ffjord_kernels::elementwise::Function;
    /// use ffjord_kernels::simd::SimdLevel;
    ///
    /// // d/dβ x σ(βx) = x² σ (1 − σ), a quarter of x² at β = 0.
    /// let of_beta = Function::Swish { beta: 0.0f64 }.parameter_gradient(SimdLevel::detect(), 1, &[2.0], &[1.0]);
    /// assert!((of_beta - 1.0).abs() < 1e-15);
    /// ```
    ///
    /// # Panics
    /// If the stacks differ in length or are no multiple of `values` long.
    pub fn parameter_gradient(self, level: SimdLevel, values: usize, stack: &[T], cotangents: &[T]) -> T {
        assert!(
            values > 0 && stack.len().is_multiple_of(values),
            "values and whole tangents"
        );
        assert_eq!(
            stack.len(),
            cotangents.len(),
            "a cotangent for each element of the stack"
        );
        match self {
            Function::Swish { .. } => {
                with_nonlinearity!(self, f => level.dispatch(ParameterGradient { f, values, stack, cotangents }))
            }
            _ => T::ZERO,
        }
    }
}

struct Forward<'a, T, F> {
    f: F,
    x: &'a mut [T],
    tangents: &'a mut [T],
    slope: &'a mut [T],
}

impl<T: Real, F: Nonlinearity<T>> Kernel for Forward<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { f, x, tangents, slope } = self;
        // A nonlinearity is one long chain of operations: both halves of the array side by side are two chains that do
        // not wait for each other.
        let half = x.len() / 2;
        match (tangents.len() / x.len(), slope.is_empty()) {
            (0, true) => {
                let (x0, x1) = x.split_at_mut(half);
                for (x0, x1) in x0.iter_mut().zip(x1.iter_mut()) {
                    (*x0, *x1) = (f.value::<S>(*x0), f.value::<S>(*x1));
                }
                if let Some(x1) = x1.get_mut(half) {
                    *x1 = f.value::<S>(*x1);
                }
            }
            (0, false) => {
                for (x, slope) in x.iter_mut().zip(slope) {
                    (*x, *slope) = f.value_and_slope::<S>(*x);
                }
            }
            (1, true) => {
                let ((x0, x1), (d0, d1)) = (x.split_at_mut(half), tangents.split_at_mut(half));
                for (((x0, x1), d0), d1) in x0.iter_mut().zip(x1.iter_mut()).zip(d0).zip(d1.iter_mut()) {
                    forward_both::<T, S, F>(f, [x0, x1], [d0, d1]);
                }
                if let (Some(x), Some(dx)) = (x1.get_mut(half), d1.get_mut(half)) {
                    forward_one::<T, S, F>(f, x, dx);
                }
            }
            (1, false) => {
                let ((x0, x1), (d0, d1)) = (x.split_at_mut(half), tangents.split_at_mut(half));
                let (kept0, kept1) = slope.split_at_mut(half);
                let (x, dx) = (x0.iter_mut().zip(x1.iter_mut()), d0.iter_mut().zip(d1.iter_mut()));
                let kept = kept0.iter_mut().zip(kept1.iter_mut());
                for (((x0, x1), (d0, d1)), (kept0, kept1)) in x.zip(dx).zip(kept) {
                    [*kept0, *kept1] = forward_both::<T, S, F>(f, [x0, x1], [d0, d1]);
                }
                if let (Some(x), Some(dx), Some(kept)) = (x1.get_mut(half), d1.get_mut(half), kept1.get_mut(half)) {
                    *kept = forward_one::<T, S, F>(f, x, dx);
                }
            }
            _ => {
                let values = x.len();
                let mut block_slope = [T::ZERO; BLOCK];
                for (block, x) in x.chunks_mut(BLOCK).enumerate() {
                    let start = block * BLOCK;
                    let block_slope = &mut block_slope[..x.len()];
                    for (x, slope) in x.iter_mut().zip(block_slope.iter_mut()) {
                        (*x, *slope) = f.value_and_slope::<S>(*x);
                    }
                    for dx in tangents.chunks_exact_mut(values) {
                        for (dx, &slope) in dx[start..].iter_mut().zip(block_slope.iter()) {
                            *dx *= slope;
                        }
                    }
                    if !slope.is_empty() {
                        slope[start..start + x.len()].copy_from_slice(block_slope);
                    }
                }
            }
        }
    }
}

/// (x, dx) ← (φ(x), φ'(x) dx) of two elements; returns φ'(x). Both are read before either is written, so that their
/// operations can be mixed.
#[inline(always)]
fn forward_both<T: Real, S: Isa, F: Nonlinearity<T>>(f: F, x: [&mut T; 2], dx: [&mut T; 2]) -> [T; 2] {
    let ((y0, slope0), (y1, slope1)) = (f.value_and_slope::<S>(*x[0]), f.value_and_slope::<S>(*x[1]));
    let [x0, x1] = x;
    let [dx0, dx1] = dx;
    (*x0, *x1) = (y0, y1);
    *dx0 *= slope0;
    *dx1 *= slope1;
    [slope0, slope1]
}

/// As [`forward_both`], of one element.
#[inline(always)]
fn forward_one<T: Real, S: Isa, F: Nonlinearity<T>>(f: F, x: &mut T, dx: &mut T) -> T {
    let (y, slope) = f.value_and_slope::<S>(*x);
    *x = y;
    *dx *= slope;
    slope
}

struct Reverse<'a, T, F> {
    f: F,
    value: &'a [T],
    slope: &'a [T],
    tangents: &'a [T],
    cotangent: &'a mut [T],
    tangent_cotangents: &'a mut [T],
}

impl<T: Real, F: Nonlinearity<T>> Kernel for Reverse<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self {
            f,
            value,
            slope,
            tangents,
            cotangent,
            tangent_cotangents,
        } = self;
        let saved = value.iter().zip(slope);
        match tangents.len() / value.len() {
            0 => {
                for ((&value, &slope), g) in saved.zip(cotangent) {
                    *g *= f.slope_and_curvature::<S>(value, slope).0;
                }
            }
            1 => {
                for ((((&value, &slope), &d), g), dg) in saved.zip(tangents).zip(cotangent).zip(tangent_cotangents) {
                    let (slope, curvature) = f.slope_and_curvature::<S>(value, slope);
                    *g = (curvature * d).fma::<S>(*dg, slope * *g);
                    *dg *= slope;
                }
            }
            _ => {
                let values = value.len();
                let (mut block_slope, mut block_curvature) = ([T::ZERO; BLOCK], [T::ZERO; BLOCK]);
                for start in (0..values).step_by(BLOCK) {
                    let span = start..values.min(start + BLOCK);
                    let (slopes, curvatures) = (&mut block_slope[..span.len()], &mut block_curvature[..span.len()]);
                    let g = &mut cotangent[span.clone()];
                    let saved = value[span.clone()].iter().zip(&slope[span.clone()]);
                    for ((((&value, &slope), s), c), g) in saved
                        .zip(slopes.iter_mut())
                        .zip(curvatures.iter_mut())
                        .zip(g.iter_mut())
                    {
                        (*s, *c) = f.slope_and_curvature::<S>(value, slope);
                        *g *= *s;
                    }
                    let pairs = tangents
                        .chunks_exact(values)
                        .zip(tangent_cotangents.chunks_exact_mut(values));
                    for (d, dg) in pairs {
                        let inputs = slopes.iter().zip(curvatures.iter()).zip(&d[span.clone()]);
                        for ((((&s, &c), &d), dg), g) in inputs.zip(&mut dg[span.clone()]).zip(g.iter_mut()) {
                            *g = (c * d).fma::<S>(*dg, *g);
                            *dg *= s;
                        }
                    }
                }
            }
        }
    }
}

struct ParameterGradient<'a, T, F> {
    f: F,
    values: usize,
    stack: &'a [T],
    cotangents: &'a [T],
}

impl<T: Real, F: Nonlinearity<T>> Kernel for ParameterGradient<'_, T, F> {
    type Output = T;

    #[inline(always)]
    fn run<S: Isa>(self) -> T {
        let (x, tangents) = self.stack.split_at(self.values);
        let (g, tangent_cotangents) = self.cotangents.split_at(self.values);
        let mut sum = T::ZERO;
        for (i, (&x, &g)) in x.iter().zip(g).enumerate() {
            let (value_slope, slope_slope) = self.f.parameter_slopes::<S>(x);
            let tangents = tangents.iter().skip(i).step_by(self.values);
            let cotangents = tangent_cotangents.iter().skip(i).step_by(self.values);
            let along: T = tangents
                .zip(cotangents)
                .fold(T::ZERO, |sum, (&d, &dg)| d.fma::<S>(dg, sum));
            sum += value_slope * g + slope_slope * along;
        }
        sum
    }
}
