//! Binary observations.

use super::{Likelihood, sum_rows};
use crate::error::Result;
use candle_core::Tensor;
use ffjord_nn::ops;

/// Observations of zeros and ones: `ln p = x l − ln(1 + eˡ)` summed, with the logits l of probabilities.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_vae::{Bernoulli, Likelihood};
///
/// let (logits, x) = (Tensor::new(&[[0.0f64, 800.0]], &Device::Cpu)?, Tensor::new(&[[1.0f64, 1.0]], &Device::Cpu)?);
/// let log_prob = Bernoulli::default().log_prob(&logits, &x)?.to_vec1::<f64>()?[0];
/// assert!((log_prob - 0.5f64.ln()).abs() < 1e-12);
/// # Ok::<(), ffjord_vae::VaeError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bernoulli {
    floor: Option<f64>,
}

impl Bernoulli {
    /// Probabilities are held between `floor` and `1 − floor`: the released code does so with 1e-5 where it weights
    /// importance samples, and nowhere else.
    ///
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use ffjord_vae::{Bernoulli, Likelihood};
    /// // A pixel that is 0 where the decoder is sure of a 1.
    /// let (logit, x) = (Tensor::new(&[[800f64]], &Device::Cpu)?, Tensor::new(&[[0f64]], &Device::Cpu)?);
    /// let log_prob = |likelihood: Bernoulli| likelihood.log_prob(&logit, &x).and_then(|l| Ok(l.to_vec1::<f64>()?[0]));
    /// assert!((log_prob(Bernoulli::default())? + 800.0).abs() < 1e-9);
    /// assert!((log_prob(Bernoulli::with_floor(1e-5))? - 1e-5f64.ln()).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_floor(floor: f64) -> Self {
        Self { floor: Some(floor) }
    }
}

impl Likelihood for Bernoulli {
    fn parameters_per_number(&self) -> usize {
        1
    }

    fn log_prob(&self, parameters: &Tensor, x: &Tensor) -> Result<Tensor> {
        let logits = match self.floor {
            None => parameters.clone(),
            Some(floor) => {
                let most = ((1.0 - floor) / floor).ln();
                parameters.clamp(-most, most)?
            }
        };
        sum_rows(&((x * &logits)? - ops::softplus(&logits)?)?)
    }

    fn mean(&self, parameters: &Tensor) -> Result<Tensor> {
        Ok(ops::sigmoid(parameters)?)
    }
}
