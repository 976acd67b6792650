//! Activation normalisation: a scale and a shift for each column or channel that a first batch sets.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::channels;
use crate::error::Result;
use crate::pass::{Pass, Purpose};
use candle_core::{DType, Device, Tensor};
use ffjord_nn::Parameter;

/// Added to the first batch's standard deviations.
const EPSILON: f64 = 1e-6;

/// `z = (x + b) ⊙ e^s` on rows `[B, D]`, or on the channels of images `[B, C, H, W]` (Glow, Kingma and Dhariwal 2018,
/// section 3.1).
///
/// The first training pass forward sets b and s so that its batch leaves with mean 0 and variance 1; from then on they
/// are ordinary parameters. Whether that has been is the buffer `initialised` `[1]`. A batch of one row, or with a NaN or
/// an infinity, sets nothing.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{ActNorm, Bijection, Pass};
/// use rand::SeedableRng;
///
/// let norm = ActNorm::new(&[1], DType::F64, &Device::Cpu)?;
/// let x = Tensor::new(&[[3.0], [5.0]], &Device::Cpu)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// norm.forward(&x, &mut Pass::training(&mut rng))?; // The first batch sets it, the optimiser does the rest.
/// let z = norm.forward(&x, &mut Pass::evaluation(&mut rng))?.value.flatten_all()?.to_vec1::<f64>()?;
/// assert!((z[0] + z[1]).abs() < 1e-9 && (0.5..1.1).contains(&z[1]));
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug)]
pub struct ActNorm {
    row_shape: Vec<usize>,
    shift: Parameter,
    log_scale: Parameter,
    initialised: Parameter,
}

impl ActNorm {
    /// The identity until a first batch, for rows of this shape; names `shift` and `log_scale`, `[D]` or `[C]` each.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`](crate::FlowError::InvalidSetting) for a row without elements.
    pub fn new(row_shape: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        let channels = channels::count(row_shape)?;
        Ok(Self {
            row_shape: row_shape.to_vec(),
            shift: Parameter::constant("shift", channels, 0.0, dtype, device)?,
            log_scale: Parameter::constant("log_scale", channels, 0.0, dtype, device)?,
            initialised: Parameter::constant("initialised", 1, 0.0, dtype, device)?,
        })
    }

    fn initialise(&self, x: &Tensor) -> Result<()> {
        let x = channels::last(&x.detach())?;
        let done: f64 = self.initialised.var.sum_all()?.to_dtype(DType::F64)?.to_scalar()?;
        let total: f64 = x.abs()?.sum_all()?.to_dtype(DType::F64)?.to_scalar()?;
        if done != 0.0 || x.dim(0)? < 2 || !total.is_finite() {
            return Ok(());
        }
        let deviation = (x.var(0)?.sqrt()? + EPSILON)?;
        self.shift.var.set(&x.mean(0)?.neg()?)?;
        self.log_scale.var.set(&deviation.log()?.neg()?)?;
        Ok(self.initialised.var.set(&self.initialised.var.ones_like()?)?)
    }

    fn log_det(&self, rows: usize) -> Result<Tensor> {
        let total = channels::over_pixels(&self.log_scale.var.sum_all()?, &self.row_shape)?;
        Ok(total.reshape(1)?.broadcast_as(rows)?.contiguous()?)
    }
}

impl Bijection for ActNorm {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", x, &self.row_shape)?;
        if pass.purpose() == Purpose::Training {
            self.initialise(x)?;
        }
        let rank = self.row_shape.len();
        Ok(Transformed::new(
            x.broadcast_add(&channels::beside(&self.shift.var, rank)?)?
                .broadcast_mul(&channels::beside(&self.log_scale.var.exp()?, rank)?)?,
            self.log_det(x.dim(0)?)?,
        ))
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", z, &self.row_shape)?;
        let rank = self.row_shape.len();
        Ok(Transformed::new(
            z.broadcast_mul(&channels::beside(&self.log_scale.var.neg()?.exp()?, rank)?)?
                .broadcast_sub(&channels::beside(&self.shift.var, rank)?)?,
            self.log_det(z.dim(0)?)?.neg()?,
        ))
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![self.shift.clone(), self.log_scale.clone()]
    }

    fn buffers(&self) -> Vec<Parameter> {
        vec![self.initialised.clone()]
    }

    fn sets_parameters_in_training(&self) -> bool {
        true
    }

    fn input_shape(&self) -> &[usize] {
        &self.row_shape
    }
}
