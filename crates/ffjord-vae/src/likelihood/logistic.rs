//! Grey levels that share a smooth distribution.

use super::{Likelihood, by_parameter, sum_rows};
use crate::error::Result;
use candle_core::Tensor;
use ffjord_nn::ops;

/// Numbers k/255 with the probability that a logistic distribution gives the interval of width 1/255 around them, the
/// tails included at 0 and 1 (Kingma et al. 2016, section 5.2). The parameters are mean and logarithm of the scale.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_vae::{DiscretizedLogistic, Likelihood};
/// // The probabilities of all 256 levels, with mean 0.3 and scale e⁻³, sum to 1.
/// let levels: Vec<f64> = (0..256).map(|level| f64::from(level) / 255.0).collect();
/// let x = Tensor::from_vec(levels, (256, 1), &Device::Cpu)?;
/// let parameters = Tensor::new(&[[0.3, -3.0]], &Device::Cpu)?.broadcast_as((256, 2))?.contiguous()?;
/// let sum = DiscretizedLogistic.log_prob(&parameters, &x)?.exp()?.sum_all()?.to_scalar::<f64>()?;
/// assert!((sum - 1.0).abs() < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiscretizedLogistic;

/// The smallest logarithm of a scale: a few thousandths of a grey level, beyond which nothing is gained.
const LEAST_LOG_SCALE: f64 = -12.0;

impl Likelihood for DiscretizedLogistic {
    fn parameters_per_number(&self) -> usize {
        2
    }

    fn log_prob(&self, parameters: &Tensor, x: &Tensor) -> Result<Tensor> {
        let parameters = by_parameter(parameters, 2)?;
        let mean = parameters.narrow(1, 0, 1)?.squeeze(1)?;
        let log_scale = parameters.narrow(1, 1, 1)?.squeeze(1)?.maximum(LEAST_LOG_SCALE)?;
        let inverse = log_scale.neg()?.exp()?;
        let half = 0.5 / 255.0;
        let centred = (x - &mean)?;
        let (above, below) = (((&centred + half)? * &inverse)?, ((&centred - half)? * &inverse)?);
        // ln(σ(a) − σ(b)) = −s(−a) − s(b) + ln(1 − e^(b − a)), where s is softplus and a − b the interval's width.
        let width = (inverse * (2.0 * half))?;
        let within = (width.neg()?.exp()?.neg()? + 1.0)?.maximum(1e-30)?.log()?;
        let inside = ((within - ops::softplus(&above.neg()?)?)? - ops::softplus(&below)?)?;
        let lowest = ops::softplus(&above.neg()?)?.neg()?;
        let highest = ops::softplus(&below)?.neg()?;
        let chosen = x
            .lt(half)?
            .where_cond(&lowest, &x.gt(1.0 - half)?.where_cond(&highest, &inside)?)?;
        sum_rows(&chosen)
    }

    fn mean(&self, parameters: &Tensor) -> Result<Tensor> {
        Ok(by_parameter(parameters, 2)?
            .narrow(1, 0, 1)?
            .squeeze(1)?
            .clamp(0.0, 1.0)?)
    }
}
