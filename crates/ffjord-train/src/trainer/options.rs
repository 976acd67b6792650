//! How long and how to train.

use crate::error::{Result, TrainError, check_setting};
use crate::optim::OptimizerKind;
use crate::schedule::ScheduleConfig;
use std::num::NonZeroUsize;

/// What happens when an iteration or a validation fails: a solve that cannot go on, a NaN in loss or gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The failure is reported and changes nothing; training goes on with the next batch.
    Skip,
    /// The failure is reported, and training ends with an error; the last checkpoint stays.
    Stop,
}

/// How long and how to train.
#[derive(Debug, Clone)]
pub struct TrainerOptions {
    /// Iterations, at least 1; each is a step of the optimiser unless it fails.
    pub iterations: u64,
    /// Rows of a batch whose loss and gradient are computed at a time, and added up; the whole batch if absent.
    ///
    /// A step takes the memory of so many rows, and a gradient whose evaluations fit into the memory for tapes need not
    /// compute them again. The gradient is that of the whole batch, with other probes, where the loss is a mean over rows
    /// that do not depend on each other: batch normalisation and optimal-transport coupling see the parts alone.
    pub accumulate_rows: Option<NonZeroUsize>,
    /// The optimiser.
    pub optimizer: OptimizerKind,
    /// L2 weight decay, added to the gradient.
    pub weight_decay: f64,
    /// The learning rate over time.
    pub schedule: ScheduleConfig,
    /// What the tolerances of training solves are multiplied with over time, 1 if absent: loose at first and tight at the
    /// end, for instance. Solves with fixed steps have no tolerance.
    pub tolerance: Option<ScheduleConfig>,
    /// The largest spectral norm of a layer's weight, positive; larger ones are scaled down after every step.
    pub spectral_norm: Option<f64>,
    /// The largest global gradient norm, positive; larger gradients are scaled down to it.
    pub clip_norm: Option<f64>,
    /// Decay of an exponential average of the weights; validations and the result then use the average.
    pub average: Option<f64>,
    /// Iterations between validations, at least 1; a last one follows the last iteration.
    pub validate_every: u64,
    /// Validations without improvement, at least 1, after which training stops early.
    pub patience: Option<u32>,
    /// Iterations between checkpoints, at least 1; a last one follows the last iteration.
    pub checkpoint_every: u64,
    /// What happens when an iteration or a validation fails.
    pub on_failure: FailurePolicy,
}

impl TrainerOptions {
    /// Checks everything that the optimiser and the average do not check when they are built.
    pub(super) fn check(&self) -> Result<()> {
        check_count("the number of iterations", self.iterations)?;
        check_count("`validate_every`", self.validate_every)?;
        check_count("`checkpoint_every`", self.checkpoint_every)?;
        if let Some(patience) = self.patience {
            check_count("the patience", u64::from(patience))?;
        }
        if let Some(norm) = self.clip_norm {
            check_setting("the largest gradient norm", norm, "a positive number", |norm| {
                norm > 0.0
            })?;
        }
        if let Some(norm) = self.spectral_norm {
            check_setting("the largest spectral norm", norm, "a positive, finite number", |norm| {
                norm > 0.0 && norm.is_finite()
            })?;
        }
        if let Some(tolerance) = &self.tolerance {
            tolerance.check()?;
        }
        self.schedule.check()
    }
}

fn check_count(setting: &'static str, given: u64) -> Result<()> {
    if given > 0 {
        return Ok(());
    }
    Err(TrainError::InvalidSetting {
        setting,
        given: given.to_string(),
        accepted: "a whole number from 1",
    })
}
