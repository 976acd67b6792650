//! Two moons: the data of the pieces that have none of their own.

use crate::{Outcome, Trained};
use ffjord::candle::{DType, Device};
use ffjord::data::ToyDensity;
use ffjord::flow::{Bijection, Flow};
use ffjord::train::{
    FreshSamples, HeldOut, MaximumLikelihood, Purpose, Streams, Trainer, TrainerOptions, Validator, to_tensor,
};

const ITERATIONS: u64 = 200;
const BATCH: usize = 128;
const HELD_OUT: usize = 400;

/// Trains a flow of two numbers by maximum likelihood.
pub(crate) fn train<B: Bijection>(flow: &Flow<B>) -> Outcome<Trained> {
    let streams = Streams::new(0);
    let source = FreshSamples::new(BATCH, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
    let rows = ToyDensity::Moons.sample(HELD_OUT, &mut streams.rng(Purpose::Validation, 0, 0));
    let held_out = HeldOut::new(to_tensor(&rows, DType::F32, &Device::Cpu)?)?;
    let before = held_out.validate(flow, &streams)?.nll;
    let (likelihood, options) = (MaximumLikelihood::default(), TrainerOptions::new(ITERATIONS, 2e-2));
    Trainer::new(flow, &likelihood, &source, options)?
        .streams(streams)
        .run()?;
    let after = held_out.validate(flow, &streams)?.nll;
    Ok(Trained { before, after })
}
