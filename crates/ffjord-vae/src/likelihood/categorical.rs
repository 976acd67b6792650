//! Grey levels, each with a probability of its own.

use super::{Likelihood, by_parameter, sum_rows};
use crate::error::Result;
use candle_core::{DType, Tensor};

/// Numbers k/255 in [0, 1] as one of 256 levels with a softmax over them; a level is `⌊255 x⌋`, as in the released code.
///
/// Rounding of k/255 in `f32` never changes the level.
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
        let logits = by_parameter(parameters, Self::LEVELS)?;
        let last = (Self::LEVELS - 1) as f64;
        // In single precision 255 · (k / 255) may fall below k; half of the smallest spacing there lifts it over again.
        let levels = ((x * last)? + 1e-4)?.floor()?.clamp(0.0, last)?;
        let levels = levels.to_dtype(DType::U32)?.unsqueeze(1)?.contiguous()?;
        let log_probabilities = candle_nn::ops::log_softmax(&logits, 1)?;
        sum_rows(&log_probabilities.contiguous()?.gather(&levels, 1)?)
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
