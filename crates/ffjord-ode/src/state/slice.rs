//! Vectors and arrays of f32 and f64 as states, and the fused passes over slices that they share with tensors.

use std::{
    array,
    ops::{Add, Div, Mul, Sub},
};

use super::{NonFinite, State};
use crate::{
    error::StateError,
    norm::{ScaledError, Tolerance},
};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// The element types of a state: `f32` and `f64`.
///
/// ```
/// use ffjord_ode::Scalar;
/// fn largest<T: Scalar>(values: &[T]) -> f64 {
///     values.iter().filter(|value| value.finite()).map(|value| value.magnitude().to_f64()).fold(0.0, f64::max)
/// }
/// assert_eq!(largest(&[1.0_f32, -2.5, f32::NAN]), 2.5);
/// assert_eq!(f32::from_f64(0.1), 0.1_f32);
/// assert_eq!((<f32 as Scalar>::EPSILON, <f64 as Scalar>::EPSILON), (f64::from(f32::EPSILON), f64::EPSILON));
/// ```
pub trait Scalar:
    sealed::Sealed
    + Copy
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// Distance from 1 to the next value.
    const EPSILON: f64;
    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The same value in f64.
    fn to_f64(self) -> f64;
    /// The absolute value.
    fn magnitude(self) -> Self;
    /// Whether the value is neither NaN nor infinite.
    fn finite(self) -> bool;
}

impl Scalar for f32 {
    const EPSILON: f64 = f32::EPSILON as f64;

    fn from_f64(value: f64) -> Self {
        value as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn magnitude(self) -> Self {
        self.abs()
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Scalar for f64 {
    const EPSILON: f64 = f64::EPSILON;

    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn magnitude(self) -> Self {
        self.abs()
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

/// Terms that one pass takes: the state and the stages of methods up to order 5. Longer sums take several passes.
const FUSED: usize = 8;

fn same_length<T>(expected: &[T], found: &[T]) -> Result<(), StateError> {
    if expected.len() == found.len() {
        Ok(())
    } else {
        Err(StateError::LengthMismatch {
            expected: expected.len(),
            found: found.len(),
        })
    }
}

/// `out = Σ cᵢ xᵢ` over `count` terms `(cᵢ, xᵢ)`, the last term first.
pub(super) fn sum<'a, T: Scalar + 'a>(
    out: &mut [T],
    count: usize,
    term: impl Fn(usize) -> (T, &'a [T]) + Copy,
) -> Result<(), StateError> {
    for j in 0..count {
        same_length(out, term(j).1)?;
    }
    let mut rest = count;
    while rest > 0 {
        let width = rest.min(FUSED);
        let (started, first) = (rest < count, rest - width);
        let block = |j| term(first + j);
        if started {
            fused::<T, true>(out, width, block)
        } else {
            fused::<T, false>(out, width, block)
        }
        rest = first;
    }
    if count == 0 {
        out.fill(T::default());
    }
    Ok(())
}

/// One pass over at most [`FUSED`] terms, on top of what `out` holds if `ADD`.
fn fused<'a, T: Scalar + 'a, const ADD: bool>(out: &mut [T], count: usize, term: impl Fn(usize) -> (T, &'a [T])) {
    match count {
        1 => pass::<T, ADD, 1>(out, term),
        2 => pass::<T, ADD, 2>(out, term),
        3 => pass::<T, ADD, 3>(out, term),
        4 => pass::<T, ADD, 4>(out, term),
        5 => pass::<T, ADD, 5>(out, term),
        6 => pass::<T, ADD, 6>(out, term),
        7 => pass::<T, ADD, 7>(out, term),
        _ => pass::<T, ADD, FUSED>(out, term),
    }
}

fn pass<'a, T: Scalar + 'a, const ADD: bool, const N: usize>(out: &mut [T], term: impl Fn(usize) -> (T, &'a [T])) {
    let n = out.len();
    // Fixed-size arrays of equally long slices let the compiler drop the bounds checks and vectorise.
    let terms: [(T, &[T]); N] = array::from_fn(term);
    let c: [T; N] = terms.map(|(c, _)| c);
    let x: [&[T]; N] = terms.map(|(_, x)| &x[..n]);
    for (i, o) in out.iter_mut().enumerate() {
        let last = c[N - 1] * x[N - 1][i];
        let mut total = if ADD { *o + last } else { last };
        for j in (0..N - 1).rev() {
            total = total + c[j] * x[j][i];
        }
        *o = total;
    }
}

/// Independent partial sums, so that a reduction vectorises and yet has one fixed order.
const LANES: usize = 8;

/// Σ aᵢ bᵢ in f64.
pub(super) fn dot<T: Scalar>(a: &[T], b: &[T]) -> Result<f64, StateError> {
    same_length(a, b)?;
    let mut lanes = [0.0_f64; LANES];
    let mut add = |a: &[T], b: &[T]| {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a.to_f64() * b.to_f64();
        }
    };
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    a.iter().zip(b).for_each(|(a, b)| add(a, b));
    add(rest_a, rest_b);
    Ok(lanes.iter().sum())
}

/// Σ aᵢ bᵢ / wᵢ² with the weights that [`scaled_error`] has, in f64.
pub(super) fn scaled_dot<T: Scalar>(
    (a, b): (&[T], &[T]),
    y0: &[T],
    y1: &[T],
    tolerance: &Tolerance,
) -> Result<f64, StateError> {
    for other in [b, y0, y1] {
        same_length(a, other)?;
    }
    let (rtol, atol) = (tolerance.rtol(), tolerance.atol());
    let pairs = a.iter().zip(b).zip(y0.iter().zip(y1));
    Ok(pairs
        .map(|((a, b), (y0, y1))| {
            let (a, b) = (a.to_f64(), b.to_f64());
            let weight = atol + rtol * y0.to_f64().abs().max(y1.to_f64().abs());
            if a == 0.0 || b == 0.0 {
                0.0
            } else {
                (a / weight) * (b / weight)
            }
        })
        .sum())
}

/// The error `error` of a step from `y0` to `y1`, measured against the tolerance.
pub(super) fn scaled_error<T: Scalar>(
    error: &[T],
    y0: &[T],
    y1: &[T],
    tolerance: &Tolerance,
) -> Result<ScaledError, StateError> {
    same_length(error, y0)?;
    same_length(error, y1)?;
    let (rtol, atol) = (T::from_f64(tolerance.rtol()), T::from_f64(tolerance.atol()));
    let zero = T::default();
    let ratio = |e: T, a: T, b: T| {
        let (size0, size1) = (a.magnitude(), b.magnitude());
        let size = if size0 > size1 { size0 } else { size1 };
        let ratio = e.magnitude() / (atol + rtol * size);
        // 0·b is 0 for a number and NaN otherwise: an infinite y₁ must not divide the error away.
        (if e == zero { zero } else { ratio }) + zero * b
    };
    let mut squares = [0.0_f64; LANES];
    let mut maxima = [zero; LANES];
    let mut add = |e: &[T; LANES], a: &[T; LANES], b: &[T; LANES]| {
        let ratios: [T; LANES] = array::from_fn(|i| ratio(e[i], a[i], b[i]));
        for i in 0..LANES {
            squares[i] += ratios[i].to_f64() * ratios[i].to_f64();
            maxima[i] = if ratios[i] > maxima[i] { ratios[i] } else { maxima[i] };
        }
    };
    let ((errors, rest), (y0, rest0), (y1, rest1)) = (error.as_chunks(), y0.as_chunks(), y1.as_chunks());
    errors
        .iter()
        .zip(y0)
        .zip(y1)
        .for_each(|((error, y0), y1)| add(error, y0, y1));
    add(&padded(rest), &padded(rest0), &padded(rest1));
    Ok(ScaledError {
        sum_squares: squares.iter().sum(),
        max: maxima.iter().fold(0.0, |a, b| b.to_f64().max(a)),
        count: error.len(),
    })
}

/// A last, incomplete chunk, filled up with zeros.
fn padded<T: Scalar>(rest: &[T]) -> [T; LANES] {
    array::from_fn(|i| rest.get(i).copied().unwrap_or_default())
}

/// Rounds `components` to the elements of `out`.
pub(super) fn set_components<T: Scalar>(out: &mut [T], components: &[f64]) -> Result<(), StateError> {
    if out.len() != components.len() {
        return Err(StateError::LengthMismatch {
            expected: out.len(),
            found: components.len(),
        });
    }
    out.iter_mut()
        .zip(components)
        .for_each(|(out, &x)| *out = T::from_f64(x));
    Ok(())
}

/// Where `values` hold a NaN or an infinity, in rows of `width` elements that are called `unit`.
pub(super) fn non_finite<T: Scalar>(values: &[T], width: usize, unit: &'static str) -> NonFinite {
    /// Elements looked at together: nearly always all are numbers.
    const BLOCK: usize = 64;
    let all_finite = |values: &[T]| values.iter().fold(true, |all, x| all & x.finite());
    if values.chunks(BLOCK).all(all_finite) {
        return NonFinite::new(unit, []);
    }
    let rows = values.chunks(width.max(1)).enumerate();
    NonFinite::new(unit, rows.filter(|(_, row)| !all_finite(row)).map(|(i, _)| i))
}

/// What a state that is a slice of elements does; its zero is `$zero` of it.
macro_rules! state_of_elements {
    ($zero:expr) => {
        fn zeros_like(&self) -> Result<Self, StateError> {
            Ok($zero(self))
        }

        fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError> {
            sum(self, terms.len(), |j| {
                (T::from_f64(terms[j].0), terms[j].1.as_slice())
            })
        }

        fn epsilon(&self) -> f64 {
            T::EPSILON
        }

        fn dot(&self, other: &Self) -> Result<f64, StateError> {
            dot(self, other)
        }

        fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
            scaled_error(self, y0, y1, tolerance)
        }

        fn scaled_dot(&self, other: &Self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<f64, StateError> {
            scaled_dot((self, other), y0, y1, tolerance)
        }

        fn to_components(&self) -> Result<Vec<f64>, StateError> {
            Ok(self.iter().map(|&x| x.to_f64()).collect())
        }

        fn set_components(&mut self, components: &[f64]) -> Result<(), StateError> {
            set_components(self, components)
        }

        fn non_finite(&self) -> Result<NonFinite, StateError> {
            Ok(non_finite(self, 1, "element"))
        }
    };
}

impl<T: Scalar> State for Vec<T> {
    state_of_elements!(|y: &Self| vec![T::default(); y.len()]);
}

impl<T: Scalar, const N: usize> State for [T; N] {
    state_of_elements!(|_: &Self| [T::default(); N]);
}
