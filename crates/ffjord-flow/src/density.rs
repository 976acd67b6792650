//! Probability densities on rows.

use crate::error::Result;
use crate::pass::Pass;
use candle_core::{DType, Device, Tensor};
use std::sync::Arc;

/// A probability density on rows that can be evaluated and sampled.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Density, Pass, Result};
/// use rand::SeedableRng;
///
/// /// Uniform on the unit square.
/// #[derive(Debug)]
/// struct Square;
///
/// impl Density for Square {
///     fn log_prob(&self, x: &Tensor, _pass: &mut Pass<'_>) -> Result<Tensor> {
///         let inside = (x.ge(0.0)? * x.lt(1.0)?)?.min(1)?; // 1 or 0
///         Ok(inside.to_dtype(DType::F64)?.log()?)
///     }
///     fn sample(&self, rows: usize, pass: &mut Pass<'_>) -> Result<Tensor> {
///         let numbers: Vec<f64> = (0..2 * rows).map(|_| pass.rng().next_u32() as f64 / 2f64.powi(32)).collect();
///         Ok(Tensor::from_vec(numbers, (rows, 2), &Device::Cpu)?)
///     }
///     fn row_shape(&self) -> &[usize] { &[2] }
///     fn dtype(&self) -> DType { DType::F64 }
///     fn device(&self) -> &Device { &Device::Cpu }
/// }
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let samples = Square.sample(3, &mut Pass::sampling(&mut rng))?;
/// assert_eq!(Square.log_prob(&samples, &mut Pass::evaluation(&mut rng))?.to_vec1::<f64>()?, [0.0; 3]);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
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
