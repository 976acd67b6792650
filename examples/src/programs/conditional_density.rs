//! A conditional density p(y | x): regression that learns more than a mean.
//!
//! The data are `y = ± sin(2x) + (0.3 + 0.1 x²) ε` with a random sign: y has two branches that cross, and noise that
//! depends on x. The true density is known, and no model has a better likelihood in the mean.

use crate::Outcome;
use ffjord::candle::{DType, Device, Tensor};
use ffjord::flow::{Cnf, Density, Flow, Pass, Result as FlowResult, SolveSettings, StandardNormal};
use ffjord::ode::{Method, Solver};
use ffjord::rand::RngCore;
use ffjord::train::{
    Batch, FreshSamples, HeldOut, MaximumLikelihood, Purpose, Streams, TrainError, Trainer, TrainerOptions, Validator,
};
use std::f64::consts::TAU;

/// What was learnt.
#[derive(Debug)]
pub struct Learnt {
    /// The mean of −ln q(y | x) over held-out rows, in nats.
    pub nll: f64,
    /// The mean of −ln p(y | x) over the same rows, p the true density.
    pub true_nll: f64,
    /// The part of samples at x = 0.8 that lie above 0, truly one half.
    pub above: f64,
}

/// The scale of the noise at x.
fn noise_scale(x: &Tensor) -> FlowResult<Tensor> {
    Ok(((x.sqr()? * 0.1)? + 0.3)?)
}

/// Rows of y given x, `[rows, 1]` each.
fn draw(rows: usize, rng: &mut dyn RngCore) -> Result<Batch, TrainError> {
    let draws = StandardNormal::new(&[3], DType::F32, &Device::Cpu)?.sample(rows, &mut Pass::sampling(rng))?;
    let column = |index| draws.narrow(1, index, 1)?.contiguous();
    let (x, sign) = (column(0)?, ((column(1)?.ge(0.0)?.to_dtype(DType::F32)? * 2.0)? - 1.0)?);
    let y = (((&x * 2.0)?.sin()? * sign)? + (noise_scale(&x)? * column(2)?)?)?;
    Batch::new(y, Some(x))
}

/// The mean of −ln p(y | x), two normal distributions of one scale at ± sin(2x).
fn true_nll(y: &Tensor, x: &Tensor) -> Outcome<f64> {
    let (scale, branch) = (noise_scale(x)?, (x * 2.0)?.sin()?);
    let half = |mean: &Tensor| (((y - mean)? / &scale)?.sqr()? * -0.5)?.exp();
    let density = ((half(&branch)? + half(&branch.neg()?)?)? / (scale * (2.0 * TAU.sqrt()))?)?;
    Ok(f64::from(density.log()?.mean_all()?.neg()?.to_scalar::<f32>()?))
}

/// Learns the density.
///
/// # Errors
/// When training or a solve fails.
pub fn run() -> Outcome<Learnt> {
    let steps = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(6));
    let cnf = Cnf::builder(1).given(1).hidden([48, 48]).training(steps).build()?;
    let (flow, streams) = (Flow::over_normal(cnf)?, Streams::new(0));
    let source = FreshSamples::new(256, DType::F32, |rows, rng| draw(rows, rng));
    let summary = Trainer::new(
        &flow,
        &MaximumLikelihood::default(),
        &source,
        TrainerOptions::new(500, 1e-2),
    )?
    .streams(streams)
    .run()?;

    let held_out = draw(1000, &mut streams.rng(Purpose::Test, 0, 0))?;
    let x = held_out.given.as_ref().ok_or("rows without x")?;
    let true_nll = true_nll(&held_out.x, x)?;
    let nll = HeldOut::new(held_out)?.validate(&flow, &streams)?.nll;
    // A condition belongs to a pass: here every sample has the same.
    let mut rng = streams.rng(Purpose::Sample, 0, 0);
    let same = Tensor::full(0.8f32, (1000, 1), &Device::Cpu)?;
    let samples = flow.sample(1000, &mut Pass::sampling(&mut rng).given(same))?;
    let above = f64::from(samples.ge(0.0)?.to_dtype(DType::F32)?.mean_all()?.to_scalar::<f32>()?);
    let learnt = Learnt { nll, true_nll, above };
    println!("{summary}; {learnt:?}");
    Ok(learnt)
}
