//! The configuration of a run: what a preset, `--set` and a run folder's `config.json` hold.

mod check;
mod model;
mod preset;
mod resolve;

pub use model::{ModelConfig, ModelKind, Precision};
pub use preset::{PRESETS, Preset};
pub use resolve::{resolve, resolve_stored};

use ffjord_train::ScheduleConfig;
use serde::{Deserialize, Serialize};
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
    },
    /// The embedded POWER data with the paper's split.
    Power {
        /// Train on the first so many rows of the training split; all if absent.
        train_rows: Option<usize>,
        /// Evaluate on the first so many rows of the test split; all if absent.
        test_rows: Option<usize>,
    },
}

/// How equations are solved in training and in evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SolverConfig {
    /// For training.
    pub train: SolveConfig,
    /// For validation, test and sampling.
    pub test: SolveConfig,
    /// How gradients are computed: `checkpointed` or `backsolve`.
    pub adjoint: String,
}

/// One way of solving.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SolveConfig {
    /// The method.
    pub method: String,
    /// How its steps are chosen.
    pub control: StepConfig,
    /// `exact`, or the distribution of Hutchinson's probes: `rademacher`, `gaussian` or `sphere`.
    pub trace: String,
    /// Probes for each row, where the trace is estimated.
    #[serde(default = "one")]
    pub probes: usize,
    /// Rows that share one solve and its steps; `0` solves the whole batch together.
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
    /// `adam` or `adamax`.
    pub optimizer: String,
    /// The learning rate over time.
    pub schedule: ScheduleConfig,
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
    /// Samples drawn from the model for the pictures.
    pub samples: usize,
    /// Points a side of the density pictures' grid.
    #[serde(default)]
    pub grid: usize,
    /// Frames of the animation.
    #[serde(default)]
    pub frames: usize,
}
