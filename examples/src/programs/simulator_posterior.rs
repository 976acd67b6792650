//! The posterior of a simulator's parameters, by simulations alone: neural posterior estimation (Papamakarios and Murray
//! 2016).
//!
//! Parameters θ are drawn from a prior and observations x from the simulator, and a conditional flow learns p(θ | x) from
//! the pairs: nothing is asked of the simulator but that it runs. This one draws a line through eight points with noise,
//! so that the true posterior is a normal distribution in closed form.

use crate::Outcome;
use ffjord::candle::{DType, Device, Tensor};
use ffjord::flow::{Cnf, Density, Flow, Pass, SolveSettings, StandardNormal};
use ffjord::ode::{Method, Solver};
use ffjord::rand::RngCore;
use ffjord::train::{
    Batch, FreshSamples, HeldOut, MaximumLikelihood, Purpose, Streams, TrainError, Trainer, TrainerOptions, Validator,
};
use std::f64::consts::{E, TAU};

const POINTS: usize = 8;
const NOISE: f64 = 0.5;

/// The learnt posterior beside the true one.
#[derive(Debug)]
pub struct Posterior {
    /// The mean of −ln q(θ | x) over new simulations less that of the true posterior: how far q is from it, in nats.
    pub divergence: f64,
    /// Mean of intercept and slope for one observation, from samples.
    pub mean: [f64; 2],
    /// The true means.
    pub true_mean: [f64; 2],
}

/// Where the line is observed, from −1 to 1.
fn place(point: usize) -> f64 {
    2.0 * point as f64 / (POINTS - 1) as f64 - 1.0
}

/// Simulations: parameters (intercept, slope) from their prior, N(0, 1) each, given the eight heights they led to.
fn simulate(rows: usize, rng: &mut dyn RngCore) -> Result<Batch, TrainError> {
    let draws = StandardNormal::new(&[2 + POINTS], DType::F32, &Device::Cpu)?;
    let draws = draws.sample(rows, &mut Pass::sampling(rng))?;
    let (theta, noise) = (draws.narrow(1, 0, 2)?.contiguous()?, draws.narrow(1, 2, POINTS)?);
    let design: Vec<f32> = (0..2 * POINTS)
        .map(|i| if i < POINTS { 1.0 } else { place(i - POINTS) as f32 })
        .collect();
    let heights = theta.matmul(&Tensor::from_vec(design, (2, POINTS), &Device::Cpu)?)?;
    Batch::new(theta, Some((heights + (noise * NOISE)?)?))
}

/// Learns the posterior and compares it.
///
/// # Errors
/// When training or a solve fails.
pub fn run() -> Outcome<Posterior> {
    let steps = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(4));
    let cnf = Cnf::builder(2).given(POINTS).hidden([48, 48]).training(steps).build()?;
    let (flow, streams) = (Flow::over_normal(cnf)?, Streams::new(0));
    let source = FreshSamples::new(256, DType::F32, |rows, rng| simulate(rows, rng));
    let summary = Trainer::new(
        &flow,
        &MaximumLikelihood::default(),
        &source,
        TrainerOptions::new(500, 5e-3),
    )?
    .streams(streams)
    .run()?;

    // Places are symmetric about 0, so that intercept and slope are independent a posteriori.
    let squares: f64 = (0..POINTS).map(|point| place(point).powi(2)).sum();
    let precisions = [POINTS as f64, squares].map(|sum| 1.0 + sum / NOISE.powi(2));
    let entropy: f64 = precisions
        .iter()
        .map(|precision| (TAU * E / precision).ln() / 2.0)
        .sum();
    let held_out = simulate(2000, &mut streams.rng(Purpose::Validation, 0, 0))?;
    let divergence = HeldOut::new(held_out)?.validate(&flow, &streams)?.nll - entropy;

    let mut rng = streams.rng(Purpose::Test, 0, 0);
    let observed = simulate(1, &mut rng)?.given.ok_or("no observation")?;
    let heights: Vec<f32> = observed.flatten_all()?.to_vec1()?;
    let mut true_mean = [0.0; 2];
    for (point, height) in heights.iter().enumerate() {
        true_mean[0] += f64::from(*height) / NOISE.powi(2) / precisions[0];
        true_mean[1] += place(point) * f64::from(*height) / NOISE.powi(2) / precisions[1];
    }
    let condition = observed.repeat((4000, 1))?;
    let samples = flow.sample(4000, &mut Pass::sampling(&mut rng).given(condition))?;
    let mean: Vec<f32> = samples.mean(0)?.to_vec1()?;
    let posterior = Posterior {
        divergence,
        mean: [f64::from(mean[0]), f64::from(mean[1])],
        true_mean,
    };
    println!("{summary}; {posterior:?}");
    Ok(posterior)
}
