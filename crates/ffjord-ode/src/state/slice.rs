//! Vectors and arrays of f32 and f64 as states, and the fused passes over slices that they share with tensors.

use std::{
    array,
    ops::{Add, Div, Mul, Sub},
};

use smallvec::SmallVec;

use super::State;
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

/// A coefficient and the slice it multiplies.
pub(super) type SliceTerms<'a, T> = SmallVec<[(T, &'a [T]); 16]>;

/// Terms that one pass takes; the tableaux in use have at most 7 stages and the state itself.
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

/// `out = Σ cᵢ xᵢ`, the last term first.
pub(super) fn sum<T: Scalar>(out: &mut [T], terms: &[(T, &[T])]) -> Result<(), StateError> {
    for (_, x) in terms {
        same_length(out, x)?;
    }
    let mut rest = terms;
    let mut started = false;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(rest.len().saturating_sub(FUSED));
        if started {
            fused::<T, true>(out, tail)
        } else {
            fused::<T, false>(out, tail)
        }
        started = true;
        rest = head;
    }
    if !started {
        out.fill(T::default());
    }
    Ok(())
}

/// One pass over at most [`FUSED`] terms, on top of what `out` holds if `ADD`.
fn fused<T: Scalar, const ADD: bool>(out: &mut [T], terms: &[(T, &[T])]) {
    match terms.len() {
        1 => pass::<T, ADD, 1>(out, terms),
        2 => pass::<T, ADD, 2>(out, terms),
        3 => pass::<T, ADD, 3>(out, terms),
        4 => pass::<T, ADD, 4>(out, terms),
        5 => pass::<T, ADD, 5>(out, terms),
        6 => pass::<T, ADD, 6>(out, terms),
        7 => pass::<T, ADD, 7>(out, terms),
        _ => pass::<T, ADD, FUSED>(out, terms),
    }
}

fn pass<T: Scalar, const ADD: bool, const N: usize>(out: &mut [T], terms: &[(T, &[T])]) {
    let n = out.len();
    // Fixed-size arrays of equally long slices let the compiler drop the bounds checks and vectorise.
    let c: [T; N] = array::from_fn(|j| terms[j].0);
    let x: [&[T]; N] = array::from_fn(|j| &terms[j].1[..n]);
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
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a.to_f64() * b.to_f64();
        }
    }
    Ok(lanes.iter().sum())
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
    let mut squares = [0.0_f64; LANES];
    let mut maxima = [0.0_f64; LANES];
    for ((error, y0), y1) in error.chunks(LANES).zip(y0.chunks(LANES)).zip(y1.chunks(LANES)) {
        for (((&e, &a), &b), (square, max)) in error
            .iter()
            .zip(y0)
            .zip(y1)
            .zip(squares.iter_mut().zip(maxima.iter_mut()))
        {
            let (size0, size1) = (a.magnitude(), b.magnitude());
            let size = if size0 > size1 { size0 } else { size1 };
            let ratio = if e == zero { zero } else { e / (atol + rtol * size) };
            // 0·b is 0 for a number and NaN otherwise: an infinite y₁ must not divide the error away.
            let ratio = (ratio + zero * b).to_f64();
            *square += ratio * ratio;
            *max = max.max(ratio.abs());
        }
    }
    Ok(ScaledError {
        sum_squares: squares.iter().sum(),
        max: maxima.iter().fold(0.0, |a, &b| a.max(b)),
        count: error.len(),
    })
}

/// Rows of `width` elements that hold a NaN or an infinity.
pub(super) fn non_finite_rows<T: Scalar>(values: &[T], width: usize) -> Vec<usize> {
    let bad = |row: &[T]| !row.iter().all(|x| x.finite());
    values
        .chunks(width.max(1))
        .enumerate()
        .filter(|(_, row)| bad(row))
        .map(|(i, _)| i)
        .collect()
}

fn as_slices<'a, T: Scalar, V: AsRef<[T]>>(terms: &[(f64, &'a V)]) -> SliceTerms<'a, T> {
    terms.iter().map(|&(c, x)| (T::from_f64(c), x.as_ref())).collect()
}

impl<T: Scalar> State for Vec<T> {
    fn zeros_like(&self) -> Result<Self, StateError> {
        Ok(vec![T::default(); self.len()])
    }

    fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError> {
        sum(self, &as_slices(terms))
    }

    fn dot(&self, other: &Self) -> Result<f64, StateError> {
        dot(self, other)
    }

    fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
        scaled_error(self, y0, y1, tolerance)
    }

    fn non_finite_rows(&self) -> Result<Vec<usize>, StateError> {
        Ok(non_finite_rows(self, 1))
    }
}

impl<T: Scalar, const N: usize> State for [T; N] {
    fn zeros_like(&self) -> Result<Self, StateError> {
        Ok([T::default(); N])
    }

    fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError> {
        sum(self, &as_slices(terms))
    }

    fn dot(&self, other: &Self) -> Result<f64, StateError> {
        dot(self, other)
    }

    fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
        scaled_error(self, y0, y1, tolerance)
    }

    fn non_finite_rows(&self) -> Result<Vec<usize>, StateError> {
        Ok(non_finite_rows(self, 1))
    }
}
