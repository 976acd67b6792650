//! The Gaussian itself.

use super::Posterior;
use crate::error::Result;
use candle_core::Tensor;
use ffjord_flow::{Pass, Transformed};
use ffjord_nn::Parameter;

/// z_k = z₀: the posterior is the encoder's Gaussian.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::Pass;
/// use ffjord_vae::{NoFlow, Posterior};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let (z, features) = (Tensor::new(&[[1.0, 2.0]], &Device::Cpu)?, Tensor::zeros((1, 5), DType::F64, &Device::Cpu)?);
/// let end = NoFlow.transform(&z, &features, &mut Pass::evaluation(&mut rng))?;
/// assert_eq!(end.value.to_vec2::<f64>()?, [[1.0, 2.0]]);
/// assert_eq!(end.log_det()?.to_vec1::<f64>()?, [0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
