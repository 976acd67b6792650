//! What a Runge–Kutta step does with its stages, in one pass over memory.

use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};
use crate::{KernelError, error::check_length};

/// Numbers that are treated at a time: they stay in the first-level cache while all stages are added.
const BLOCK: usize = 512;

/// One stage kᵢ of a step, with its weights, both already multiplied by the step size.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a, T> {
    /// Weight in the new state, h bᵢ.
    pub weight: T,
    /// Weight in the error estimate, h (bᵢ − b̂ᵢ).
    pub error_weight: T,
    /// The stage itself.
    pub slope: &'a [T],
}

/// Tolerances of a step: an error of `absolute + relative · max(|y|, |y'|)` counts as 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance<T> {
    /// Absolute tolerance.
    pub absolute: T,
    /// Relative tolerance.
    pub relative: T,
}

/// `next = y + Σᵢ weightᵢ kᵢ`; returns Σ (eⱼ / scaleⱼ)² over the elements j of the error estimate `Σᵢ error_weightᵢ kᵢ`.
///
/// The square root of the result over the number of elements is the usual RMS error norm; a step is good if that is
/// at most 1. The sum is taken in `f64` and in a fixed order, so it is the same bits for the same numbers.
///
/// ```
/// use ffjord_kernels::ode::{Stage, Tolerance, combine_with_error};
/// use ffjord_kernels::simd::SimdLevel;
///
/// let (y, k, mut next) = ([1.0f64, 2.0], [3.0, 4.0], [0.0; 2]);
/// let stage = Stage { weight: 0.5, error_weight: 0.1, slope: &k };
/// let tolerance = Tolerance { absolute: 1.0, relative: 0.0 };
/// let error = combine_with_error(SimdLevel::detect(), &y, &[stage], tolerance, &mut next)?;
/// assert_eq!(next, [2.5, 4.0]);
/// assert!((error - (0.3f64.powi(2) + 0.4f64.powi(2))).abs() < 1e-15);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
///
/// # Errors
/// [`KernelError::Length`] if a stage or `next` is not as long as `y`.
pub fn combine_with_error<T: Real>(
    level: SimdLevel,
    y: &[T],
    stages: &[Stage<'_, T>],
    tolerance: Tolerance<T>,
    next: &mut [T],
) -> Result<f64, KernelError> {
    check_length("the new state", next.len(), y.len())?;
    for stage in stages {
        check_length("a stage", stage.slope.len(), y.len())?;
    }
    Ok(level.dispatch(CombineWithError {
        y,
        stages,
        tolerance,
        next,
    }))
}

/// `next = y + Σᵢ weightᵢ kᵢ`, where `terms` are the pairs (weight, k): the argument of a stage.
///
/// # Errors
/// [`KernelError::Length`] if a term or `next` is not as long as `y`.
pub fn combine<T: Real>(level: SimdLevel, y: &[T], terms: &[(T, &[T])], next: &mut [T]) -> Result<(), KernelError> {
    check_length("the new state", next.len(), y.len())?;
    for (_, slope) in terms {
        check_length("a term", slope.len(), y.len())?;
    }
    level.dispatch(Combine { y, terms, next });
    Ok(())
}

/// to[j] += weight · from[j].
#[inline(always)]
fn add_scaled<T: Real, S: Isa>(to: &mut [T], weight: T, from: &[T]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = weight.fma::<S>(from, *to);
    }
}

struct Combine<'a, T> {
    y: &'a [T],
    terms: &'a [(T, &'a [T])],
    next: &'a mut [T],
}

impl<T: Real> Kernel for Combine<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        for (block, (next, y)) in self.next.chunks_mut(BLOCK).zip(self.y.chunks(BLOCK)).enumerate() {
            next.copy_from_slice(y);
            for (weight, slope) in self.terms {
                add_scaled::<T, S>(next, *weight, &slope[block * BLOCK..][..y.len()]);
            }
        }
    }
}

struct CombineWithError<'a, T> {
    y: &'a [T],
    stages: &'a [Stage<'a, T>],
    tolerance: Tolerance<T>,
    next: &'a mut [T],
}

impl<T: Real> Kernel for CombineWithError<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Isa>(self) -> f64 {
        let Tolerance { absolute, relative } = self.tolerance;
        let mut error = [T::ZERO; BLOCK];
        let mut total = 0.0;
        for (block, (next, y)) in self.next.chunks_mut(BLOCK).zip(self.y.chunks(BLOCK)).enumerate() {
            let error = &mut error[..y.len()];
            error.fill(T::ZERO);
            next.copy_from_slice(y);
            for stage in self.stages {
                let slope = &stage.slope[block * BLOCK..][..y.len()];
                add_scaled::<T, S>(next, stage.weight, slope);
                add_scaled::<T, S>(error, stage.error_weight, slope);
            }
            for ((e, &y), &next) in error.iter_mut().zip(y).zip(next.iter()) {
                let (before, after) = (y.abs(), next.abs());
                // The comparison keeps a NaN of the new state; one of the old state is in the new one as well.
                let larger = if before > after { before } else { after };
                *e = *e / relative.fma::<S>(larger, absolute);
            }
            total += error.iter().map(|e| e.to_f64() * e.to_f64()).sum::<f64>();
        }
        total
    }
}
