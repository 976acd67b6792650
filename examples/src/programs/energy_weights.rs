//! Samples from a given energy, `p(x) = exp(−E(x)) / Z`, with exact weights.
//!
//! A flow q is trained on the energy alone by the reverse Kullback–Leibler divergence ([`ReverseKl`]). Its log-density is
//! exact, so that samples with the weights `w = exp(−E(x)) / q(x)` are samples of p itself, however well the flow was
//! trained: the mean weight estimates Z without bias, and `(Σw)² / Σw²` of the samples are worth anything. The energy here
//! is that of a banana, whose constant is known.

use crate::Outcome;
use crate::objective::ReverseKl;
use ffjord::candle::{DType, Device, Tensor};
use ffjord::flow::{Cnf, Flow, Pass, Result as FlowResult, SolveSettings};
use ffjord::ode::{Method, Solver};
use ffjord::train::{FreshSamples, Purpose, Streams, TrainError, Trainer, TrainerOptions};

const SAMPLES: usize = 4000;

/// What the weighted samples say.
#[derive(Debug)]
pub struct Weighted {
    /// ln Z, truly ln π.
    pub log_constant: f64,
    /// The mean of x₂ under p, truly ½.
    pub mean: f64,
    /// The same without weights: that of the flow.
    pub unweighted_mean: f64,
    /// The part of the samples that the weights leave.
    pub effective: f64,
}

/// −E(x) `[B]` of rows `[B, 2]`: `−½ x₁² − 2 (x₂ − ½ x₁²)²`.
fn minus_energy(x: &Tensor) -> FlowResult<Tensor> {
    let (first, second) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
    let off = (second - (first.sqr()? / 2.0)?)?;
    Ok(((first.sqr()? * -0.5)? - (off.sqr()? * 2.0)?)?.squeeze(1)?)
}

/// Trains a flow on the energy, draws from it and weights the samples.
///
/// # Errors
/// When training or a solve fails.
pub fn run() -> Outcome<Weighted> {
    let steps = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(4));
    let cnf = Cnf::builder(2).hidden([32, 32]).training(steps).build()?;
    let (flow, streams) = (Flow::over_normal(cnf)?, Streams::new(0));
    // A batch's rows are never looked at: the flow draws its own.
    let rows = FreshSamples::new(128, DType::F32, |rows, _| {
        Tensor::zeros((rows, 2), DType::F32, &Device::Cpu).map_err(TrainError::from)
    });
    let summary = Trainer::new(&flow, &ReverseKl(minus_energy), &rows, TrainerOptions::new(600, 1e-2))?
        .streams(streams)
        .run()?;

    // An evaluation pass has the exact trace at a tight tolerance, so that weights are exact but for that.
    let mut rng = streams.rng(Purpose::Sample, 0, 0);
    let (x, log_q) = flow.rsample_with_log_prob(SAMPLES, &mut Pass::evaluation(&mut rng))?;
    let log_weights: Vec<f64> = (minus_energy(&x)? - log_q)?.to_dtype(DType::F64)?.to_vec1()?;
    let second: Vec<f32> = x.narrow(1, 1, 1)?.flatten_all()?.to_vec1()?;

    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_weights.iter().map(|weight| (weight - largest).exp()).collect();
    let (sum, squares): (f64, f64) = (weights.iter().sum(), weights.iter().map(|weight| weight * weight).sum());
    let weighted: f64 = weights
        .iter()
        .zip(&second)
        .map(|(weight, x)| weight * f64::from(*x))
        .sum();
    let found = Weighted {
        log_constant: largest + (sum / SAMPLES as f64).ln(),
        mean: weighted / sum,
        unweighted_mean: second.iter().map(|x| f64::from(*x)).sum::<f64>() / SAMPLES as f64,
        effective: sum * sum / squares / SAMPLES as f64,
    };
    println!("{summary}; {found:?}");
    Ok(found)
}
