//! The logarithm of a softmax at one class a row: what a categorical likelihood needs.

use super::exponential::exp_of_nonpositive;
use crate::error::{check_length, whole_rows};
use crate::simd::{Isa, Kernel, SimdLevel};
use crate::{KernelError, Real};

/// Partial sums of a row, whatever the instruction set.
const LANES: usize = 16;

/// Writes `x_k − ln Σ exp x` for rows x of so many `classes`, k being the class that was chosen for a row.
///
/// ```
/// use ffjord_kernels::elementwise::log_softmax_at;
/// use ffjord_kernels::simd::SimdLevel;
///
/// let mut to = [0.0f64; 2];
/// log_softmax_at(SimdLevel::detect(), 2, &[0.0, 0.0, 900.0, 0.0], &[1, 0], &mut to)?;
/// assert!((to[0] + 2f64.ln()).abs() < 1e-15 && to[1] == 0.0);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
///
/// # Errors
/// [`KernelError::NotWhole`] or [`KernelError::Length`] unless the lengths fit together, [`KernelError::Class`] for a class
/// that there is none of.
pub fn log_softmax_at<T: Real>(
    level: SimdLevel,
    classes: usize,
    logits: &[T],
    chosen: &[u32],
    to: &mut [T],
) -> Result<(), KernelError> {
    check(classes, logits, chosen)?;
    check_length("the result of a softmax", to.len(), chosen.len())?;
    if classes > 0 {
        level.dispatch(Forward {
            classes,
            logits,
            chosen,
            to,
        });
    }
    Ok(())
}

/// Writes the gradient of the logits of [`log_softmax_at`] for cotangents of its result.
///
/// ```
/// use ffjord_kernels::elementwise::log_softmax_at_gradient;
/// use ffjord_kernels::simd::SimdLevel;
///
/// // 1 − p for the class that was chosen, −p for the others.
/// let mut gradient = [0.0f64; 2];
/// log_softmax_at_gradient(SimdLevel::detect(), 2, &[0.0, 3f64.ln()], &[1], &[1.0], &mut gradient)?;
/// assert!((gradient[0] + 0.25).abs() < 1e-15 && (gradient[1] - 0.25).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`log_softmax_at`].
pub fn log_softmax_at_gradient<T: Real>(
    level: SimdLevel,
    classes: usize,
    logits: &[T],
    chosen: &[u32],
    cotangents: &[T],
    gradient: &mut [T],
) -> Result<(), KernelError> {
    check(classes, logits, chosen)?;
    check_length("the cotangents of a softmax", cotangents.len(), chosen.len())?;
    check_length("the gradient of a softmax", gradient.len(), logits.len())?;
    if classes > 0 {
        level.dispatch(Reverse {
            classes,
            logits,
            chosen,
            cotangents,
            gradient,
        });
    }
    Ok(())
}

fn check<T>(classes: usize, logits: &[T], chosen: &[u32]) -> Result<(), KernelError> {
    let rows = whole_rows("the logits of a softmax", logits.len(), classes.max(1))?;
    check_length("the classes of a softmax", chosen.len(), rows)?;
    match chosen.iter().find(|&&class| class as usize >= classes) {
        Some(&given) => Err(KernelError::Class {
            given: given as usize,
            classes,
        }),
        None => Ok(()),
    }
}

/// The largest number of a row.
#[inline(always)]
fn largest<T: Real>(row: &[T]) -> T {
    let mut lanes = [row[0]; LANES];
    let chunks = row.chunks_exact(LANES);
    for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = if x > *lane { x } else { *lane };
    }
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    lanes.iter().fold(lanes[0], |most, &x| if x > most { x } else { most })
}

struct Forward<'a, T> {
    classes: usize,
    logits: &'a [T],
    chosen: &'a [u32],
    to: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let rows = self.logits.chunks_exact(self.classes);
        for ((row, &class), to) in rows.zip(self.chosen).zip(self.to) {
            let most = largest(row);
            let mut lanes = [T::ZERO; LANES];
            let chunks = row.chunks_exact(LANES);
            for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
                *lane = exp_of_nonpositive::<T, S>(x - most).value;
            }
            for chunk in chunks {
                for (lane, &x) in lanes.iter_mut().zip(chunk) {
                    *lane += exp_of_nonpositive::<T, S>(x - most).value;
                }
            }
            // The largest number's own term is 1.
            let others = lanes.iter().fold(-T::ONE, |sum, &lane| sum + lane);
            *to = (row[class as usize] - most) - others.libm_ln_1p();
        }
    }
}

struct Reverse<'a, T> {
    classes: usize,
    logits: &'a [T],
    chosen: &'a [u32],
    cotangents: &'a [T],
    gradient: &'a mut [T],
}

impl<T: Real> Kernel for Reverse<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let rows = self.logits.chunks_exact(self.classes);
        let gradients = self.gradient.chunks_exact_mut(self.classes);
        for (((row, to), &class), &cotangent) in rows.zip(gradients).zip(self.chosen).zip(self.cotangents) {
            let most = largest(row);
            let mut lanes = [T::ZERO; LANES];
            let (from, into) = (row.chunks_exact(LANES), to.chunks_exact_mut(LANES));
            for (lane, &x) in lanes.iter_mut().zip(from.remainder()) {
                *lane = exp_of_nonpositive::<T, S>(x - most).value;
            }
            for (from, into) in from.zip(into) {
                for ((lane, &x), to) in lanes.iter_mut().zip(from).zip(into) {
                    *to = exp_of_nonpositive::<T, S>(x - most).value;
                    *lane += *to;
                }
            }
            let whole = row.len() / LANES * LANES;
            for (to, &x) in to[whole..].iter_mut().zip(&row[whole..]) {
                *to = exp_of_nonpositive::<T, S>(x - most).value;
            }
            let factor = -cotangent / lanes.iter().fold(T::ZERO, |sum, &lane| sum + lane);
            for to in to.iter_mut() {
                *to *= factor;
            }
            to[class as usize] += cotangent;
        }
    }
}
