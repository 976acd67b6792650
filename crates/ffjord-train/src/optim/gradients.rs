//! Norms of gradients, and what is done about large ones.

use crate::error::{Result, check_setting};
use crate::slices::{Access, Real, read};
use candle_core::{DType, Device, Tensor};

/// Partial sums kept side by side: additions that do not wait for each other, in an order that is always the same.
const LANES: usize = 8;

/// Added to the norm before dividing by it, as PyTorch's `clip_grad_norm_` does.
const NORM_OFFSET: f64 = 1e-6;

/// The Euclidean norm of all gradients taken as one vector, `√(Σᵢ ‖gᵢ‖²)`.
///
/// Squares are summed in `f64` on the CPU, in the same order for any number of threads. A NaN gives NaN.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let gradients = [Tensor::new(&[3f32], &Device::Cpu)?, Tensor::new(&[[0f32], [4.0]], &Device::Cpu)?];
/// assert_eq!(ffjord_train::global_norm(&gradients)?, 5.0);
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
///
/// # Errors
/// When a tensor cannot be read.
pub fn global_norm(gradients: &[Tensor]) -> Result<f64> {
    let mut sum = 0.0;
    for gradient in gradients {
        sum += sum_of_squares(gradient)?;
    }
    Ok(sum.sqrt())
}

/// Gradients scaled down so that their global norm is at most `max_norm`; unchanged if it already is.
///
/// `norm` is their [`global_norm`]. The factor is `max_norm / (norm + 1e-6)`, as in PyTorch. Gradients whose norm is
/// not finite come back unchanged, so that the optimiser can name those that are to blame.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_train::{clip_global_norm, global_norm};
///
/// let gradients = [Tensor::new(&[3f64, 4.0], &Device::Cpu)?];
/// let clipped = clip_global_norm(&gradients, 1.0, global_norm(&gradients)?)?;
/// assert!((global_norm(&clipped)? - 1.0).abs() < 1e-6);
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
///
/// # Errors
/// [`TrainError::InvalidSetting`](crate::TrainError::InvalidSetting) if `max_norm` is not positive.
pub fn clip_global_norm(gradients: &[Tensor], max_norm: f64, norm: f64) -> Result<Vec<Tensor>> {
    check_setting("the largest gradient norm", max_norm, "a positive number", |value| {
        value > 0.0
    })?;
    let factor = max_norm / (norm + NORM_OFFSET);
    if !norm.is_finite() || factor >= 1.0 {
        return Ok(gradients.to_vec());
    }
    gradients
        .iter()
        .map(|gradient| Ok(gradient.affine(factor, 0.0)?))
        .collect()
}

/// Whether all values and their squares, in the gradient's own precision, are finite.
///
/// Squares, because a second moment that overflows once would stop its weight for ever.
pub(super) fn has_finite_squares(gradient: &Tensor) -> Result<bool> {
    fn all<T: Real>(values: &[T]) -> bool {
        // Without an early exit, so that the loop is vectorised.
        values
            .iter()
            .fold(true, |all, value| all & (*value * *value).is_finite())
    }
    match Access::of(gradient) {
        Access::F32 => read(gradient, all::<f32>),
        Access::F64 => read(gradient, all::<f64>),
        Access::Operations => Ok(sum_of_squares(gradient)?.is_finite()),
    }
}

fn sum_of_squares(gradient: &Tensor) -> Result<f64> {
    match Access::of(gradient) {
        Access::F32 => read(gradient, sum_in_lanes::<f32>),
        Access::F64 => read(gradient, sum_in_lanes::<f64>),
        Access::Operations => {
            let sum = gradient.detach().sqr()?.sum_all()?.to_device(&Device::Cpu)?;
            Ok(sum.to_dtype(DType::F64)?.to_scalar()?)
        }
    }
}

fn sum_in_lanes<T: Real>(values: &[T]) -> f64 {
    let mut sums = [0.0; LANES];
    for chunk in values.chunks(LANES) {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            let value = value.to_f64();
            *sum += value * value;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::TrainError;

    fn tensor(values: &[f32]) -> Tensor {
        Tensor::new(values, &Device::Cpu).unwrap()
    }

    #[test]
    fn norm_has_the_precision_of_f64() {
        // In f32 the small squares would vanish beside the large one.
        let mut values = vec![1e-5f32; 100_003];
        values[0] = 1.0;
        let expected = (1.0 + 100_002.0 * f64::from(1e-5f32).powi(2)).sqrt();
        let norm = global_norm(&[tensor(&values)]).unwrap();
        assert!((norm - expected).abs() < 1e-12, "{norm} {expected}");
    }

    #[test]
    fn norm_reads_strided_and_other_types() {
        let matrix = Tensor::arange(0f64, 6.0, &Device::Cpu)
            .unwrap()
            .reshape((2, 3))
            .unwrap();
        let expected = 55f64.sqrt();
        assert_eq!(global_norm(&[matrix.t().unwrap()]).unwrap(), expected);
        let half = matrix.to_dtype(DType::BF16).unwrap();
        assert_eq!(global_norm(&[half]).unwrap(), expected);
        let row = matrix.narrow(0, 1, 1).unwrap();
        assert_eq!(global_norm(&[row]).unwrap(), 50f64.sqrt());
        assert_eq!(global_norm(&[]).unwrap(), 0.0);
    }

    #[test]
    fn clipping_scales_all_gradients_alike() {
        let gradients = [tensor(&[3.0]), tensor(&[4.0, 0.0])];
        let clipped = clip_global_norm(&gradients, 0.5, 5.0).unwrap();
        let factor = 0.5 / (5.0 + 1e-6);
        assert_eq!(clipped[0].to_vec1::<f32>().unwrap(), [3.0 * factor as f32]);
        assert_eq!(clipped[1].to_vec1::<f32>().unwrap(), [4.0 * factor as f32, 0.0]);
        let small = clip_global_norm(&gradients, 6.0, 5.0).unwrap();
        assert_eq!(small[0].to_vec1::<f32>().unwrap(), [3.0]);
    }

    #[test]
    fn clipping_does_not_spread_what_is_not_finite() {
        let gradients = [tensor(&[3.0]), tensor(&[f32::NAN])];
        let norm = global_norm(&gradients).unwrap();
        assert!(norm.is_nan());
        let clipped = clip_global_norm(&gradients, 1.0, norm).unwrap();
        assert_eq!(clipped[0].to_vec1::<f32>().unwrap(), [3.0]);
        for max_norm in [0.0, -1.0, f64::NAN] {
            let error = clip_global_norm(&gradients, max_norm, 5.0).unwrap_err();
            assert!(matches!(error, TrainError::InvalidSetting { .. }));
        }
    }
}
