//! Gated units: numbers times the logistic function of others.

use super::nonlinearity::{Nonlinearity, Sigmoid};
use crate::error::{check_length, whole_rows};
use crate::simd::{Isa, Kernel, SimdLevel};
use crate::{KernelError, Real};

/// Writes `(x + a) σ(y + b)` for rows that hold `channels` numbers x and then as many y, and biases that hold a and then b
/// (Dauphin et al. 2017, *Language modeling with gated convolutional networks*).
///
/// ```
/// use ffjord_kernels::elementwise::gate;
/// use ffjord_kernels::simd::SimdLevel;
///
/// let mut to = [0.0f64; 2];
/// gate(SimdLevel::detect(), 1, &[3.0, 0.0, 8.0, 0.0], &[1.0, 0.0], &mut to)?;
/// assert_eq!(to, [2.0, 4.5]);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
///
/// # Errors
/// [`KernelError::NotWhole`] or [`KernelError::Length`] unless the lengths fit together.
pub fn gate<T: Real>(
    level: SimdLevel,
    channels: usize,
    rows: &[T],
    bias: &[T],
    to: &mut [T],
) -> Result<(), KernelError> {
    let count = check(channels, rows, bias)?;
    check_length("the result of gates", to.len(), count * channels)?;
    if channels > 0 {
        level.dispatch(Forward {
            channels,
            rows,
            bias,
            to,
        });
    }
    Ok(())
}

/// Writes the gradient of the rows of [`gate`] for cotangents of its result; summed over rows it is that of the biases.
///
/// ```
/// use ffjord_kernels::elementwise::gate_gradient;
/// use ffjord_kernels::simd::SimdLevel;
///
/// // x σ(y) at x = 3, y = 0: σ = ½ and x σ (1 − σ) = ¾.
/// let mut gradient = [0.0f64; 2];
/// gate_gradient(SimdLevel::detect(), 1, &[3.0, 0.0], &[0.0, 0.0], &[2.0], &mut gradient)?;
/// assert_eq!(gradient, [1.0, 1.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`gate`].
pub fn gate_gradient<T: Real>(
    level: SimdLevel,
    channels: usize,
    rows: &[T],
    bias: &[T],
    cotangents: &[T],
    gradient: &mut [T],
) -> Result<(), KernelError> {
    let count = check(channels, rows, bias)?;
    check_length("the cotangents of gates", cotangents.len(), count * channels)?;
    check_length("the gradient of gates", gradient.len(), rows.len())?;
    if channels > 0 {
        level.dispatch(Reverse {
            channels,
            rows,
            bias,
            cotangents,
            gradient,
        });
    }
    Ok(())
}

/// The number of rows.
fn check<T>(channels: usize, rows: &[T], bias: &[T]) -> Result<usize, KernelError> {
    check_length("the biases of gates", bias.len(), 2 * channels)?;
    whole_rows("the rows of gates", rows.len(), (2 * channels).max(1))
}

struct Forward<'a, T> {
    channels: usize,
    rows: &'a [T],
    bias: &'a [T],
    to: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let (a, b) = self.bias.split_at(self.channels);
        let rows = self.rows.chunks_exact(2 * self.channels);
        for (row, to) in rows.zip(self.to.chunks_exact_mut(self.channels)) {
            let (x, y) = row.split_at(self.channels);
            for (to, (((&x, &y), &a), &b)) in to.iter_mut().zip(x.iter().zip(y).zip(a).zip(b)) {
                *to = (x + a) * Sigmoid.value::<S>(y + b);
            }
        }
    }
}

struct Reverse<'a, T> {
    channels: usize,
    rows: &'a [T],
    bias: &'a [T],
    cotangents: &'a [T],
    gradient: &'a mut [T],
}

impl<T: Real> Kernel for Reverse<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let (a, b) = self.bias.split_at(self.channels);
        let rows = self.rows.chunks_exact(2 * self.channels);
        let gradients = self.gradient.chunks_exact_mut(2 * self.channels);
        let cotangents = self.cotangents.chunks_exact(self.channels);
        for ((row, gradient), cotangents) in rows.zip(gradients).zip(cotangents) {
            let (x, y) = row.split_at(self.channels);
            let (of_x, of_y) = gradient.split_at_mut(self.channels);
            let numbers = x.iter().zip(y).zip(a).zip(b).zip(cotangents);
            for ((of_x, of_y), ((((&x, &y), &a), &b), &cotangent)) in of_x.iter_mut().zip(of_y).zip(numbers) {
                let (sigmoid, slope) = Sigmoid.value_and_slope::<S>(y + b);
                *of_x = cotangent * sigmoid;
                *of_y = cotangent * (x + a) * slope;
            }
        }
    }
}
