//! The Gaussian itself.

use super::Posterior;
use crate::error::Result;
use candle_core::Tensor;
use ffjord_flow::{Pass, Transformed};
use ffjord_nn::Parameter;

/// z_k = z₀: the posterior is the encoder's Gaussian.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoFlow;

impl Posterior for NoFlow {
    fn transform(&self, z: &Tensor, _features: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        let log_det = Tensor::zeros(z.dim(0)?, z.dtype(), z.device())?;
        Ok(Transformed::new(z.clone(), log_det))
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }
}
