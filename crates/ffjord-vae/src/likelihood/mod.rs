//! Distributions of observations given what a decoder says.

mod bernoulli;
mod categorical;
mod logistic;

pub use bernoulli::Bernoulli;
pub use categorical::Categorical;
pub use logistic::DiscretizedLogistic;

use crate::error::Result;
use candle_core::Tensor;

/// A distribution p(x | z) of observations x `[B, C, …]`, whose parameters `[B, K·C, …]` a decoder computes from z: each
/// number of x has K of them, at channels `k·C + c`.
///
/// One of your own, normal with variance 1 around the decoder's numbers:
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_vae::{Likelihood, Result};
///
/// #[derive(Debug)]
/// struct Normal;
///
/// impl Likelihood for Normal {
///     fn parameters_per_number(&self) -> usize { 1 }
///     fn log_prob(&self, mean: &Tensor, x: &Tensor) -> Result<Tensor> {
///         let numbers = x.elem_count() / x.dim(0)?;
///         let squares = (x - mean)?.sqr()?.flatten_from(1)?.sum(1)?;
///         Ok(((squares * -0.5)? - 0.5 * numbers as f64 * (2.0 * std::f64::consts::PI).ln())?)
///     }
///     fn mean(&self, mean: &Tensor) -> Result<Tensor> { Ok(mean.clone()) }
/// }
///
/// let (mean, x) = (Tensor::new(&[[0.0, 1.0]], &Device::Cpu)?, Tensor::new(&[[2.0, 1.0]], &Device::Cpu)?);
/// let log_prob = Normal.log_prob(&mean, &x)?.to_vec1::<f64>()?[0];
/// assert!((log_prob + 2.0 + (2.0 * std::f64::consts::PI).ln()).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Likelihood: std::fmt::Debug + Send + Sync {
    /// K, the parameters of each number.
    fn parameters_per_number(&self) -> usize;

    /// `ln p(x | z)` of each observation, `[B]`, in nats.
    ///
    /// # Errors
    /// When the shapes do not fit together.
    fn log_prob(&self, parameters: &Tensor, x: &Tensor) -> Result<Tensor>;

    /// The mean of x given z, `[B, C, …]`, for pictures.
    ///
    /// # Errors
    /// When the parameters do not fit.
    fn mean(&self, parameters: &Tensor) -> Result<Tensor>;
}

impl<T: Likelihood + ?Sized> Likelihood for Box<T> {
    fn parameters_per_number(&self) -> usize {
        self.as_ref().parameters_per_number()
    }

    fn log_prob(&self, parameters: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.as_ref().log_prob(parameters, x)
    }

    fn mean(&self, parameters: &Tensor) -> Result<Tensor> {
        self.as_ref().mean(parameters)
    }
}

/// The parameters `[B, K·C, …]` as `[B, K, C, …]`.
fn by_parameter(parameters: &Tensor, count: usize) -> Result<Tensor> {
    let mut shape = parameters.dims().to_vec();
    let channels = shape[1] / count;
    shape.splice(1..2, [count, channels]);
    Ok(parameters.reshape(shape)?)
}

/// Sums over everything but the batch axis, `[B]`.
fn sum_rows(numbers: &Tensor) -> Result<Tensor> {
    Ok(numbers.flatten_from(1)?.sum(1)?)
}
