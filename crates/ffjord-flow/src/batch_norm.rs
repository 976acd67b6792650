//! Moving batch normalisation between the blocks of a flow.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::error::{FlowError, Result};
use crate::integral::PathIntegrals;
use crate::pass::{Pass, Purpose};
use candle_core::{DType, Device, Tensor, Var};
use ffjord_nn::Parameter;

/// Added to the running variance, as in the original.
const EPSILON: f64 = 1e-4;
/// How far the running statistics move towards those of a batch.
const DECAY: f64 = 0.1;

/// `y = (x − μ) / √(v + ε) · exp(w) + b` on rows `[B, D]` or channels `[B, C, H, W]`, with running mean μ and variance v.
///
/// The statistics in use are those of before the batch, so the map is a bijection with the log-determinant
/// `Σ (w − ½ ln(v + ε))` for training as well, and no gradient passes through the statistics (the original's
/// `MovingBatchNorm` with its default of no lag).
#[derive(Debug)]
pub struct MovingBatchNorm {
    row_shape: Vec<usize>,
    parameters: Vec<Parameter>,
    buffers: Vec<Parameter>,
    log_scale: Var,
    shift: Var,
    mean: Var,
    variance: Var,
    steps: Var,
}

impl MovingBatchNorm {
    /// The identity map at first: mean 0, variance 1 (up to ε).
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] for a row without elements.
    pub fn new(row_shape: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        let channels = match row_shape.first() {
            Some(&channels) if !row_shape.contains(&0) => channels,
            _ => {
                return Err(FlowError::InvalidSetting {
                    setting: "row shape",
                    given: format!("{row_shape:?}"),
                    accepted: "one or more positive sizes",
                });
            }
        };
        let constant = |count: usize, value: f64| -> Result<Var> {
            Ok(Var::from_tensor(&Tensor::full(value, count, device)?.to_dtype(dtype)?)?)
        };
        let named = |name: &str, var: &Var| Parameter {
            name: name.to_string(),
            var: var.clone(),
        };
        let (log_scale, shift) = (constant(channels, 0.0)?, constant(channels, 0.0)?);
        let (steps, mean, variance) = (constant(1, 0.0)?, constant(channels, 0.0)?, constant(channels, 1.0)?);
        let parameters = vec![named("weight", &log_scale), named("bias", &shift)];
        let buffers = vec![
            named("step", &steps),
            named("running_mean", &mean),
            named("running_var", &variance),
        ];
        Ok(Self {
            row_shape: row_shape.to_vec(),
            parameters,
            buffers,
            log_scale,
            shift,
            mean,
            variance,
            steps,
        })
    }

    /// A vector over channels in a shape that broadcasts over the batch.
    fn over_channels(&self, vector: &Tensor) -> Result<Tensor> {
        let mut shape = vec![1; self.row_shape.len() + 1];
        shape[1] = vector.elem_count();
        Ok(vector.reshape(shape)?)
    }

    /// `w − ½ ln(v + ε)`, the logarithm of each channel's factor.
    fn log_factor(&self, variance: &Tensor) -> Result<Tensor> {
        Ok((self.log_scale.as_tensor() - ((variance + EPSILON)?.log()? * 0.5)?)?)
    }

    /// The log-determinant of every row, `[B]`.
    fn log_det(&self, log_factor: &Tensor, rows: usize) -> Result<Tensor> {
        let pixels: usize = self.row_shape[1..].iter().product();
        let total = (log_factor.sum_all()? * pixels as f64)?;
        Ok(total.reshape(1)?.broadcast_as(rows)?.contiguous()?)
    }

    /// Moves the running statistics towards those of a batch.
    ///
    /// A batch of one row has no variance, and one with a NaN or an infinity no use: both leave the statistics alone.
    fn update(&self, x: &Tensor) -> Result<()> {
        let by_channel = x.detach().transpose(0, 1)?.contiguous()?.flatten_from(1)?;
        let total: f64 = by_channel.abs()?.sum_all()?.to_dtype(DType::F64)?.to_scalar()?;
        if by_channel.dim(1)? < 2 || !total.is_finite() {
            return Ok(());
        }
        let move_towards = |running: &Var, batch: &Tensor| -> Result<()> {
            let current = running.as_detached_tensor();
            Ok(running.set(&(&current - ((&current - batch)? * DECAY)?)?)?)
        };
        move_towards(&self.mean, &by_channel.mean(1)?)?;
        move_towards(&self.variance, &by_channel.var(1)?)?;
        Ok(self.steps.set(&(self.steps.as_detached_tensor() + 1.0)?)?)
    }
}

impl Bijection for MovingBatchNorm {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", x, &self.row_shape)?;
        let (mean, variance) = (
            self.mean.as_detached_tensor().copy()?,
            self.variance.as_detached_tensor().copy()?,
        );
        if pass.purpose() == Purpose::Training {
            self.update(x)?;
        }
        let log_factor = self.log_factor(&variance)?;
        let value = x
            .broadcast_sub(&self.over_channels(&mean)?)?
            .broadcast_mul(&self.over_channels(&log_factor.exp()?)?)?
            .broadcast_add(&self.over_channels(&self.shift)?)?;
        let log_det = self.log_det(&log_factor, x.dim(0)?)?;
        Ok(Transformed {
            value,
            log_det,
            integrals: PathIntegrals::none(),
        })
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", z, &self.row_shape)?;
        let log_factor = self.log_factor(&self.variance.as_detached_tensor())?;
        let value = z
            .broadcast_sub(&self.over_channels(&self.shift)?)?
            .broadcast_mul(&self.over_channels(&log_factor.neg()?.exp()?)?)?
            .broadcast_add(&self.over_channels(&self.mean.as_detached_tensor())?)?;
        let log_det = self.log_det(&log_factor, z.dim(0)?)?.neg()?;
        Ok(Transformed {
            value,
            log_det,
            integrals: PathIntegrals::none(),
        })
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }

    fn buffers(&self) -> Vec<Parameter> {
        self.buffers.clone()
    }

    fn row_shape(&self) -> &[usize] {
        &self.row_shape
    }
}
