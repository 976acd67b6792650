//! One session of a run: from the start or a checkpoint to the end or an interruption.

use super::snapshot::{assign, copies};
use super::stored::State;
use super::{FailurePolicy, Trainer, TrainingEnd, TrainingSummary};
use crate::average::WeightAverage;
use crate::error::{Result, TrainError};
use crate::model::Model;
use crate::observer::{FailureReport, Observer, ProcessReport, ValidationReport};
use crate::optim::Optimizer;
use crate::processes::{agree, not_understood};
use crate::validation::Validation;
use candle_core::Tensor;
use ffjord_nn::Parameter;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Failed iterations in a row after which a run ends even if it may skip them: nothing would change any more.
const MAX_FAILURES_IN_A_ROW: u32 = 25;

pub(super) struct Session<'t, 'a, M> {
    pub(super) trainer: &'t mut Trainer<'a, M>,
    pub(super) parameters: Vec<Parameter>,
    /// Parameters and buffers: all of the model that a run changes.
    pub(super) all: Vec<Parameter>,
    /// The first of `all` that the loss of a batch may change.
    pub(super) first_changed: usize,
    pub(super) optimizer: Box<dyn Optimizer>,
    pub(super) average: Option<WeightAverage>,
    /// The best weights and buffers so far by name; empty before the first finite validation.
    pub(super) best: BTreeMap<String, Tensor>,
    /// Iterations done.
    pub(super) iteration: u64,
    pub(super) saved_iteration: Option<u64>,
    pub(super) state: State,
    /// Whether an iteration of this session has succeeded: what a first batch sets is set then.
    pub(super) settled: bool,
    /// Whether one of several processes was asked to stop, as all know since the last iteration.
    pub(super) stop_agreed: bool,
    /// What each process did in the last iteration.
    pub(super) processes: Vec<ProcessReport>,
}

impl<'t, 'a, M: Model> Session<'t, 'a, M> {
    /// A new run, or the continuation of the one in the checkpoint store.
    pub(super) fn start(trainer: &'t mut Trainer<'a, M>) -> Result<Self> {
        let options = &trainer.options;
        let parameters = trainer.model.parameters();
        let optimizer = options.optimizer.build(parameters.clone(), options.weight_decay)?;
        let buffers = trainer.model.buffers();
        let average = match options.average {
            Some(decay) => {
                // Weights that are averaged and statistics that are not would be of different models.
                let floating = buffers.iter().filter(|buffer| buffer.var.dtype().is_float());
                let averaged: Vec<Parameter> = parameters.iter().chain(floating).cloned().collect();
                Some(WeightAverage::new(&averaged, decay)?)
            }
            None => None,
        };
        let mut session = Self {
            all: parameters.iter().chain(&buffers).cloned().collect(),
            first_changed: match trainer.model.sets_parameters_in_training() {
                true => 0,
                false => parameters.len(),
            },
            parameters,
            optimizer,
            average,
            best: BTreeMap::new(),
            iteration: 0,
            saved_iteration: None,
            state: State::default(),
            // Nothing is set by models without such parameters.
            settled: !trainer.model.sets_parameters_in_training(),
            stop_agreed: false,
            processes: Vec::new(),
            trainer,
        };
        let restored = session.restore();
        session.compare_processes(restored)?;
        Ok(session)
    }

    pub(super) fn run(mut self) -> Result<TrainingSummary> {
        let (start, total) = (self.iteration, self.trainer.options.iterations);
        self.tell(|observer| observer.started(start, total))?;
        let end = match self.iterate() {
            Ok(end) => end,
            Err(error) => {
                // Should an observer fail too, the first error is the one to report.
                let _ = self.tell(|observer| observer.ended("training ended with an error; the last checkpoint stays"));
                return Err(error);
            }
        };
        if end != TrainingEnd::Interrupted {
            self.restore_best()?;
        }
        let summary = TrainingSummary {
            end,
            iterations: self.iteration,
            seconds: self.state.seconds,
            best_nll: self.state.patience.best(),
            failures: self.state.failures,
        };
        let message = summary.to_string();
        self.tell(|observer| observer.ended(&message))?;
        Ok(summary)
    }

    fn iterate(&mut self) -> Result<TrainingEnd> {
        let options = &self.trainer.options;
        let (total, validate_every, save_every) =
            (options.iterations, options.validate_every, options.checkpoint_every);
        if options.validate_at_start && self.iteration == 0 {
            self.validate()?;
        }
        loop {
            if self.out_of_patience() {
                return Ok(TrainingEnd::StoppedEarly);
            }
            if self.iteration >= total {
                return Ok(TrainingEnd::Finished);
            }
            if self.asked_to_stop() {
                self.save()?;
                return Ok(TrainingEnd::Interrupted);
            }
            self.advance()?;
            let last = self.iteration == total;
            if last || self.iteration.is_multiple_of(validate_every) {
                self.validate()?;
            }
            if last || self.iteration.is_multiple_of(save_every) || self.out_of_patience() {
                self.save()?;
            }
        }
    }

    /// Whether to stop here: several processes stop together, where all know of it.
    fn asked_to_stop(&self) -> bool {
        match self.trainer.communicator.size() {
            1 => self.trainer.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)),
            _ => self.stop_agreed,
        }
    }

    fn out_of_patience(&self) -> bool {
        let patience = self.trainer.options.patience;
        patience.is_some_and(|allowed| self.state.patience.exhausted(allowed))
    }

    /// Counts and reports an iteration that failed; an error if it ends the run.
    pub(super) fn leave_out(&mut self, error: &TrainError) -> Result<()> {
        self.state.failures += 1;
        self.state.failures_in_a_row += 1;
        let cause = error.to_string();
        self.report_failure(&cause)?;
        if self.trainer.options.on_failure == FailurePolicy::Stop {
            return Err(TrainError::StepFailed {
                iteration: self.iteration,
                cause,
            });
        }
        if self.state.failures_in_a_row >= MAX_FAILURES_IN_A_ROW {
            return Err(TrainError::TooManyFailures {
                count: MAX_FAILURES_IN_A_ROW,
                last: cause,
            });
        }
        Ok(())
    }

    /// Evaluates held-out data with the averaged weights, if there are any, and keeps the best.
    fn validate(&mut self) -> Result<()> {
        let Some(validator) = self.trainer.validator else {
            return Ok(());
        };
        let present = copies(&self.all)?;
        if let Some(average) = &self.average {
            average.apply()?;
        }
        let outcome = validator.validate(self.trainer.model, &self.trainer.streams);
        let outcome = self.agreed(outcome)?;
        let best = match &outcome {
            Ok(validation) if self.iteration < self.trainer.options.patience_from => {
                self.state.patience.record_patiently(validation.nll)
            }
            Ok(validation) => self.state.patience.record(validation.nll),
            Err(_) => false,
        };
        if best {
            self.keep_best()?;
        }
        assign(&self.all, &present)?;
        match outcome {
            Ok(validation) => self.report_validation(validation, best),
            Err(error) => self.report_failed_validation(error),
        }
    }

    /// The validation of process 0, or the failure of the first process that failed, on all of them.
    fn agreed(&self, outcome: Result<Validation>) -> Result<Result<Validation>> {
        let communicator = self.trainer.communicator;
        if communicator.size() == 1 {
            return Ok(outcome);
        }
        match agree(communicator, outcome, |validation| validation.to_bytes()) {
            Ok((_, all)) => match all.first().and_then(|bytes| Validation::from_bytes(bytes)) {
                Some(validation) => Ok(Ok(validation)),
                None => Err(not_understood(0)),
            },
            Err(error @ TrainError::LostProcess { .. }) => Err(error),
            Err(error) => Ok(Err(error)),
        }
    }

    fn report_validation(&mut self, validation: Validation, best: bool) -> Result<()> {
        let report = ValidationReport {
            iteration: self.iteration,
            nll: validation.nll,
            standard_error: validation.standard_error,
            test_nll: validation.test_nll,
            best,
            seconds: self.state.seconds,
        };
        self.tell(|observer| observer.validation(&report))
    }

    /// Reports a validation that failed: it says nothing about the weights, so neither patience nor counts change.
    fn report_failed_validation(&mut self, error: TrainError) -> Result<()> {
        let error = match error {
            failed @ TrainError::ValidationFailed { .. } => failed,
            other => TrainError::ValidationFailed {
                cause: other.to_string(),
            },
        };
        self.report_failure(&error.to_string())?;
        match self.trainer.options.on_failure {
            FailurePolicy::Skip => Ok(()),
            FailurePolicy::Stop => Err(error),
        }
    }

    fn report_failure(&mut self, cause: &str) -> Result<()> {
        let report = FailureReport {
            iteration: self.iteration,
            cause: cause.to_string(),
        };
        self.tell(|observer| observer.failure(&report))
    }

    pub(super) fn tell(&mut self, mut what: impl FnMut(&mut dyn Observer) -> Result<()>) -> Result<()> {
        self.trainer
            .observers
            .iter_mut()
            .try_for_each(|observer| what(observer.as_mut()))
    }
}
