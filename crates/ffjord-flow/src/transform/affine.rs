//! Shift and scale.

use super::ColumnTransform;
use crate::error::Result;
use candle_core::Tensor;
use ffjord_nn::ops;

/// No factor leaves 1/1000 … 1000: `ln 1000`.
const LIMIT: f64 = 6.907_755_278_982_137;

/// `y = (x − μ) e^−α` (Papamakarios et al. 2017, eq. 4 and 5), with `α = L tanh(a / L)`, `L = ln 1000`, of the network's
/// output a: unlimited factors overflow before the first good weights are found.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::{Affine, ColumnTransform};
/// // μ = 1 and, near zero, α = a: y = (x − 1) e^−α with slope e^−α.
/// let (x, parameters) = (Tensor::new(&[[3.0]], &Device::Cpu)?, Tensor::new(&[[[1.0, 1e-3]]], &Device::Cpu)?);
/// let (y, log_slope) = Affine.forward(&x, &parameters)?;
/// assert!((y.to_vec2::<f64>()?[0][0] - 2.0 * (-1e-3_f64).exp()).abs() < 1e-9);
/// assert!((log_slope.to_vec2::<f64>()?[0][0] + 1e-3).abs() < 1e-9);
/// let (back, _) = Affine.inverse(&y, &parameters)?;
/// assert!((back.to_vec2::<f64>()?[0][0] - 3.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Affine;

/// μ and α, `[B, n]` each.
fn split(parameters: &Tensor) -> Result<(Tensor, Tensor)> {
    let shift = parameters.narrow(2, 0, 1)?.squeeze(2)?.contiguous()?;
    let raw = parameters.narrow(2, 1, 1)?.squeeze(2)?.contiguous()?;
    let log_scale = (ops::tanh(&(raw / LIMIT)?)? * LIMIT)?;
    Ok((shift, log_scale))
}

impl ColumnTransform for Affine {
    fn parameter_count(&self) -> usize {
        2
    }

    fn forward(&self, x: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
        let (shift, log_scale) = split(parameters)?;
        let slope = log_scale.neg()?;
        Ok((((x - shift)? * slope.exp()?)?, slope))
    }

    fn inverse(&self, y: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
        let (shift, log_scale) = split(parameters)?;
        Ok((((y * log_scale.exp()?)? + shift)?, log_scale))
    }
}
