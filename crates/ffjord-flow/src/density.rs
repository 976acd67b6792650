//! Probability densities on rows.

use crate::error::Result;
use crate::pass::Pass;
use candle_core::{DType, Device, Tensor};
use std::sync::Arc;

/// A probability density on rows that can be evaluated and sampled.
pub trait Density: std::fmt::Debug + Send + Sync {
    /// `ln p(x)` of each row of `x` `[B, …]`: `[B]`, in nats.
    ///
    /// # Errors
    /// When the input does not fit, a solve fails, or `pass` is a sampling pass.
    fn log_prob(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor>;

    /// `rows` independent samples, `[rows, …]`.
    ///
    /// # Errors
    /// When a solve fails.
    fn sample(&self, rows: usize, pass: &mut Pass<'_>) -> Result<Tensor>;

    /// The shape of one row: `[D]` or `[C, H, W]`.
    fn row_shape(&self) -> &[usize];

    /// The floating-point type of rows.
    fn dtype(&self) -> DType;

    /// The device of rows.
    fn device(&self) -> &Device;

    /// The columns of the condition that the density depends on; none unless it says so.
    fn given_len(&self) -> usize {
        0
    }
}

impl<D: Density + ?Sized> Density for Arc<D> {
    fn log_prob(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor> {
        self.as_ref().log_prob(x, pass)
    }

    fn sample(&self, rows: usize, pass: &mut Pass<'_>) -> Result<Tensor> {
        self.as_ref().sample(rows, pass)
    }

    fn row_shape(&self) -> &[usize] {
        self.as_ref().row_shape()
    }

    fn dtype(&self) -> DType {
        self.as_ref().dtype()
    }

    fn device(&self) -> &Device {
        self.as_ref().device()
    }

    fn given_len(&self) -> usize {
        self.as_ref().given_len()
    }
}
