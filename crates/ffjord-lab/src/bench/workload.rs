//! What is timed: networks, batches and solvers.

use crate::error::Result;
use crate::model::{DEFAULT_TAPE_MB, Model, Part};
use candle_core::{DType, Device, Tensor};
use ffjord_data::ToyDensity;
use ffjord_flow::{Backend, Cnf, CnfSettings, Density, Pass, SolveSettings, StandardNormalBase, TraceMode};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig};
use ffjord_ode::adjoint::{AdjointMethod, Checkpointed};
use ffjord_ode::{Solver, Tolerance};
use ffjord_trace::ProbeDistribution;
use ffjord_train::{Purpose, Streams, to_tensor};
use std::sync::Arc;

/// Steps of the fixed-step solver: 80 evaluations.
const FIXED_STEPS: usize = 20;

/// Relative and absolute tolerance of the adaptive solver.
const TOLERANCE: f64 = 1e-5;

/// How a workload is solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Kutta's 3/8 rule with 20 steps.
    Rk4,
    /// Dopri5 at a tolerance of 1e-5.
    Dopri5,
}

impl Method {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rk4, Self::Dopri5];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rk4 => "rk4_38, 20 steps",
            Self::Dopri5 => "dopri5, 1e-5",
        }
    }

    fn solver(self) -> Result<Solver> {
        Ok(match self {
            Self::Rk4 => Solver::new(ffjord_ode::Method::Rk4ThreeEighths).fixed_steps(FIXED_STEPS),
            Self::Dopri5 => Solver::new(ffjord_ode::Method::Dopri5).adaptive(Tolerance::new(TOLERANCE, TOLERANCE)?),
        })
    }
}

/// A flow of concatsquash networks and a batch to train it on, in single precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The name in tables, with the batch.
    pub name: String,
    dimension: usize,
    hidden: Vec<usize>,
    activation: ActivationKind,
    blocks: usize,
    end_time: f64,
    /// Rows of the batch.
    pub batch: usize,
}

/// Every workload, the small ones first.
pub fn all() -> Vec<Workload> {
    let workload = |name: &str, dimension, hidden: &[usize], activation, blocks, end_time, batch| Workload {
        name: format!("{name}, batch {batch}"),
        dimension,
        hidden: hidden.to_vec(),
        activation,
        blocks,
        end_time,
        batch,
    };
    let mut workloads: Vec<Workload> = [100, 1_000, 10_000]
        .map(|batch| workload("W1", 2, &[64, 64, 64], ActivationKind::Tanh, 1, 0.5, batch))
        .into();
    workloads.push(workload("W2", 43, &[860, 860], ActivationKind::Softplus, 1, 1.0, 1_000));
    workloads.push(workload("W3", 6, &[60, 60, 60], ActivationKind::Tanh, 5, 1.0, 10_000));
    workloads
}

impl Workload {
    /// Whether it belongs to a quick run.
    pub fn is_quick(&self) -> bool {
        self.dimension == 2 && self.batch <= 1_000
    }

    /// The flow with PyTorch's default initialisation, drawn from `streams`.
    ///
    /// # Errors
    /// When a network cannot be made.
    pub fn model(&self, method: Method, block_rows: usize, streams: &Streams) -> Result<Model> {
        let solve = |trace| -> Result<SolveSettings> {
            Ok(SolveSettings {
                solver: method.solver()?,
                trace,
                block_rows,
            })
        };
        let settings = CnfSettings {
            end_time: self.end_time,
            learn_end_time: false,
            training: solve(TraceMode::Hutchinson {
                distribution: ProbeDistribution::Rademacher,
                probes: 1,
            })?,
            evaluation: solve(TraceMode::Exact)?,
            adjoint: AdjointMethod::Checkpointed(
                Checkpointed::new().keep_tapes(DEFAULT_TAPE_MB * 1_000_000 / self.blocks),
            ),
            integrals: Vec::new(),
            backend: Backend::Fused,
        };
        let network = MlpConfig {
            dimension: self.dimension,
            hidden: self.hidden.clone(),
            layer: LayerKind::ConcatSquash,
            activation: self.activation,
        };
        let mut rng = streams.rng(Purpose::Initialise, 0, 0);
        let parts = (0..self.blocks)
            .map(|_| {
                let field = Mlp::new(&network, &mut rng, DType::F32, &Device::Cpu)?;
                Ok(Part::Continuous(Arc::new(Cnf::new(Arc::new(field), settings.clone())?)))
            })
            .collect::<Result<_>>()?;
        Model::new(parts, self.dimension, DType::F32)
    }

    /// The batch `[B, D]`: the pinwheel in two dimensions, else standardised rows that are correlated and not Gaussian.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn data(&self, streams: &Streams) -> Result<Tensor> {
        let mut rng = streams.rng(Purpose::Data, 0, 0);
        let d = self.dimension;
        if d == 2 {
            return Ok(to_tensor(
                &ToyDensity::Pinwheel.sample(self.batch, &mut rng),
                DType::F32,
            )?);
        }
        let normal = StandardNormalBase::new(&[d], DType::F32, &Device::Cpu)?;
        let mut draw = |rows| normal.sample(rows, &mut Pass::sampling(&mut rng));
        let (linear, bent) = (draw(d)?, draw(d)?);
        let (z, noise) = (draw(self.batch)?, draw(self.batch)?);
        let scale = 1.0 / (d as f64).sqrt();
        let bent = (z.matmul(&bent)? * (2.0 * scale))?.tanh()?;
        let rows = (((z.matmul(&linear)? * scale)? + bent)? + (noise * 0.3)?)?;
        let centred = rows.broadcast_sub(&rows.mean_keepdim(0)?)?;
        Ok(centred.broadcast_div(&centred.sqr()?.mean_keepdim(0)?.sqrt()?)?)
    }

    /// Floating-point operations of one pass of the batch through the matrices of one network.
    pub fn pass_flops(&self) -> f64 {
        let widths: Vec<usize> = [&[self.dimension], self.hidden.as_slice(), &[self.dimension]].concat();
        let weights: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
        2.0 * (weights * self.batch) as f64
    }
}
