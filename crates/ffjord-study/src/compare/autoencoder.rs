//! Training of variational autoencoders as contests.

use super::Rival;
use super::contest::{Contest, Program, weights};
use crate::bench::{FirstStep, Method, Repetitions, Training, first_step, timed};
use crate::error::Result;
use candle_core::{DType, Device, Tensor};
use ffjord_cuda::DeviceName;
use ffjord_flow::config::DEFAULT_TAPE_MB;
use ffjord_flow::{CnfSettings, SolveSettings, TraceMode};
use ffjord_nn::{ActivationKind, Amortisation, AmortisedMlpConfig, LayerKind};
use ffjord_ode::Solver;
use ffjord_ode::adjoint::{AdjointMethod, Checkpointed};
use ffjord_trace::{ProbeDistribution, Probes};
use ffjord_train::{Batch, Model, Purpose, Streams};
use ffjord_vae::{AmortisedCnf, Bernoulli, ConvDecoder, ConvEncoder, Elbo, Encoder, NoFlow, Posterior, Vae};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde_json::{Value, json};

/// The released code's model of binarised MNIST.
const LATENT: usize = 64;
const IMAGE: [usize; 3] = [1, 28, 28];
const BATCH: usize = 100;
const HIDDEN: [usize; 2] = [1024, 1024];
const RANK: usize = 64;
const FLOWS: usize = 2;
const END_TIME: f64 = 0.5;
/// Of Kutta's 3/8 rule, so that both sides evaluate equally often.
const STEPS: usize = 2;

/// The posterior of an autoencoder that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoencoderKind {
    /// The encoder's Gaussian.
    NoFlow,
    /// Two continuous flows of width 1,024, to whose layers every image adds an update of rank 64.
    LowRank,
}

impl AutoencoderKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::NoFlow, Self::LowRank];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoFlow => "V1, batch 100",
            Self::LowRank => "V2, batch 100",
        }
    }

    /// The solver's name in tables.
    pub fn solver(self) -> String {
        match self {
            Self::NoFlow => "none".to_string(),
            Self::LowRank => method().name(),
        }
    }

    fn flows(self) -> usize {
        match self {
            Self::NoFlow => 0,
            Self::LowRank => FLOWS,
        }
    }
}

fn method() -> Method {
    Method::Rk4 { steps: STEPS }
}

/// An autoencoder's training on the evidence lower bound.
#[derive(Debug)]
pub struct AutoencoderContest {
    kind: AutoencoderKind,
    model: Vae,
    batch: Batch,
    streams: Streams,
}

impl AutoencoderContest {
    /// The model of binarised MNIST with PyTorch's default initialisation, and a batch of noise.
    ///
    /// # Errors
    /// When a network cannot be made.
    pub fn new(kind: AutoencoderKind) -> Result<Self> {
        let streams = Streams::new(0);
        let mut rng = streams.rng(Purpose::Initialise, 0, 0);
        let at = (DType::F32, &Device::Cpu);
        let encoder = ConvEncoder::new(&IMAGE, LATENT, &mut rng, at.0, at.1)?;
        let posterior: Box<dyn Posterior> = match kind {
            AutoencoderKind::NoFlow => Box::new(NoFlow),
            AutoencoderKind::LowRank => {
                let network = AmortisedMlpConfig {
                    dimension: LATENT,
                    hidden: HIDDEN.to_vec(),
                    layer: LayerKind::Concat,
                    activation: ActivationKind::Softplus,
                    amortisation: Amortisation::LowRank { rank: RANK },
                };
                let settings = vec![settings(); FLOWS];
                Box::new(AmortisedCnf::new(
                    &network,
                    false,
                    encoder.features(),
                    &settings,
                    &mut rng,
                    at,
                )?)
            }
        };
        let decoder = ConvDecoder::new(&IMAGE, LATENT, &Bernoulli::default(), &mut rng, at.0, at.1)?;
        let mut rng = streams.rng(Purpose::Data, 0, 0);
        let pixels: Vec<f32> = (0..BATCH * IMAGE.iter().product::<usize>())
            .map(|_| f32::from(u8::from(rng.random::<bool>())))
            .collect();
        let [channels, height, width] = IMAGE;
        Ok(Self {
            kind,
            model: Vae::new(encoder, posterior, decoder, Bernoulli::default())?,
            batch: Batch {
                x: Tensor::from_vec(pixels, (BATCH, channels, height, width), &Device::Cpu)?,
                given: None,
            },
            streams,
        })
    }
}

fn settings() -> CnfSettings {
    let solve = |trace| SolveSettings {
        solver: Solver::new(ffjord_ode::Method::Rk4ThreeEighths).fixed_steps(STEPS),
        trace,
        block_rows: BATCH / 2,
    };
    CnfSettings {
        end_time: END_TIME,
        learn_end_time: false,
        training: solve(TraceMode::Hutchinson {
            distribution: ProbeDistribution::Gaussian,
            probes: 1,
        }),
        evaluation: solve(TraceMode::Exact),
        adjoint: AdjointMethod::Checkpointed(Checkpointed::new().keep_tapes(DEFAULT_TAPE_MB * 1_000_000 / FLOWS)),
        integrals: Vec::new(),
    }
}

impl Contest for AutoencoderContest {
    fn name(&self) -> String {
        self.kind.name().to_string()
    }

    fn solver(&self) -> String {
        self.kind.solver()
    }

    fn program(&self, rival: Rival) -> Option<Program> {
        (rival == Rival::Torch).then_some(("torch_vae_peer.py", None))
    }

    fn settings(&self, device: DeviceName) -> Value {
        json!({
            "flows": self.kind.flows(),
            "rank": RANK,
            "end_time": END_TIME,
            "steps": STEPS,
            "device": device.to_string(),
            "threads": rayon::current_num_threads(),
        })
    }

    fn arrays(&self) -> Result<Vec<(String, Tensor)>> {
        // In the order of the objective: the latent states' noise, then every flow's probes.
        let mut rng = self.streams.rng(Purpose::Probe, 0, 0);
        let noise: Vec<f64> = (0..BATCH * LATENT).map(|_| StandardNormal.sample(&mut rng)).collect();
        let mut probes = Vec::new();
        for _ in 0..self.kind.flows() {
            let drawn = Probes::<f64>::draw(ProbeDistribution::Gaussian, 1, BATCH, LATENT, &mut rng)?;
            probes.extend_from_slice(drawn.vectors());
        }
        let numbers = |numbers: Vec<f64>| -> Result<Tensor> {
            let count = numbers.len();
            Ok(Tensor::from_vec(numbers, count, &Device::Cpu)?.to_dtype(DType::F32)?)
        };
        let mut arrays = weights(self.model.parameters())?;
        arrays.push(("batch".to_string(), self.batch.x.clone()));
        arrays.push(("noise".to_string(), numbers(noise)?));
        if !probes.is_empty() {
            arrays.push(("probes".to_string(), numbers(probes)?));
        }
        Ok(arrays)
    }

    fn first_step(&self) -> Result<FirstStep> {
        first_step(&self.model, &Elbo::default(), &self.batch, &self.streams)
    }

    fn train(&self, repetitions: Repetitions) -> Result<Training> {
        let records = timed(
            &self.model,
            &Elbo::default(),
            &self.batch,
            self.streams,
            None,
            repetitions,
        )?;
        Ok(Training::of(records, repetitions.warm_up, Vec::new()))
    }
}
