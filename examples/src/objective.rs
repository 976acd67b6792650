//! An objective of one's own: the reverse Kullback–Leibler divergence from a density that is known, but not how to
//! draw from it, `KL(q ‖ p) = E_q [ln q(x) − ln p(x)]`.
//!
//! The flow q draws the samples itself, differentiably; of a batch only the number of rows counts. It is how flows
//! are trained on energies, as Boltzmann generators are (Noé et al., Science 365, 2019).

use crate::{Outcome, Trained};
use ffjord::candle::{DType, Device, Tensor};
use ffjord::flow::{Bijection, Cnf, Flow, Pass, Result as FlowResult, SolveSettings};
use ffjord::ode::{Method, Solver};
use ffjord::train::{Batch, FreshSamples, Loss, Objective, Purpose, Streams, TrainError, Trainer, TrainerOptions};

/// `ln p(x)` `[B]` of rows `[B, 2]`.
pub type LogDensity = fn(&Tensor) -> FlowResult<Tensor>;

/// `E_q [ln q(x) − ln p(x)]`; without p's constant, the divergence up to a constant.
#[derive(Debug, Clone, Copy)]
pub struct ReverseKl(pub LogDensity);

impl ReverseKl {
    /// The mean over so many samples, differentiable in a training pass.
    ///
    /// # Errors
    /// When the flow or the density fails.
    pub fn estimate<B: Bijection>(&self, flow: &Flow<B>, rows: usize, pass: &mut Pass<'_>) -> FlowResult<Tensor> {
        let (x, log_q) = flow.rsample_with_log_prob(rows, pass)?;
        Ok((log_q - (self.0)(&x)?)?.mean_all()?)
    }
}

impl<B: Bijection> Objective<Flow<B>> for ReverseKl {
    fn loss(&self, flow: &Flow<B>, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss, TrainError> {
        let total = self.estimate(flow, batch.rows()?, pass)?;
        let value = total.to_dtype(DType::F64)?.to_scalar()?;
        let terms = vec![("reverse KL".to_string(), value)];
        Ok(Loss { total, terms })
    }
}

/// A banana: x₁ is standard normal, and x₂ is normal with mean `x₁² / 2` and standard deviation 1/2.
///
/// # Errors
/// When a tensor operation fails.
pub fn banana(x: &Tensor) -> FlowResult<Tensor> {
    let (first, second) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
    let off = ((second - (first.sqr()? / 2.0)?)? * 2.0)?;
    let squares = (first.sqr()? + off.sqr()?)?;
    let constant = (2.0 * std::f64::consts::PI).ln() + 0.5f64.ln();
    Ok(((squares / -2.0)? - constant)?.squeeze(1)?)
}

/// Trains a flow to be the banana; what it returns is the divergence itself, since the banana's constant is known.
///
/// # Errors
/// When training fails.
pub fn train() -> Outcome<Trained> {
    let solve = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(4));
    let cnf = Cnf::builder(2)
        .hidden([32, 32])
        .training(solve.clone())
        .evaluation(solve)
        .build()?;
    let (flow, objective, streams) = (Flow::over_normal(cnf)?, ReverseKl(banana), Streams::new(0));
    let divergence = || -> Outcome<f64> {
        let mut rng = streams.rng(Purpose::Test, 0, 0);
        let mean = objective.estimate(&flow, 1000, &mut Pass::evaluation(&mut rng))?;
        Ok(mean.to_dtype(DType::F64)?.to_scalar()?)
    };
    let before = divergence()?;
    // The rows are never looked at.
    let rows = FreshSamples::new(128, DType::F32, |rows, _| {
        Tensor::zeros((rows, 2), DType::F32, &Device::Cpu).map_err(TrainError::from)
    });
    Trainer::new(&flow, &objective, &rows, TrainerOptions::new(250, 2e-2))?
        .streams(streams)
        .run()?;
    let after = divergence()?;
    Ok(Trained { before, after })
}
