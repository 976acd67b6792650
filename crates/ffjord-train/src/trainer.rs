//! The training loop.

mod iteration;
mod options;
mod session;
mod snapshot;
mod stored;
mod summary;

pub use options::{FailurePolicy, TrainerOptions};
pub use summary::{TrainingEnd, TrainingSummary};

use crate::checkpoint::CheckpointStore;
use crate::error::Result;
use crate::model::Model;
use crate::objective::Objective;
use crate::observer::Observer;
use crate::source::BatchSource;
use crate::streams::Streams;
use session::Session;
use std::sync::atomic::AtomicBool;

/// The mean negative log-likelihood of held-out rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Validation {
    /// In nats.
    pub nll: f64,
    /// Its standard error over rows, in nats.
    pub standard_error: f64,
    /// The same of test rows, in nats, where a run watches them: it is reported and decides nothing.
    pub test_nll: Option<f64>,
}

/// Trains a model; owns the loop and nothing else.
///
/// Everything random in an iteration is a function of the seed and the iteration's number, and a checkpoint holds
/// weights, buffers, optimiser moments, averages, the best weights so far and early stopping's state, so that a run
/// that was interrupted anywhere ends with the same bits as one that was not.
pub struct Trainer<'a, M> {
    /// The model.
    pub model: &'a M,
    /// What is minimised.
    pub objective: &'a dyn Objective<M>,
    /// Where batches come from.
    pub source: &'a dyn BatchSource,
    /// The held-out likelihood of the model with its present weights.
    pub validate: &'a dyn Fn(&M) -> Result<Validation>,
    /// Where every random number comes from.
    pub streams: Streams,
    /// How long and how.
    pub options: TrainerOptions,
    /// Where checkpoints go.
    pub store: &'a CheckpointStore,
    /// Who is told.
    pub observers: Vec<Box<dyn Observer>>,
    /// Set from outside (Ctrl-C) to stop after the iteration in hand.
    pub stop: &'a AtomicBool,
}

impl<M: Model> Trainer<'_, M> {
    /// Trains until the last iteration, until early stopping, or until `stop` is set; continues from the checkpoint in
    /// the store if there is one. After a finished run the model holds the best weights of all validations.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`](crate::TrainError::InvalidSetting) for options outside their range. Later, when a
    /// checkpoint cannot be read or written, an observer fails, or iterations or validations fail and the policy or
    /// their number ends the run; the last checkpoint stays.
    pub fn run(&mut self) -> Result<TrainingSummary> {
        Session::start(self)?.run()
    }
}
