//! Objective and trainer settings from configurations.

use crate::config::{ObjectiveConfig, OnFailure, RunConfig, TrainingConfig};
use crate::error::Result;
use ffjord_flow::{Chain, Flow};
use ffjord_train::{FailurePolicy, FlowMatching, MaximumLikelihood, NoiseCoupling, Objective, TrainerOptions};

/// Rows that are matched with noise at a time.
const TRANSPORT_ROWS: usize = 256;

/// What the trainer is asked for.
///
/// # Errors
/// When a name is not known.
pub fn trainer_options(training: &TrainingConfig) -> Result<TrainerOptions> {
    Ok(TrainerOptions {
        iterations: training.iterations,
        accumulate_rows: training.accumulate_rows,
        optimizer: training.optimizer.parse()?,
        weight_decay: training.weight_decay,
        schedule: training.schedule.clone(),
        tolerance: training.tolerance.clone(),
        spectral_norm: training.spectral_norm,
        clip_norm: training.clip_norm,
        average: training.average,
        validate_every: training.validate_every,
        patience: training.patience,
        checkpoint_every: training.checkpoint_every,
        on_failure: match training.on_failure {
            OnFailure::Skip => FailurePolicy::Skip,
            OnFailure::Stop => FailurePolicy::Stop,
        },
    })
}

/// What training minimises.
///
/// # Errors
/// When the objective cannot be made.
pub fn objective(config: &RunConfig) -> Result<Box<dyn Objective<Flow<Chain>>>> {
    let coupling = match config.objective {
        ObjectiveConfig::MaximumLikelihood => {
            return Ok(Box::new(MaximumLikelihood::new(config.regularisation.weights())));
        }
        ObjectiveConfig::FlowMatching => NoiseCoupling::Independent,
        ObjectiveConfig::OptimalTransportFlowMatching => NoiseCoupling::OptimalTransport { rows: TRANSPORT_ROWS },
    };
    Ok(Box::new(FlowMatching::new(coupling)?))
}
