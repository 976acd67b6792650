//! The training loop.

mod session;

pub use session::{TrainingEnd, TrainingSummary};

use crate::checkpoint::CheckpointStore;
use crate::error::Result;
use crate::model::Model;
use crate::objective::Objective;
use crate::observer::Observer;
use crate::optim::OptimizerKind;
use crate::schedule::ScheduleConfig;
use crate::source::BatchSource;
use crate::streams::Streams;
use session::Session;
use std::sync::atomic::AtomicBool;

/// What happens when an iteration fails: a solve that cannot go on, a NaN in loss or gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The iteration is reported and changes nothing; training goes on with the next batch.
    Skip,
    /// Training ends with an error; the last checkpoint stays.
    Stop,
}

/// How long and how to train.
#[derive(Debug, Clone)]
pub struct TrainerOptions {
    /// Optimiser steps.
    pub iterations: u64,
    /// The optimiser.
    pub optimizer: OptimizerKind,
    /// L2 weight decay, added to the gradient.
    pub weight_decay: f64,
    /// The learning rate over time.
    pub schedule: ScheduleConfig,
    /// The largest global gradient norm; larger gradients are scaled down to it.
    pub clip_norm: Option<f64>,
    /// Decay of an exponential average of the weights; validations and the result then use the average.
    pub average: Option<f64>,
    /// Iterations between validations; a last one follows the last iteration.
    pub validate_every: u64,
    /// Validations without improvement after which training stops early.
    pub patience: Option<u32>,
    /// Iterations between checkpoints.
    pub checkpoint_every: u64,
    /// What happens when an iteration fails.
    pub on_failure: FailurePolicy,
}

/// The mean negative log-likelihood of held-out rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Validation {
    /// In nats.
    pub nll: f64,
    /// Its standard error over rows, in nats.
    pub standard_error: f64,
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
    /// When a checkpoint cannot be read or written, an observer fails, validation fails, or iterations fail and the
    /// policy or their number ends the run.
    pub fn run(&mut self) -> Result<TrainingSummary> {
        Session::start(self)?.run()
    }
}
