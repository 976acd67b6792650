//! Grey levels, each with a probability of its own.

use super::{Likelihood, by_parameter, sum_rows};
use crate::error::Result;
use candle_core::{DType, Tensor};
use ffjord_nn::ops;

/// Numbers k/255 in [0, 1] as one of 256 levels with a softmax over them; a level is `⌊255 x⌋`, as in the released code.
///
/// Rounding of k/255 in `f32` never changes the level.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_vae::{Categorical, Likelihood};
/// // Equal logits for each of 256 levels of one number.
/// let logits = Tensor::zeros((1, Categorical::LEVELS), DType::F64, &Device::Cpu)?;
/// let x = Tensor::new(&[[7.0 / 255.0]], &Device::Cpu)?;
/// let log_prob = Categorical.log_prob(&logits, &x)?.to_vec1::<f64>()?[0];
/// assert!((log_prob + 256f64.ln()).abs() < 1e-12);
/// assert!((Categorical.mean(&logits)?.to_vec2::<f64>()?[0][0] - 0.5).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Categorical;

impl Categorical {
    /// The number of levels.
    pub const LEVELS: usize = 256;
}

impl Likelihood for Categorical {
    fn parameters_per_number(&self) -> usize {
        Self::LEVELS
    }

    fn log_prob(&self, parameters: &Tensor, x: &Tensor) -> Result<Tensor> {
        let last = (Self::LEVELS - 1) as f64;
        // In single precision 255 · (k / 255) may fall below k; half of the smallest spacing there lifts it over again.
        let levels = ((x * last)? + 1e-4)?.floor()?.clamp(0.0, last)?;
        let levels = levels.to_dtype(DType::U32)?.flatten_all()?;
        // Levels last; that copies nothing of what a convolutional decoder returns for images of one channel.
        let logits = match parameters.dim(1)? {
            Self::LEVELS => parameters.clone(),
            _ => by_parameter(parameters, Self::LEVELS)?,
        };
        let axes: Vec<usize> = [0].into_iter().chain(2..logits.rank()).chain([1]).collect();
        let rows = logits.permute(axes)?.reshape(((), Self::LEVELS))?;
        sum_rows(&ops::log_softmax_at(&rows, &levels)?.reshape(x.shape())?)
    }

    fn mean(&self, parameters: &Tensor) -> Result<Tensor> {
        let logits = by_parameter(parameters, Self::LEVELS)?;
        let probabilities = candle_nn::ops::softmax(&logits, 1)?;
        let levels = Tensor::arange(0u32, Self::LEVELS as u32, logits.device())?.to_dtype(logits.dtype())?;
        let mut shape = vec![1; logits.rank()];
        shape[1] = Self::LEVELS;
        let levels = (levels.reshape(shape)? / (Self::LEVELS - 1) as f64)?;
        Ok(probabilities.broadcast_mul(&levels)?.sum(1)?)
    }
}
