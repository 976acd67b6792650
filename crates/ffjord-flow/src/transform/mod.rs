//! Invertible functions of single numbers whose parameters a network computes: what coupling and autoregressive flows
//! do to each column.

mod affine;

mod rows;
mod spline;

pub use affine::Affine;
pub use spline::RationalQuadraticSpline;

use crate::error::Result;
use candle_core::Tensor;

/// An increasing function of one number with parameters for every element; zeros as parameters give the identity.
///
/// One of your own, `y = x + b`, in a coupling:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, ColumnTransform, Coupling, CouplingConfig, Pass, Result};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
/// use std::sync::Arc;
///
/// #[derive(Debug)]
/// struct Shift;
///
/// impl ColumnTransform for Shift {
///     fn parameter_count(&self) -> usize { 1 }
///     fn forward(&self, x: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok(((x + parameters.squeeze(2)?)?, x.zeros_like()?))
///     }
///     fn inverse(&self, y: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok(((y - parameters.squeeze(2)?)?, y.zeros_like()?))
///     }
/// }
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let (hidden, activation, transform) = (vec![8], ActivationKind::Relu, Arc::new(Shift));
/// let config = CouplingConfig { transformed: vec![false, true], condition: 0, hidden, activation, transform };
/// let coupling = Coupling::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
/// for parameter in coupling.parameters() {
///     parameter.var.set(&parameter.var.ones_like()?)?;
/// }
/// // All weights 1: a hidden layer of eight max(x₁ + 1, 0), and b their sum plus 1.
/// let z = coupling.forward(&Tensor::new(&[[1.0, 5.0]], &Device::Cpu)?, &mut Pass::evaluation(&mut rng))?;
/// assert_eq!(z.value.to_vec2::<f64>()?, [[1.0, 5.0 + 8.0 * 2.0 + 1.0]]);
/// assert_eq!(z.log_det()?.to_vec1::<f64>()?, [0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ColumnTransform: std::fmt::Debug + Send + Sync {
    /// The number P of parameters of each element.
    fn parameter_count(&self) -> usize;

    /// `y` and `ln dy/dx`, both `[B, n]`, for `x` `[B, n]` and parameters `[B, n, P]`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn forward(&self, x: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)>;

    /// `x` and `ln dx/dy`, both `[B, n]`, for `y` `[B, n]` and parameters `[B, n, P]`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn inverse(&self, y: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)>;
}
