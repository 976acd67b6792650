//! Moving batch normalisation between the blocks of a flow.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::channels;
use crate::error::{FlowError, Result};
use crate::pass::{Pass, Purpose};
use candle_core::{DType, Device, Tensor, Var};
use ffjord_nn::Parameter;

/// Added to the running variance, as in the original.
const EPSILON: f64 = 1e-4;
/// How far the running statistics move towards those of a batch.
const DECAY: f64 = 0.1;

/// Which mean and variance a training pass normalises with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Statistics {
    Running,
    Batch,
    /// Part of the batch's and part of the running ones.
    Lagged(f64),
}

/// `y = (x − μ) / √(v + ε) · exp(w) + b` on rows `[B, D]` or channels `[B, C, H, W]`, with running mean μ and variance v.
///
/// The log-determinant is `Σ (w − ½ ln(v + ε))`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, MovingBatchNorm, Pass};
/// use rand::SeedableRng;
///
/// let norm = MovingBatchNorm::new(&[1], DType::F64, &Device::Cpu)?;
/// let x = Tensor::new(&[[3.0], [5.0]], &Device::Cpu)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// for _ in 0..200 {
///     norm.forward(&x, &mut Pass::training(&mut rng))?; // Every training pass moves the running statistics.
/// }
/// let z = norm.forward(&x, &mut Pass::evaluation(&mut rng))?.value.flatten_all()?.to_vec1::<f64>()?;
/// assert!((z[0] + z[1]).abs() < 1e-3 && z[1] > 0.0);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug)]
pub struct MovingBatchNorm {
    row_shape: Vec<usize>,
    statistics: Statistics,
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
    /// The statistics in use are those of before the batch, so the map is a bijection for training as well, and no
    /// gradient passes through the statistics (the original's `MovingBatchNorm` with its default of no lag).
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] for a row without elements.
    pub fn new(row_shape: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        Self::with(Statistics::Running, row_shape, dtype, device)
    }

    /// As [`MovingBatchNorm::new`], but a training pass forward uses the batch's own statistics, and gradients pass
    /// through them (Papamakarios et al. 2017, section 3.4 and appendix B; Dinh et al. 2017, section 3.7).
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use ffjord_flow::{Bijection, MovingBatchNorm, Pass};
    /// use rand::SeedableRng;
    ///
    /// let norm = MovingBatchNorm::of_batches(&[1], DType::F64, &Device::Cpu)?;
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// // In training the batch's own mean is 0 at once.
    /// let x = Tensor::new(&[[3.0], [5.0]], &Device::Cpu)?;
    /// let z = norm.forward(&x, &mut Pass::training(&mut rng))?.value.flatten_all()?.to_vec1::<f64>()?;
    /// assert!((z[0] + z[1]).abs() < 1e-12 && norm.uses_batch_statistics());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] for a row without elements.
    pub fn of_batches(row_shape: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        Self::with(Statistics::Batch, row_shape, dtype, device)
    }

    /// As [`MovingBatchNorm::new`], but a training pass forward uses `(λ batch + (1 − λ) running) / (1 − λ^(n + 1))` for
    /// mean and variance, where n counts the passes before it: the original's `bn_lag`. Gradients pass through the batch's
    /// part.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use ffjord_flow::MovingBatchNorm;
    /// assert!(MovingBatchNorm::with_lag(&[3], 0.5, DType::F32, &Device::Cpu).is_ok());
    /// let refused = MovingBatchNorm::with_lag(&[3], 1.5, DType::F32, &Device::Cpu).unwrap_err().to_string();
    /// assert!(refused.contains("1.5"), "{refused}");
    /// ```
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] unless the lag λ lies between 0 and 1, and for a row without elements.
    pub fn with_lag(row_shape: &[usize], lag: f64, dtype: DType, device: &Device) -> Result<Self> {
        if !(lag > 0.0 && lag < 1.0) {
            return Err(FlowError::invalid(
                "lag of batch normalisation",
                lag,
                "a number between 0 and 1",
            ));
        }
        Self::with(Statistics::Lagged(lag), row_shape, dtype, device)
    }

    fn with(statistics: Statistics, row_shape: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        let channels = channels::count(row_shape)?;
        let constant = |name, count: usize, value| Parameter::constant(name, count, value, dtype, device);
        let parameters = vec![constant("weight", channels, 0.0)?, constant("bias", channels, 0.0)?];
        let buffers = vec![
            constant("step", 1, 0.0)?,
            constant("running_mean", channels, 0.0)?,
            constant("running_var", channels, 1.0)?,
        ];
        Ok(Self {
            row_shape: row_shape.to_vec(),
            statistics,
            log_scale: parameters[0].var.clone(),
            shift: parameters[1].var.clone(),
            steps: buffers[0].var.clone(),
            mean: buffers[1].var.clone(),
            variance: buffers[2].var.clone(),
            parameters,
            buffers,
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

    /// Mean and variance for a training batch, after moving the running statistics towards the batch's.
    ///
    /// A batch of one row has no variance, and one with a NaN or an infinity no use: both leave the statistics alone.
    fn train(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let running = self.running()?;
        let by_channel = x.transpose(0, 1)?.contiguous()?.flatten_from(1)?;
        let total: f64 = by_channel.abs()?.sum_all()?.to_dtype(DType::F64)?.to_scalar()?;
        if by_channel.dim(1)? < 2 || !total.is_finite() {
            return Ok(running);
        }
        let (mean, variance) = (by_channel.mean(1)?, by_channel.var(1)?);
        let move_towards = |moving: &Var, current: &Tensor, batch: &Tensor| -> Result<()> {
            Ok(moving.set(&(current - ((current - batch.detach())? * DECAY)?)?)?)
        };
        move_towards(&self.mean, &running.0, &mean)?;
        move_towards(&self.variance, &running.1, &variance)?;
        let steps: f64 = self.steps.sum_all()?.to_dtype(DType::F64)?.to_scalar()?;
        self.steps.set(&(self.steps.as_detached_tensor() + 1.0)?)?;
        Ok(match self.statistics {
            Statistics::Running => running,
            Statistics::Batch => (mean, variance),
            Statistics::Lagged(lag) => {
                let whole = 1.0 - lag.powf(steps + 1.0);
                let mixed = |batch: Tensor, running: Tensor| ((batch * lag)? + (running * (1.0 - lag))?)? / whole;
                (mixed(mean, running.0)?, mixed(variance, running.1)?)
            }
        })
    }

    /// Copies of the running mean and variance.
    fn running(&self) -> Result<(Tensor, Tensor)> {
        Ok((
            self.mean.as_detached_tensor().copy()?,
            self.variance.as_detached_tensor().copy()?,
        ))
    }
}

impl Bijection for MovingBatchNorm {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", x, &self.row_shape)?;
        let (mean, variance) = match pass.purpose() {
            Purpose::Training => self.train(x)?,
            Purpose::Evaluation | Purpose::Sampling => self.running()?,
        };
        let log_factor = self.log_factor(&variance)?;
        let value = x
            .broadcast_sub(&self.over_channels(&mean)?)?
            .broadcast_mul(&self.over_channels(&log_factor.exp()?)?)?
            .broadcast_add(&self.over_channels(&self.shift)?)?;
        let log_det = self.log_det(&log_factor, x.dim(0)?)?;
        Ok(Transformed::new(value, log_det))
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", z, &self.row_shape)?;
        let log_factor = self.log_factor(&self.variance.as_detached_tensor())?;
        let value = z
            .broadcast_sub(&self.over_channels(&self.shift)?)?
            .broadcast_mul(&self.over_channels(&log_factor.neg()?.exp()?)?)?
            .broadcast_add(&self.over_channels(&self.mean.as_detached_tensor())?)?;
        let log_det = self.log_det(&log_factor, z.dim(0)?)?.neg()?;
        Ok(Transformed::new(value, log_det))
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }

    fn buffers(&self) -> Vec<Parameter> {
        self.buffers.clone()
    }

    fn input_shape(&self) -> &[usize] {
        &self.row_shape
    }

    fn uses_batch_statistics(&self) -> bool {
        true
    }
}
