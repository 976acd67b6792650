//! A bijection of one's own: the sinh–arcsinh transformation of each column (Jones and Pewsey, Biometrika 96(4),
//! 2009), `z = sinh(δ arsinh(x) − ε)`.
//!
//! Its two trained parameters a column are skewness ε and tail weight δ = eˢ. The inverse is
//! `x = sinh((arsinh(z) + ε) / δ)`, and `dz/dx = δ cosh(δ arsinh(x) − ε) / √(1 + x²)`.

use crate::{Outcome, Trained};
use ffjord::candle::{DType, Device, Result as TensorResult, Tensor};
use ffjord::flow::{Bijection, Density, Flow, Pass, Result as FlowResult, StandardNormal, Transformed};
use ffjord::nn::Parameter;
use ffjord::train::rand::RngCore;
use ffjord::train::{
    FreshSamples, HeldOut, MaximumLikelihood, Purpose, Streams, TrainError, Trainer, TrainerOptions, Validator,
};

/// `z = sinh(δ arsinh(x) − ε)` on rows `[B, D]`.
#[derive(Debug)]
pub struct SinhArcsinh {
    shape: [usize; 1],
    skewness: Parameter,
    log_tail: Parameter,
}

impl SinhArcsinh {
    /// The identity, before training.
    ///
    /// # Errors
    /// When the tensors cannot be made.
    pub fn new(columns: usize, dtype: DType, device: &Device) -> FlowResult<Self> {
        Ok(Self {
            shape: [columns],
            skewness: Parameter::constant("skewness", columns, 0.0, dtype, device)?,
            log_tail: Parameter::constant("log_tail", columns, 0.0, dtype, device)?,
        })
    }

    /// `ln dz/dx` summed over the columns, `[B]`, where `z = sinh u` and `x = sinh v`.
    fn log_det(&self, u: &Tensor, v: &Tensor) -> TensorResult<Tensor> {
        let terms = (log_cosh(u)? - log_cosh(v)?)?.broadcast_add(&self.log_tail.var)?;
        terms.sum(1)
    }
}

/// The inverse of sinh, from |x|: `ln(x + √(x² + 1))` has few digits where x is far below 0. The sign is a constant.
fn arsinh(x: &Tensor) -> TensorResult<Tensor> {
    let size = x.abs()?;
    let larger = (&size + (x.sqr()? + 1.0)?.sqrt()?)?;
    larger.log()? * x.detach().sign()?
}

fn sinh(u: &Tensor) -> TensorResult<Tensor> {
    (u.exp()? - u.neg()?.exp()?)? / 2.0
}

/// `ln cosh u`, without overflow.
fn log_cosh(u: &Tensor) -> TensorResult<Tensor> {
    let size = u.abs()?;
    &size + (((&size * -2.0)?.exp()? + 1.0)?.log()? - std::f64::consts::LN_2)?
}

impl Bijection for SinhArcsinh {
    fn forward(&self, x: &Tensor, _pass: &mut Pass<'_>) -> FlowResult<Transformed> {
        let v = arsinh(x)?;
        let u = v
            .broadcast_mul(&self.log_tail.var.exp()?)?
            .broadcast_sub(&self.skewness.var)?;
        Ok(Transformed::new(sinh(&u)?, self.log_det(&u, &v)?))
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> FlowResult<Transformed> {
        let u = arsinh(z)?;
        let v = u
            .broadcast_add(&self.skewness.var)?
            .broadcast_mul(&self.log_tail.var.neg()?.exp()?)?;
        Ok(Transformed::new(sinh(&v)?, self.log_det(&u, &v)?.neg()?))
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![self.skewness.clone(), self.log_tail.clone()]
    }

    fn input_shape(&self) -> &[usize] {
        &self.shape
    }
}

/// Rows of `e^g − 1` of standard normal numbers g, `[rows, 2]`: skewed, with one heavy tail.
fn draw(rows: usize, rng: &mut dyn RngCore) -> Result<Tensor, TrainError> {
    let normal = StandardNormal::new(&[2], DType::F32, &Device::Cpu)?;
    let normal = normal.sample(rows, &mut Pass::sampling(rng))?;
    Ok((normal.exp()? - 1.0)?)
}

/// Trains the transformation alone on skewed data.
///
/// # Errors
/// When training fails.
pub fn train() -> Outcome<Trained> {
    let flow = Flow::over_normal(SinhArcsinh::new(2, DType::F32, &Device::Cpu)?)?;
    let streams = Streams::new(0);
    let source = FreshSamples::new(256, DType::F32, |rows, rng| draw(rows, rng));
    let held_out = HeldOut::new(draw(2000, &mut streams.rng(Purpose::Validation, 0, 0))?)?;
    let before = held_out.validate(&flow, &streams)?.nll;
    let (likelihood, options) = (MaximumLikelihood::default(), TrainerOptions::new(150, 2e-2));
    Trainer::new(&flow, &likelihood, &source, options)?
        .streams(streams)
        .run()?;
    let after = held_out.validate(&flow, &streams)?.nll;
    Ok(Trained { before, after })
}
