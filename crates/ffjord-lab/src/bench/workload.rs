//! What is timed: networks, batches and solvers.

use crate::error::Result;
use crate::model::DEFAULT_TAPE_MB;
use candle_core::{DType, Device, Tensor};
use ffjord_data::ToyDensity;
use ffjord_flow::{
    Backend, Bijection, Chain, Cnf, CnfSettings, Density, Flow, Pass, SolveSettings, StandardNormalBase, TraceMode,
};
use ffjord_nn::{ActivationKind, ConvNet, ConvNetConfig, LayerKind, Mlp, MlpConfig, Stride, VectorField};
use ffjord_ode::adjoint::{AdjointMethod, Checkpointed};
use ffjord_ode::{Solver, Tolerance};
use ffjord_trace::ProbeDistribution;
use ffjord_train::{Purpose, Streams, to_tensor};
use rand::RngCore;
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

/// The vector field of a workload.
#[derive(Debug, Clone, PartialEq)]
enum Network {
    /// Concatsquash layers of these hidden widths on D numbers.
    Dense { dimension: usize, hidden: Vec<usize> },
    /// 3×3 convolutions of the layer type concat with these hidden channels on square images of one channel.
    Convolutional { size: usize, hidden: Vec<usize> },
}

/// A flow and a batch to train it on, in single precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The name in tables, with the batch.
    pub name: String,
    network: Network,
    activation: ActivationKind,
    blocks: usize,
    end_time: f64,
    /// Rows of the batch.
    pub batch: usize,
}

/// Every workload, the small ones first.
pub fn all() -> Vec<Workload> {
    let workload = |name: &str, network, activation, blocks, end_time, batch| Workload {
        name: format!("{name}, batch {batch}"),
        network,
        activation,
        blocks,
        end_time,
        batch,
    };
    let dense = |dimension, hidden: &[usize]| Network::Dense {
        dimension,
        hidden: hidden.to_vec(),
    };
    let mut workloads: Vec<Workload> = [100, 1_000, 10_000]
        .map(|batch| workload("W1", dense(2, &[64; 3]), ActivationKind::Tanh, 1, 0.5, batch))
        .into();
    workloads.extend([
        workload("W2", dense(43, &[860; 2]), ActivationKind::Softplus, 1, 1.0, 1_000),
        workload("W3", dense(6, &[60; 3]), ActivationKind::Tanh, 5, 1.0, 10_000),
    ]);
    let images = Network::Convolutional {
        size: 28,
        hidden: vec![64; 3],
    };
    workloads.push(workload("W4", images, ActivationKind::Softplus, 1, 0.5, 16));
    workloads
}

impl Workload {
    /// Whether it belongs to a quick run.
    pub fn is_quick(&self) -> bool {
        matches!(self.network, Network::Dense { dimension: 2, .. }) && self.batch <= 1_000
    }

    /// The flow with PyTorch's default initialisation, drawn from `streams`.
    ///
    /// # Errors
    /// When a network cannot be made.
    pub fn model(&self, method: Method, block_rows: usize, streams: &Streams) -> Result<Flow<Chain>> {
        let solve = |trace| -> Result<SolveSettings> {
            Ok(SolveSettings {
                solver: method.solver()?,
                trace,
                block_rows: self.block_rows(block_rows),
            })
        };
        let hutchinson = TraceMode::Hutchinson {
            distribution: ProbeDistribution::Rademacher,
            probes: 1,
        };
        let exact = match self.network {
            Network::Dense { .. } => TraceMode::Exact,
            Network::Convolutional { .. } => hutchinson,
        };
        let settings = CnfSettings {
            end_time: self.end_time,
            learn_end_time: false,
            training: solve(hutchinson)?,
            evaluation: solve(exact)?,
            adjoint: AdjointMethod::Checkpointed(
                Checkpointed::new().keep_tapes(DEFAULT_TAPE_MB * 1_000_000 / self.blocks),
            ),
            integrals: Vec::new(),
            backend: Backend::Fused,
        };
        let mut rng = streams.rng(Purpose::Initialise, 0, 0);
        let parts = (0..self.blocks)
            .map(|_| Ok(Box::new(Cnf::new(self.field(&mut rng)?, settings.clone())?) as Box<dyn Bijection>))
            .collect::<Result<_>>()?;
        let base = StandardNormalBase::new(&self.row_shape(), DType::F32, &Device::Cpu)?;
        Ok(Flow::new(Chain::new(parts)?, base))
    }

    fn field(&self, rng: &mut dyn RngCore) -> Result<Arc<dyn VectorField>> {
        Ok(match &self.network {
            Network::Dense { dimension, hidden } => {
                let network = MlpConfig {
                    dimension: *dimension,
                    hidden: hidden.clone(),
                    layer: LayerKind::ConcatSquash,
                    activation: self.activation,
                };
                Arc::new(Mlp::new(&network, rng, DType::F32, &Device::Cpu)?)
            }
            Network::Convolutional { size, hidden } => {
                let network = ConvNetConfig {
                    channels: 1,
                    size: (*size, *size),
                    hidden: hidden.clone(),
                    strides: vec![Stride::Keep; hidden.len() + 1],
                    layer: LayerKind::Concat,
                    activation: self.activation,
                };
                Arc::new(ConvNet::new(&network, rng, DType::F32, &Device::Cpu)?)
            }
        })
    }

    fn row_shape(&self) -> Vec<usize> {
        match self.network {
            Network::Dense { dimension, .. } => vec![dimension],
            Network::Convolutional { size, .. } => vec![1, size, size],
        }
    }

    /// Rows that share a solve: as given for rows of numbers, and never more than half a batch; a few at a time of
    /// images, whose activations would not stay in the cache.
    fn block_rows(&self, given: usize) -> usize {
        const IMAGES: usize = 2;
        match self.network {
            Network::Dense { .. } => given.min(self.batch.div_ceil(2)),
            Network::Convolutional { .. } => IMAGES,
        }
    }

    /// The batch `[B, …]`: the pinwheel in two dimensions, standardised rows that are correlated and not Gaussian in
    /// more, and noise for images.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn data(&self, streams: &Streams) -> Result<Tensor> {
        let mut rng = streams.rng(Purpose::Data, 0, 0);
        let d = match self.network {
            Network::Dense { dimension, .. } => dimension,
            Network::Convolutional { .. } => {
                let normal = StandardNormalBase::new(&self.row_shape(), DType::F32, &Device::Cpu)?;
                return Ok(normal.sample(self.batch, &mut Pass::sampling(&mut rng))?);
            }
        };
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
        let (ends, hidden, pixels) = match &self.network {
            Network::Dense { dimension, hidden } => (*dimension, hidden, 1),
            // Nine taps at every pixel.
            Network::Convolutional { size, hidden } => (1, hidden, 9 * size * size),
        };
        let widths: Vec<usize> = [&[ends], hidden.as_slice(), &[ends]].concat();
        let weights: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
        2.0 * (weights * pixels * self.batch) as f64
    }

    /// Samples that are drawn at a time.
    pub fn samples(&self) -> usize {
        match self.network {
            Network::Dense { .. } => 10_000,
            Network::Convolutional { .. } => self.batch,
        }
    }
}
