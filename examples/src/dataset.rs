//! A dataset of one's own, with conditions: points at unit distance, each with the angle that it was seen at.
//!
//! A batch is a function of the iteration and the seed alone, so that a run that was interrupted ends with the bits
//! of one that was not. The condition is `(cos α, sin α)`: no angle is far from its neighbours.

use crate::{Outcome, Trained};
use ffjord::candle::{DType, Device, Tensor};
use ffjord::flow::{Cnf, Density, Flow, Pass, SolveSettings, StandardNormal};
use ffjord::ode::{Method, Solver};
use ffjord::train::rand::{Rng, RngCore};
use ffjord::train::{
    Batch, BatchSource, HeldOut, MaximumLikelihood, Purpose, Streams, TrainError, Trainer, TrainerOptions, Validator,
};
use std::f32::consts::TAU;

/// The standard deviation of what a point is off by.
pub const NOISE: f64 = 0.1;

/// Points `(cos α, sin α)` with normal noise, given the angle α.
#[derive(Debug, Clone, Copy)]
pub struct Sightings {
    /// Rows of a batch.
    pub rows: usize,
}

impl Sightings {
    /// Rows from `rng`: points `[B, 2]`, and `(cos α, sin α)` that they are given, `[B, 2]`.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn draw(self, rng: &mut dyn RngCore) -> Result<Batch, TrainError> {
        let angles = (0..self.rows).map(|_| rng.random_range(0.0..TAU));
        let numbers: Vec<f32> = angles.flat_map(|angle| [angle.cos(), angle.sin()]).collect();
        let given = Tensor::from_vec(numbers, (self.rows, 2), &Device::Cpu)?;
        let noise = StandardNormal::new(&[2], DType::F32, &Device::Cpu)?;
        let noise = noise.sample(self.rows, &mut Pass::sampling(rng))?;
        Batch::new((&given + (noise * NOISE)?)?, Some(given))
    }
}

impl BatchSource for Sightings {
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Batch, TrainError> {
        self.draw(&mut streams.rng(Purpose::Data, iteration, 0))
    }
}

/// Trains a flow of p(point | angle) on them.
///
/// # Errors
/// When training fails.
pub fn train() -> Outcome<Trained> {
    let solve = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(4));
    let cnf = Cnf::builder(2)
        .given(2)
        .hidden([32, 32])
        .training(solve.clone())
        .evaluation(solve)
        .build()?;
    let (flow, streams) = (Flow::over_normal(cnf)?, Streams::new(0));
    let held_out = HeldOut::new(Sightings { rows: 400 }.draw(&mut streams.rng(Purpose::Validation, 0, 0))?)?;
    let before = held_out.validate(&flow, &streams)?.nll;
    let (likelihood, source) = (MaximumLikelihood::default(), Sightings { rows: 128 });
    Trainer::new(&flow, &likelihood, &source, TrainerOptions::new(80, 2e-2))?
        .streams(streams)
        .run()?;
    let after = held_out.validate(&flow, &streams)?.nll;
    Ok(Trained { before, after })
}
