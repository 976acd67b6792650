//! The likelihood of observations by importance sampling.

use crate::error::{Result, check_positive, check_rows};
use crate::vae::Vae;
use candle_core::{DType, Tensor};
use ffjord_flow::Pass;

/// An estimate of `ln p(x)`.
///
/// The logarithm of the mean weight:
///
/// ```
/// # use candle_core::{DType, Device, Tensor};
/// # use ffjord_flow::Pass;
/// # use ffjord_nn::ops::Function;
/// # use ffjord_vae::{Bernoulli, DenseDecoder, DenseEncoder, NoFlow, Vae};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// # let likelihood = Bernoulli::default();
/// # let encoder = DenseEncoder::new(&[4], &[8], 2, Function::Tanh, &mut rng, DType::F64, &Device::Cpu)?;
/// # let decoder =
/// #     DenseDecoder::new(&[4], &[8], 2, &likelihood, Function::Tanh, &mut rng, DType::F64, &Device::Cpu)?;
/// # let vae = Vae::new(encoder, NoFlow, decoder, likelihood)?;
/// # let x = Tensor::new(&[[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]], &Device::Cpu)?;
/// let seeded = || rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let estimate = vae.importance(&x, 50, 50, &mut Pass::evaluation(&mut seeded()))?[0];
/// let weights = vae.log_weights(&x, 50, &mut Pass::evaluation(&mut seeded()))?.to_vec2::<f64>()?;
/// let mean = weights.iter().map(|of_all| of_all[0].exp()).sum::<f64>() / 50.0;
/// assert!((estimate.log_likelihood - mean.ln()).abs() < 1e-9);
/// assert!((1.0..=50.0).contains(&estimate.effective_samples) && estimate.standard_error < 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImportanceEstimate {
    /// `ln 1/S Σ wₛ`, in nats: a lower bound in the mean, which rises with S to `ln p(x)` (Burda et al. 2016, theorem 1).
    pub log_likelihood: f64,
    /// Its standard error over the samples, by the first derivative of the logarithm.
    pub standard_error: f64,
    /// `(Σ w)² / Σ w²`: how many samples carry the estimate.
    pub effective_samples: f64,
}

/// Sums of importance weights that are taken in as they come, in any order of magnitude.
#[derive(Debug, Clone, Copy)]
struct Weights {
    /// The largest logarithm so far.
    largest: f64,
    /// Σ w and Σ w², relative to that.
    sum: f64,
    squares: f64,
    count: usize,
}

impl Weights {
    const NONE: Self = Self {
        largest: f64::NEG_INFINITY,
        sum: 0.0,
        squares: 0.0,
        count: 0,
    };

    fn add(&mut self, log_weight: f64) {
        self.count += 1;
        if log_weight == f64::NEG_INFINITY {
            return;
        }
        if log_weight > self.largest {
            let factor = (self.largest - log_weight).exp();
            self.sum *= factor;
            self.squares *= factor * factor;
            self.largest = log_weight;
        }
        let weight = (log_weight - self.largest).exp();
        self.sum += weight;
        self.squares += weight * weight;
    }

    fn estimate(&self) -> ImportanceEstimate {
        let count = self.count as f64;
        let effective = self.sum * self.sum / self.squares;
        ImportanceEstimate {
            log_likelihood: self.largest + (self.sum / count).ln(),
            // The relative deviation of a mean of S weights is √((S/ESS − 1) / (S − 1)).
            standard_error: ((count / effective - 1.0).max(0.0) / (count - 1.0)).sqrt(),
            effective_samples: effective,
        }
    }
}

impl Vae {
    /// `ln w = ln p(x | z) + ln p(z) − ln q(z | x)` of `samples` latent states for each observation of x `[B, …]`,
    /// `[samples, B]`, in nats.
    ///
    /// ```
    /// # use candle_core::{DType, Device, Tensor};
    /// # use ffjord_flow::Pass;
    /// # use ffjord_nn::ops::Function;
    /// # use ffjord_vae::{Bernoulli, DenseDecoder, DenseEncoder, NoFlow, Vae};
    /// # use rand::SeedableRng;
    /// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// # let likelihood = Bernoulli::default();
    /// # let encoder = DenseEncoder::new(&[4], &[8], 2, Function::Tanh, &mut rng, DType::F64, &Device::Cpu)?;
    /// # let decoder =
    /// #     DenseDecoder::new(&[4], &[8], 2, &likelihood, Function::Tanh, &mut rng, DType::F64, &Device::Cpu)?;
    /// # let vae = Vae::new(encoder, NoFlow, decoder, likelihood)?;
    /// # let x = Tensor::new(&[[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]], &Device::Cpu)?;
    /// let weights = vae.log_weights(&x, 3, &mut Pass::evaluation(&mut rng))?;
    /// assert_eq!(weights.dims(), &[3, 2]);                    // [samples, B]
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the batch does not fit, or a solve fails.
    pub fn log_weights(&self, x: &Tensor, samples: usize, pass: &mut Pass<'_>) -> Result<Tensor> {
        check_positive("the number of samples", samples)?;
        let rows = check_rows("batch of observations", x, self.encoder().observation_shape())?;
        let encoded = self.encoder().encode(x)?.repeated(samples)?;
        let noise = self.noise(samples * rows, pass)?;
        let repeated = Tensor::cat(&vec![x; samples], 0)?;
        let elbo = self.evaluate_encoded(&repeated, encoded, &noise, pass)?.elbo()?;
        Ok(elbo.reshape((samples, rows))?)
    }

    /// Estimates of `ln p(x)` for each observation of x `[B, …]` by `samples` latent states each, `at_a_time` of which are
    /// evaluated together.
    ///
    /// # Errors
    /// [`VaeError::InvalidSetting`](crate::VaeError::InvalidSetting) for no samples; otherwise as
    /// [`log_weights`](Self::log_weights).
    pub fn importance(
        &self,
        x: &Tensor,
        samples: usize,
        at_a_time: usize,
        pass: &mut Pass<'_>,
    ) -> Result<Vec<ImportanceEstimate>> {
        check_positive("the number of samples", samples)?;
        check_positive("the number of samples at a time", at_a_time)?;
        let mut weights = vec![Weights::NONE; x.dim(0)?];
        let mut left = samples;
        while left > 0 {
            let now = left.min(at_a_time);
            let log_weights = self.log_weights(x, now, pass)?.to_dtype(DType::F64)?;
            for of_sample in log_weights.to_vec2::<f64>()? {
                for (weights, log_weight) in weights.iter_mut().zip(of_sample) {
                    weights.add(log_weight);
                }
            }
            left -= now;
        }
        Ok(weights.iter().map(Weights::estimate).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_any_magnitude_are_summed() {
        let mut weights = Weights::NONE;
        for log_weight in [-1000.0, -1001.0, f64::NEG_INFINITY, -999.0] {
            weights.add(log_weight);
        }
        let estimate = weights.estimate();
        let relative = [(-1.0f64).exp(), (-2.0f64).exp(), 0.0, 1.0];
        let (sum, squares): (f64, f64) = (relative.iter().sum(), relative.iter().map(|w| w * w).sum());
        assert!((estimate.log_likelihood - (-999.0 + (sum / 4.0).ln())).abs() < 1e-12);
        assert!((estimate.effective_samples - sum * sum / squares).abs() < 1e-12);
        let (mean, deviation) = (sum / 4.0, (squares - sum * sum / 4.0) / 3.0);
        assert!((estimate.standard_error - (deviation / 4.0).sqrt() / mean).abs() < 1e-12);
    }
}
