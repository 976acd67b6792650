//! A trained flow as a problem: the log-densities of rows under every solver.

use super::Curve;
use super::ladder;
use crate::error::Result;
use candle_core::{DType, Tensor};
use ffjord_data::ToyDensity;
use ffjord_flow::{Density, Pass, SolveSettings};
use ffjord_ode::{Method, Solver, StepControl};
use ffjord_run::config::{Precision, Preset, RunConfig, SolveConfig, StepConfig, TraceConfig, resolve};
use ffjord_run::{Model, RunFolder};
use ffjord_train::{Adam, AdamConfig, Model as _, Optimizer, Purpose, Streams, to_tensor};
use std::path::Path;

/// Rows of the batch.
const ROWS: usize = 64;

/// A trained model, and rows to evaluate.
#[derive(Debug)]
pub struct TrainedFlow {
    config: RunConfig,
    model: Model,
    dimension: usize,
    /// `[64, D]`, drawn from the model, in double precision.
    rows: Tensor,
    seed: u64,
}

impl TrainedFlow {
    /// The model of a run folder.
    ///
    /// # Errors
    /// When the folder holds no trained model, or that of a discrete flow.
    pub fn open(run: &Path, seed: u64) -> Result<Self> {
        let folder = RunFolder::existing(run)?;
        let (config, model) = (folder.config()?, folder.model()?);
        model.require_solves("work-precision")?;
        model.require_unconditional("work-precision")?;
        Self::new(config, model, seed)
    }

    /// A small flow, trained here and now on the pinwheel for 200 iterations.
    ///
    /// # Errors
    /// When a solve fails.
    pub fn train(seed: u64) -> Result<Self> {
        const PRESET: &str = "toy-pinwheel-fast";
        const ITERATIONS: u64 = 200;
        const BATCH: usize = 256;
        let config = resolve(
            &Preset::find(PRESET)?,
            &["model.hidden=[32, 32]".to_string()],
            Some(seed),
        )?;
        let streams = Streams::new(seed);
        let model = Model::build(&config, 2, 0, &mut streams.rng(Purpose::Initialise, 0, 0))?;
        let parameters = model.flow.parameters();
        let mut optimizer = Adam::new(parameters.clone(), AdamConfig::default())?;
        for iteration in 0..ITERATIONS {
            let rows = ToyDensity::Pinwheel.sample(BATCH, &mut streams.rng(Purpose::Data, iteration, 0));
            let mut rng = streams.rng(Purpose::Probe, iteration, 0);
            let log_prob = model.flow.log_prob(
                &to_tensor(&rows, model.dtype(), model.device())?,
                &mut Pass::training(&mut rng),
            )?;
            let gradients = log_prob.mean_all()?.neg()?.backward()?;
            let gradients: Vec<_> = parameters
                .iter()
                .map(|parameter| match gradients.get(&parameter.var) {
                    Some(gradient) => Ok(gradient.clone()),
                    None => parameter.var.zeros_like(),
                })
                .collect::<candle_core::Result<_>>()?;
            optimizer.step(&gradients, 5e-3)?;
        }
        Self::new(config, model, seed)
    }

    fn new(config: RunConfig, model: Model, seed: u64) -> Result<Self> {
        let mut rng = Streams::new(seed).rng(Purpose::Sample, 0, 0);
        let rows = model
            .flow
            .sample(ROWS, &mut Pass::sampling(&mut rng))?
            .to_dtype(DType::F64)?;
        Ok(Self {
            dimension: model.dimension(),
            config,
            model,
            rows,
            seed,
        })
    }

    /// Every method's curve: errors are those of the log-densities of all rows in one solve, with the exact trace.
    ///
    /// # Errors
    /// When the reference fails.
    pub fn curves(&self) -> Result<Vec<Curve>> {
        let reference = self.log_densities(&ladder::reference_solver()?)?.0;
        Method::ALL
            .into_iter()
            .map(|method| {
                ladder::curve("CNF", method, |solver| {
                    // A solve that fails, as at a loose tolerance it may, is no point of the curve.
                    let Ok((values, nfe)) = self.log_densities(solver) else {
                        return Ok(None);
                    };
                    let errors = values
                        .iter()
                        .zip(&reference)
                        .map(|(a, b)| (a - b).abs() / (1.0 + b.abs()));
                    Ok(Some((nfe, errors.fold(0.0, f64::max))))
                })
            })
            .collect()
    }

    /// The log-densities of the rows, and the evaluations they took.
    fn log_densities(&self, solver: &Solver) -> Result<(Vec<f64>, f64)> {
        let mut config = self.config.clone();
        config.model.precision = Precision::F64;
        config.solver.test = SolveConfig {
            method: solver.method(),
            control: match *solver.control() {
                StepControl::Constant(ffjord_ode::StepGrid::Count(steps)) => StepConfig::Fixed { steps },
                ref control => {
                    let tolerance = control.tolerance();
                    let (rtol, atol) = tolerance.map_or((0.0, 0.0), |t| (t.rtol(), t.atol()));
                    StepConfig::Adaptive {
                        rtol,
                        atol,
                        first_step: None,
                    }
                }
            },
            trace: TraceConfig::Exact,
            probes: 1,
            bottleneck: false,
            block_rows: SolveSettings::WHOLE_BATCH,
        };
        let streams = Streams::new(self.seed);
        let model = Model::build(&config, self.dimension, 0, &mut streams.rng(Purpose::Initialise, 0, 0))?;
        let (from, to) = (&self.model.flow, &model.flow);
        let trained = from.parameters().into_iter().chain(from.buffers());
        for (trained, twin) in trained.zip(to.parameters().into_iter().chain(to.buffers())) {
            twin.var.set(&trained.var.to_dtype(twin.var.dtype())?)?;
        }
        let mut rng = streams.rng(Purpose::Test, 0, 0);
        let mut pass = Pass::evaluation(&mut rng);
        let values = model.flow.log_prob(&self.rows, &mut pass)?.to_vec1::<f64>()?;
        Ok((values, pass.cost().snapshot().forward_evaluations))
    }
}
