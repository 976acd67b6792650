//! What is timed: networks, batches and solvers.

use super::Division;
use super::network::Network;
use crate::error::Result;
use candle_core::{DType, Device, Tensor};
use ffjord_cuda::{DeviceName, MAX_STATE, MAX_WIDTH};
use ffjord_data::ToyDensity;
use ffjord_flow::config::DEFAULT_TAPE_MB;
use ffjord_flow::{Bijection, Chain, Cnf, CnfSettings, Density, Flow, Pass, SolveSettings, StandardNormal, TraceMode};
use ffjord_nn::ActivationKind;
use ffjord_ode::adjoint::{AdjointMethod, Checkpointed};
use ffjord_ode::{Solver, Tolerance};
use ffjord_trace::ProbeDistribution;
use ffjord_train::{Purpose, Streams, to_tensor};
use rand::Rng;

/// Relative and absolute tolerance of the adaptive solver.
const TOLERANCE: f64 = 1e-5;

/// How a workload is solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Kutta's 3/8 rule.
    Rk4 {
        /// The number of equal steps, of four evaluations each.
        steps: usize,
    },
    /// Dopri5 at a tolerance of 1e-5.
    Dopri5,
}

impl Method {
    /// The fixed-step method of the benchmark: 80 evaluations.
    pub const RK4: Self = Self::Rk4 { steps: 20 };

    /// Those of the benchmark.
    pub const ALL: [Self; 2] = [Self::RK4, Self::Dopri5];

    /// The name in tables.
    pub fn name(self) -> String {
        match self {
            Self::Rk4 { steps } => format!("rk4_38, {steps} steps"),
            Self::Dopri5 => "dopri5, 1e-5".to_string(),
        }
    }

    /// The number of fixed steps; none where they adapt.
    pub fn steps(self) -> Option<usize> {
        match self {
            Self::Rk4 { steps } => Some(steps),
            Self::Dopri5 => None,
        }
    }

    /// Relative and absolute tolerance; none where steps are fixed.
    pub fn tolerance(self) -> Option<f64> {
        match self {
            Self::Rk4 { .. } => None,
            Self::Dopri5 => Some(TOLERANCE),
        }
    }

    fn solver(self) -> Result<Solver> {
        Ok(match self {
            Self::Rk4 { steps } => Solver::new(ffjord_ode::Method::Rk4ThreeEighths).fixed_steps(steps),
            Self::Dopri5 => Solver::new(ffjord_ode::Method::Dopri5).adaptive(Tolerance::new(TOLERANCE, TOLERANCE)?),
        })
    }
}

/// A flow and a batch to train it on, in single precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The name in tables, with the batch.
    pub name: String,
    network: Network,
    activation: ActivationKind,
    /// Flows that follow each other on one shape.
    blocks: usize,
    end_time: f64,
    /// Columns that every row is given.
    given: usize,
    /// Rows of the batch.
    pub batch: usize,
}

/// Every workload, those that take little memory first: what one has taken may stay with the process.
pub fn all() -> Vec<Workload> {
    let workload = |name: &str, network, activation, blocks, end_time, batch| Workload {
        name: format!("{name}, batch {batch}"),
        network,
        activation,
        blocks,
        end_time,
        given: 0,
        batch,
    };
    let dense = |dimension, hidden: &[usize]| Network::Dense {
        dimension,
        hidden: hidden.to_vec(),
    };
    let mut workloads: Vec<Workload> = [100, 1_000, 10_000, 100_000]
        .map(|batch| workload("W1", dense(2, &[64; 3]), ActivationKind::Tanh, 1, 0.5, batch))
        .into();
    // A conditional flow of the size of the one before.
    workloads.push(Workload {
        given: 2,
        ..workload("W1 given 2", dense(2, &[64; 3]), ActivationKind::Tanh, 1, 0.5, 1_000)
    });
    workloads.push(workload("W3", dense(6, &[60; 3]), ActivationKind::Tanh, 5, 1.0, 10_000));
    let images = Network::Convolutional {
        size: 28,
        hidden: vec![64; 3],
    };
    workloads.push(workload("W4", images, ActivationKind::Softplus, 1, 0.5, 16));
    let scales = Network::Multiscale {
        size: 28,
        hidden: vec![64; 3],
    };
    workloads.push(workload("W5", scales, ActivationKind::Softplus, 2, 1.0, 16));
    workloads.push(workload(
        "W2",
        dense(43, &[860; 2]),
        ActivationKind::Softplus,
        1,
        1.0,
        1_000,
    ));
    workloads
}

impl Workload {
    /// Whether its rows are images and its layers convolutions.
    pub fn is_convolutional(&self) -> bool {
        matches!(self.network, Network::Convolutional { .. } | Network::Multiscale { .. })
    }

    /// Whether its flows are those of a multiscale flow.
    pub fn is_multiscale(&self) -> bool {
        matches!(self.network, Network::Multiscale { .. })
    }

    /// Whether it is timed on this device: the kernels of a card are for narrow dense networks, and the largest batch is
    /// for a card alone.
    pub fn is_for(&self, device: DeviceName) -> bool {
        match (&self.network, device) {
            (_, DeviceName::Cpu) => self.batch < 100_000,
            (Network::Dense { dimension, hidden }, DeviceName::Cuda(_)) => {
                *dimension <= MAX_STATE && hidden.iter().all(|width| *width <= MAX_WIDTH)
            }
            (Network::Convolutional { .. } | Network::Multiscale { .. }, DeviceName::Cuda(_)) => false,
        }
    }

    /// The nonlinearity.
    pub fn activation(&self) -> ActivationKind {
        self.activation
    }

    /// Whether its rows are given columns.
    pub fn is_conditional(&self) -> bool {
        self.given > 0
    }

    /// What the rows of its batch are given, `[B, G]`; none of an unconditional flow.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn conditions(&self, streams: &Streams) -> Result<Option<Tensor>> {
        if !self.is_conditional() {
            return Ok(None);
        }
        let mut rng = streams.rng(Purpose::Data, 0, 1);
        let normal = StandardNormal::new(&[self.given], DType::F32, &Device::Cpu)?;
        Ok(Some(normal.sample(self.batch, &mut Pass::sampling(&mut rng))?))
    }

    /// The shapes of the states of all flows, in order.
    pub fn flow_shapes(&self) -> Vec<Vec<usize>> {
        self.network.flow_shapes(self.blocks)
    }

    /// What happens to a row, in order: `logit`, `flow`, `squeeze` and `split`.
    pub fn path(&self) -> Vec<&'static str> {
        self.network.path(self.blocks)
    }

    /// The margin of the logit on the path.
    pub fn margin(&self) -> f64 {
        self.network.margin()
    }

    /// T.
    pub fn end_time(&self) -> f64 {
        self.end_time
    }

    /// Whether it belongs to a quick run.
    pub fn is_quick(&self) -> bool {
        matches!(self.network, Network::Dense { dimension: 2, .. }) && self.batch <= 1_000 && !self.is_conditional()
    }

    /// The flow with PyTorch's default initialisation, drawn from `streams`.
    ///
    /// # Errors
    /// When a network cannot be made.
    pub fn model(
        &self,
        method: Method,
        division: Division,
        device: DeviceName,
        streams: &Streams,
    ) -> Result<Flow<Chain>> {
        let solve = |trace| -> Result<SolveSettings> {
            Ok(SolveSettings {
                solver: method.solver()?,
                trace,
                block_rows: division.block_rows,
            })
        };
        let hutchinson = TraceMode::Hutchinson {
            distribution: ProbeDistribution::Rademacher,
            probes: 1,
        };
        let exact = match self.network {
            Network::Dense { .. } => TraceMode::Exact,
            Network::Convolutional { .. } | Network::Multiscale { .. } => hutchinson.clone(),
        };
        let settings = CnfSettings {
            end_time: self.end_time,
            learn_end_time: false,
            training: solve(hutchinson.clone())?,
            evaluation: solve(exact)?,
            adjoint: AdjointMethod::Checkpointed(
                Checkpointed::new().keep_tapes(division.tape_mb * 1_000_000 / self.flow_shapes().len()),
            ),
            integrals: Vec::new(),
        };
        let mut rng = streams.rng(Purpose::Initialise, 0, 0);
        let card = match device {
            DeviceName::Cpu => None,
            DeviceName::Cuda(_) => Some(device.backend()?),
        };
        let chain = self.network.chain(self.blocks, |shape| {
            let field = self.network.field((shape, self.given), self.activation, &mut rng)?;
            let cnf = Cnf::new(field, settings.clone())?;
            let cnf = match &card {
                None => cnf,
                Some(card) => cnf.with_backend(card.clone()),
            };
            Ok(Box::new(cnf) as Box<dyn Bijection>)
        })?;
        Ok(Flow::over_normal(chain)?)
    }

    /// The shape of a row, `[D]` or `[C, H, W]`.
    pub fn row_shape(&self) -> Vec<usize> {
        self.network.row_shape()
    }

    /// How its batch is cut where nothing else is asked for: blocks as large as the cache likes them, never more than half
    /// of what is computed at a time, and no more rows at a time than the tapes of a solve have memory for.
    pub fn division(&self, device: DeviceName) -> Division {
        if !device.is_cpu() {
            // Tiles are the device's own, and the whole batch is solved at once.
            return Division {
                block_rows: self.batch,
                accumulate_rows: self.batch,
                tape_mb: 0,
            };
        }
        let (block_rows, accumulate_rows, tape_mb) = match &self.network {
            Network::Dense { dimension: 2, .. } => (250, 1_000, DEFAULT_TAPE_MB),
            Network::Dense { dimension: 6, .. } => (250, 500, 400),
            // Fewer rows would make the products of these wide layers slow.
            Network::Dense { .. } => (250, 500, 1_600),
            Network::Convolutional { .. } => (2, self.batch, DEFAULT_TAPE_MB),
            // Small images like company, large ones the cache.
            Network::Multiscale { .. } => (4, self.batch, DEFAULT_TAPE_MB),
        };
        let accumulate_rows = accumulate_rows.min(self.batch);
        Division {
            block_rows: block_rows.min(accumulate_rows.div_ceil(2)),
            accumulate_rows,
            tape_mb,
        }
    }

    /// The batch `[B, …]`: the pinwheel in two dimensions, standardised rows that are correlated and not Gaussian in
    /// more, and noise for images: uniform where pixels lie in [0, 1], else normal.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn data(&self, streams: &Streams) -> Result<Tensor> {
        let mut rng = streams.rng(Purpose::Data, 0, 0);
        let d = match self.network {
            Network::Dense { dimension, .. } => dimension,
            Network::Convolutional { .. } => {
                let normal = StandardNormal::new(&self.row_shape(), DType::F32, &Device::Cpu)?;
                return Ok(normal.sample(self.batch, &mut Pass::sampling(&mut rng))?);
            }
            Network::Multiscale { .. } => {
                let shape = [&[self.batch], self.row_shape().as_slice()].concat();
                let pixels = (0..shape.iter().product())
                    .map(|_| rng.random::<f64>())
                    .collect::<Vec<_>>();
                return Ok(Tensor::from_vec(pixels, shape, &Device::Cpu)?.to_dtype(DType::F32)?);
            }
        };
        if d == 2 {
            return Ok(to_tensor(
                &ToyDensity::Pinwheel.sample(self.batch, &mut rng),
                DType::F32,
                &Device::Cpu,
            )?);
        }
        let normal = StandardNormal::new(&[d], DType::F32, &Device::Cpu)?;
        let mut draw = |rows| normal.sample(rows, &mut Pass::sampling(&mut rng));
        let (linear, bent) = (draw(d)?, draw(d)?);
        let (z, noise) = (draw(self.batch)?, draw(self.batch)?);
        let scale = 1.0 / (d as f64).sqrt();
        let bent = (z.matmul(&bent)? * (2.0 * scale))?.tanh()?;
        let rows = (((z.matmul(&linear)? * scale)? + bent)? + (noise * 0.3)?)?;
        let centred = rows.broadcast_sub(&rows.mean_keepdim(0)?)?;
        Ok(centred.broadcast_div(&centred.sqr()?.mean_keepdim(0)?.sqrt()?)?)
    }

    /// Floating-point operations of one pass of the batch through the matrices of one network: on the average, where there
    /// are several kinds.
    pub fn pass_flops(&self) -> f64 {
        self.batch as f64 * self.network.pass_flops(self.blocks)
    }

    /// Samples that are drawn at a time.
    pub fn samples(&self) -> usize {
        match self.network {
            // One for each of the batch's conditions.
            _ if self.is_conditional() => self.batch,
            Network::Dense { .. } => 10_000,
            Network::Convolutional { .. } | Network::Multiscale { .. } => self.batch,
        }
    }
}
