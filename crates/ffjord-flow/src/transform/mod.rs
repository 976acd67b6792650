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
