//! The configuration of a run: what a preset, `--set` and a run folder's `config.json` hold.

mod block_rows;
mod check;
mod model;
mod preset;
mod resolve;
mod unread;

pub use model::{ModelConfig, ModelKind, Precision};
pub use preset::Preset;
pub use resolve::{resolve, resolve_stored};

use ffjord_train::ScheduleConfig;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Everything that determines a run's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// One sentence on what the run does.
    pub description: String,
    /// Where every random number of the run comes from.
    #[serde(default)]
    pub seed: u64,
    /// Where the weights at the start come from, instead of being drawn: a run folder, a `.safetensors` file, or a `.pth`
    /// checkpoint of the original implementation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// The data.
    pub data: DataConfig,
    /// The flow.
    pub model: ModelConfig,
    /// How equations are solved; discrete flows solve none.
    pub solver: SolverConfig,
    /// What training minimises.
    #[serde(default)]
    pub objective: ObjectiveConfig,
    /// How the flow is trained.
    pub training: TrainingConfig,
    /// Weights of the path integrals in the loss of maximum likelihood.
    #[serde(default)]
    pub regularisation: RegularisationConfig,
    /// What is computed and drawn after training.
    pub evaluation: EvaluationConfig,
}

/// The data of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum DataConfig {
    /// A two-dimensional toy density, sampled anew for every batch.
    Toy {
        /// Its name.
        name: String,
    },
    /// A density read from the brightness of a picture, sampled anew for every batch.
    Image {
        /// A PNG or JPEG file.
        path: PathBuf,
    },
    /// A table of numbers, split and standardised by the paper's rule.
    Table {
        /// A `.npy`, `.npz` or CSV file.
        path: PathBuf,
        /// Columns that the others are given, by name or, where the table has no names, by number from 0: the flow is of
        /// p(rest | given). None for the density of whole rows.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        given: Vec<String>,
    },
    /// POWER: the embedded data unless a path is given.
    Power(BenchmarkConfig),
    /// GAS.
    Gas(BenchmarkConfig),
    /// HEPMASS.
    Hepmass(BenchmarkConfig),
    /// MINIBOONE.
    Miniboone(BenchmarkConfig),
    /// MINIBOONE with the first training rows only: not the published setting.
    #[serde(rename = "miniboone-reduced")]
    MinibooneReduced(BenchmarkConfig),
    /// BSDS300.
    Bsds300(BenchmarkConfig),
}

/// Which rows of a tabular benchmark a run uses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkConfig {
    /// An original file, or a folder of original or prepared files; the cache if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Train on the first so many rows of the training split; all if absent.
    pub train_rows: Option<usize>,
    /// Evaluate on the first so many rows of the test split; all if absent.
    pub test_rows: Option<usize>,
}

/// How equations are solved in training and in evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SolverConfig {
    /// For training.
    pub train: SolveConfig,
    /// For validation, test and sampling.
    pub test: SolveConfig,
    /// How gradients are computed: `checkpointed`, `binomial`, `reversible`, `backsolve` or `interpolated`.
    pub adjoint: String,
    /// How the adjoint works where not by its defaults.
    #[serde(default)]
    pub backward: BackwardConfig,
}

/// Settings of the adjoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackwardConfig {
    /// Relative tolerance of the solve that `backsolve` and `interpolated` do; the training solver's if absent.
    pub rtol: Option<f64>,
    /// Absolute tolerance of it.
    pub atol: Option<f64>,
    /// Whether the parameters' gradient counts in its error, too; by default it does not (the semi-norm).
    #[serde(default)]
    pub full_norm: bool,
    /// Memory for evaluations that `checkpointed` keeps rather than computes again, in MB (10⁶ bytes); 200 if absent.
    pub tape_mb: Option<usize>,
    /// States that `binomial` keeps.
    pub snapshots: Option<NonZeroUsize>,
}

/// One way of solving.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SolveConfig {
    /// The method.
    pub method: String,
    /// How its steps are chosen.
    pub control: StepConfig,
    /// `exact`, or the distribution of Hutchinson's probes: `rademacher`, `gaussian`, `sphere` or `orthogonal`.
    pub trace: String,
    /// Whether the trace is taken at the narrowest hidden layer (FFJORD, eq. 9).
    #[serde(default)]
    pub bottleneck: bool,
    /// Probes for each row, where the trace is estimated.
    #[serde(default = "one")]
    pub probes: usize,
    /// Rows that share one solve and its steps: a number, `per-row` (1) or `whole-batch` (0).
    #[serde(deserialize_with = "block_rows::deserialize")]
    pub block_rows: usize,
}

/// How steps are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum StepConfig {
    /// By an error estimate.
    Adaptive {
        /// Relative tolerance.
        rtol: f64,
        /// Absolute tolerance.
        atol: f64,
    },
    /// A number of equal steps.
    Fixed {
        /// Their number.
        steps: usize,
    },
}

fn one() -> usize {
    1
}

fn tighter_rows() -> usize {
    1000
}

/// What training minimises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectiveConfig {
    /// The negative log-likelihood, with the weighted path integrals.
    #[default]
    MaximumLikelihood,
    /// The error of the vector field along straight paths to independent noise.
    FlowMatching,
    /// The same, with noise that the batch's rows were matched with.
    OptimalTransportFlowMatching,
}

/// What happens when a training step fails or yields a NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The step is reported and left out.
    Skip,
    /// The run ends with an error; the last checkpoint stays.
    Stop,
}

/// How the flow is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Optimiser steps.
    pub iterations: u64,
    /// Rows of a batch.
    pub batch: usize,
    /// Rows of it whose gradient is computed at a time, for large batches; all if absent.
    pub accumulate_rows: Option<NonZeroUsize>,
    /// `adam` or `adamax`.
    pub optimizer: String,
    /// The learning rate over time.
    pub schedule: ScheduleConfig,
    /// What the tolerances of training solves are multiplied with over time.
    pub tolerance: Option<ScheduleConfig>,
    /// The half-width of the random end time of training solves, as a fraction of T (STEER).
    #[serde(default)]
    pub end_time_spread: f64,
    /// The largest spectral norm of a layer's weight; larger ones are scaled down after every step.
    pub spectral_norm: Option<f64>,
    /// L2 weight decay, added to the gradient as PyTorch's Adam does.
    #[serde(default)]
    pub weight_decay: f64,
    /// The largest global gradient norm; larger gradients are scaled down.
    pub clip_norm: Option<f64>,
    /// Decay of an exponential average of the weights, which then is what gets evaluated.
    pub average: Option<f64>,
    /// Iterations between validations.
    pub validate_every: u64,
    /// Validations without improvement after which training stops.
    pub patience: Option<u32>,
    /// Rows of the validation data, from the first and at most all; for toy data, fresh samples.
    pub validation_rows: usize,
    /// Iterations between checkpoints.
    pub checkpoint_every: u64,
    /// What happens when a step fails.
    pub on_failure: OnFailure,
}

/// Weights of the path integrals in the loss; 0 leaves an integral out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegularisationConfig {
    /// `∫ ‖f‖² dt`.
    #[serde(default)]
    pub kinetic: f64,
    /// `∫ ‖J ε‖² dt`.
    #[serde(default)]
    pub jacobian: f64,
    /// `∫ ‖f‖₁ dt`.
    #[serde(default)]
    pub l1: f64,
    /// `∫ ‖f‖₂ dt`.
    #[serde(default)]
    pub l2: f64,
    /// `∫ ‖J‖_F dt`; needs the exact training trace.
    #[serde(default)]
    pub frobenius: f64,
    /// `∫ ‖diag J‖₂ dt`; needs the exact training trace.
    #[serde(default)]
    pub diagonal: f64,
    /// `∫ ‖J − diag J‖_F dt`; needs the exact training trace.
    #[serde(default)]
    pub off_diagonal: f64,
    /// `∫ ‖Jᵀ f‖₂ dt`; needs the exact training trace.
    #[serde(default)]
    pub energy_gradient: f64,
    /// `∫ Var(trace) dt`; needs an estimated training trace of two probes or more, with which it is also reported
    /// without a weight.
    #[serde(default)]
    pub trace_variance: f64,
    /// `∫ ‖J f‖₂ dt`.
    #[serde(default)]
    pub directional: f64,
    /// `∫ ‖d²z/dt²‖² dt` (TayNODE).
    #[serde(default)]
    pub acceleration: f64,
}

/// What is computed and drawn after training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Rows evaluated at a time.
    pub batch: usize,
    /// Fresh test samples of a toy density.
    #[serde(default)]
    pub toy_rows: usize,
    /// Evaluate the first so many test rows at every validation, for a curve over the run; 0 leaves it out.
    #[serde(default)]
    pub curve_rows: usize,
    /// Evaluate the first so many test rows once more, at a hundredth of the tolerance and in double precision; 0 leaves
    /// it out.
    #[serde(default = "tighter_rows")]
    pub tighter_rows: usize,
    /// Samples drawn from the model for the pictures.
    pub samples: usize,
    /// Points a side of the density pictures' grid.
    #[serde(default)]
    pub grid: usize,
    /// Frames of the animation.
    #[serde(default)]
    pub frames: usize,
}
