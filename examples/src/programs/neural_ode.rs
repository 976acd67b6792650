//! Regression by a neural differential equation: a network learns a vector field from where paths start and where they are
//! half a unit of time later.
//!
//! The data are those of a damped rotation, `dy/dt = −0.1 y + 2 (−y₂, y₁)`, with noise. A [`Cnf`] is a differential
//! equation that gradients go through; its image of a start is all that this objective looks at. What was learnt is
//! then followed four times as far as any path of the data.

use crate::Outcome;
use ffjord::candle::{DType, Device, Tensor};
use ffjord::flow::{Bijection, Cnf, Density, Flow, Pass, SolveSettings, StandardNormal};
use ffjord::nn::LayerKind;
use ffjord::ode::{Method, Solver};
use ffjord::rand::RngCore;
use ffjord::train::{Batch, FreshSamples, Loss, Objective, Purpose, Streams, TrainError, Trainer, TrainerOptions};

/// The time between the two observations of a path.
const TIME: f64 = 0.5;
const NOISE: f64 = 0.02;

/// The mean squared distance between where the equation leads and what was observed; rows are `[start, end]`, `[B, 4]`.
#[derive(Debug)]
struct Regression;

impl Objective<Flow<Cnf>> for Regression {
    fn loss(&self, flow: &Flow<Cnf>, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss, TrainError> {
        let (start, end) = (batch.x.narrow(1, 0, 2)?.contiguous()?, batch.x.narrow(1, 2, 2)?);
        let total = (flow.bijection().forward(&start, pass)?.value - end)?
            .sqr()?
            .mean_all()?;
        let terms = vec![("squared error".to_string(), f64::from(total.to_scalar::<f32>()?))];
        Ok(Loss { total, terms })
    }
}

/// Where paths from `[B, 2]` are after a time: the closed form.
fn truth(start: &Tensor, time: f64) -> Result<Tensor, TrainError> {
    let ((sin, cos), decay) = ((2.0 * time).sin_cos(), (-0.1 * time).exp());
    let turn = Tensor::new(&[[cos as f32, sin as f32], [-sin as f32, cos as f32]], &Device::Cpu)?;
    Ok((start.matmul(&turn)? * decay)?)
}

/// Rows `[start, end]` with noise on the end.
fn observed(rows: usize, rng: &mut dyn RngCore) -> Result<Tensor, TrainError> {
    let draws = StandardNormal::new(&[4], DType::F32, &Device::Cpu)?.sample(rows, &mut Pass::sampling(rng))?;
    let (start, noise) = (draws.narrow(1, 0, 2)?.contiguous()?, draws.narrow(1, 2, 2)?);
    Ok(Tensor::cat(&[&start, &(truth(&start, TIME)? + (noise * NOISE)?)?], 1)?)
}

/// Learns the field, and returns the root mean square of what its paths are off by after four times the observed time.
///
/// # Errors
/// When training or a solve fails.
pub fn run() -> Outcome<f64> {
    let steps = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(4));
    let equation = Cnf::builder(2)
        .hidden([32, 32])
        .layer(LayerKind::Ignore) // The field does not depend on time.
        .fixed_end_time(TIME)
        .training(steps.clone())
        .evaluation(steps)
        .build()?;
    let (flow, streams) = (Flow::over_normal(equation)?, Streams::new(0));
    let source = FreshSamples::new(256, DType::F32, |rows, rng| observed(rows, rng));
    let summary = Trainer::new(&flow, &Regression, &source, TrainerOptions::new(400, 1e-2))?
        .streams(streams)
        .run()?;
    println!("{summary}");

    let start = Tensor::new(&[[1f32, 0.0], [0.0, -1.0], [0.5, 0.5]], &Device::Cpu)?;
    let mut rng = streams.rng(Purpose::Test, 0, 0);
    let mut end = start.clone();
    for _ in 0..4 {
        end = flow.bijection().forward(&end, &mut Pass::sampling(&mut rng))?.value;
    }
    let off: f32 = (end - truth(&start, 4.0 * TIME)?)?
        .sqr()?
        .mean_all()?
        .sqrt()?
        .to_scalar()?;
    println!("off by {off:.4} at t = {}", 4.0 * TIME);
    Ok(f64::from(off))
}
