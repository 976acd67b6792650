//! One session of a run: from the start or a checkpoint to the end or an interruption.

use super::{FailurePolicy, Trainer};
use crate::average::WeightAverage;
use crate::error::{Result, TrainError};
use crate::model::Model;
use crate::objective::scalar;
use crate::observer::{FailureReport, IterationReport, Observer, ValidationReport};
use crate::optim::{Optimizer, clip_global_norm, global_norm};
use crate::patience::Patience;
use crate::streams::Purpose;
use candle_core::Tensor;
use ffjord_flow::Pass;
use ffjord_nn::{Parameter, load_parameters};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Failed iterations in a row after which a run ends even if it may skip them: nothing would change any more.
const MAX_FAILURES_IN_A_ROW: u32 = 25;

/// What the names of the best weights so far begin with in a checkpoint.
const BEST: &str = "best.";

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainingEnd {
    /// All iterations are done.
    Finished,
    /// No improvement for as many validations as allowed.
    StoppedEarly,
    /// It was asked to stop; a checkpoint holds everything.
    Interrupted,
}

/// What a session of training led to.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSummary {
    /// Why it ended.
    pub end: TrainingEnd,
    /// Iterations done over all sessions.
    pub iterations: u64,
    /// Seconds of training over all sessions, validations excluded.
    pub seconds: f64,
    /// The best validation, in nats.
    pub best_nll: Option<f64>,
    /// Iterations that failed and were left out, over all sessions.
    pub failures: u64,
}

/// The part of a checkpoint that is not tensors.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Progress {
    seconds: f64,
    failures: u64,
    failures_in_a_row: u32,
    patience: Patience,
    ended_early: bool,
}

pub(super) struct Session<'t, 'a, M> {
    trainer: &'t mut Trainer<'a, M>,
    parameters: Vec<Parameter>,
    buffers: Vec<Parameter>,
    optimizer: Box<dyn Optimizer>,
    average: Option<WeightAverage>,
    /// The best weights and buffers so far, under [`BEST`].
    best: Vec<(String, Tensor)>,
    iteration: u64,
    saved_iteration: Option<u64>,
    progress: Progress,
}

/// What one successful iteration found.
struct Step {
    loss: f64,
    terms: Vec<(String, f64)>,
    gradient_norm: f64,
    gradients: Vec<Tensor>,
    forward_evaluations: f64,
    backward_evaluations: f64,
}

impl<'t, 'a, M: Model> Session<'t, 'a, M> {
    /// A new run, or the continuation of the one in the checkpoint store.
    pub(super) fn start(trainer: &'t mut Trainer<'a, M>) -> Result<Self> {
        trainer.options.schedule.check()?;
        let parameters = trainer.model.parameters();
        let buffers = trainer.model.buffers();
        let optimizer = trainer
            .options
            .optimizer
            .build(parameters.clone(), trainer.options.weight_decay)?;
        let average = trainer
            .options
            .average
            .map(|decay| WeightAverage::new(&parameters, decay))
            .transpose()?;
        let mut session = Self {
            parameters,
            buffers,
            optimizer,
            average,
            best: Vec::new(),
            iteration: 0,
            saved_iteration: None,
            progress: Progress {
                seconds: 0.0,
                failures: 0,
                failures_in_a_row: 0,
                patience: Patience::default(),
                ended_early: false,
            },
            trainer,
        };
        session.restore()?;
        Ok(session)
    }

    pub(super) fn run(mut self) -> Result<TrainingSummary> {
        let total = self.trainer.options.iterations;
        let start = self.iteration;
        self.tell(|observer| observer.started(start, total))?;
        let end = match self.iterate() {
            Ok(end) => end,
            Err(error) => {
                self.tell(|observer| observer.ended("training ended with an error; the last checkpoint is kept"))?;
                return Err(error);
            }
        };
        if end != TrainingEnd::Interrupted {
            self.restore_best()?;
        }
        let summary = TrainingSummary {
            end,
            iterations: self.iteration,
            seconds: self.progress.seconds,
            best_nll: self.progress.patience.best(),
            failures: self.progress.failures,
        };
        let message = match end {
            TrainingEnd::Finished => format!(
                "training finished: {} iterations in {:.0} s",
                summary.iterations, summary.seconds
            ),
            TrainingEnd::StoppedEarly => format!("training stopped early after {} iterations", summary.iterations),
            TrainingEnd::Interrupted => {
                format!(
                    "interrupted after {} iterations; everything is saved, resume with --resume",
                    summary.iterations
                )
            }
        };
        self.tell(|observer| observer.ended(&message))?;
        Ok(summary)
    }

    fn iterate(&mut self) -> Result<TrainingEnd> {
        let options = self.trainer.options.clone();
        loop {
            if self.progress.ended_early {
                return Ok(TrainingEnd::StoppedEarly);
            }
            if self.iteration >= options.iterations {
                return Ok(TrainingEnd::Finished);
            }
            if self.trainer.stop.load(Ordering::Relaxed) {
                self.save()?;
                return Ok(TrainingEnd::Interrupted);
            }
            self.advance()?;
            let last = self.iteration == options.iterations;
            if self.iteration.is_multiple_of(options.validate_every.max(1)) || last {
                self.validate()?;
            }
            if self.iteration.is_multiple_of(options.checkpoint_every.max(1)) || last || self.progress.ended_early {
                self.save()?;
            }
        }
    }

    /// One iteration: a step of the optimiser, or a reported failure that leaves everything as it was.
    fn advance(&mut self) -> Result<()> {
        let options = self.trainer.options.clone();
        let clock = Instant::now();
        let stretch = self.progress.patience.longest_without_improvement();
        let rate = options.schedule.rate(self.iteration, options.iterations, stretch);
        let buffers = copies(&self.buffers)?;
        let outcome = self.step().and_then(|step| {
            let clipped = match options.clip_norm {
                Some(max_norm) => clip_global_norm(&step.gradients, max_norm, step.gradient_norm)?,
                None => step.gradients.clone(),
            };
            self.optimizer.step(&clipped, rate)?;
            if let Some(average) = &mut self.average {
                average.update()?;
            }
            Ok(step)
        });
        self.iteration += 1;
        self.progress.seconds += clock.elapsed().as_secs_f64();
        match outcome {
            Ok(step) => {
                self.progress.failures_in_a_row = 0;
                let report = IterationReport {
                    iteration: self.iteration,
                    loss: step.loss,
                    terms: step.terms,
                    forward_evaluations: step.forward_evaluations,
                    backward_evaluations: step.backward_evaluations,
                    end_times: self.trainer.model.end_times(),
                    gradient_norm: step.gradient_norm,
                    learning_rate: rate,
                    seconds: self.progress.seconds,
                };
                self.tell(|observer| observer.iteration(&report))
            }
            Err(error) => {
                for (buffer, value) in self.buffers.iter().zip(&buffers) {
                    buffer.var.set(value)?;
                }
                self.fail(options.on_failure, &error)
            }
        }
    }

    /// Loss and gradients of the next batch; changes nothing but running statistics.
    fn step(&self) -> Result<Step> {
        let trainer = &self.trainer;
        let batch = trainer.source.batch(self.iteration, &trainer.streams)?;
        let mut rng = trainer.streams.rng(Purpose::Probe, self.iteration, 0);
        let mut pass = Pass::training(&mut rng);
        let loss = trainer.objective.loss(trainer.model, &batch, &mut pass)?;
        let value = scalar(&loss.total)?;
        if !value.is_finite() {
            return Err(TrainError::NonFiniteLoss { loss: value });
        }
        let store = loss.total.backward()?;
        let gradients = self
            .parameters
            .iter()
            .map(|parameter| match store.get(&parameter.var) {
                Some(gradient) => Ok(gradient.detach()),
                None => Ok(parameter.var.zeros_like()?),
            })
            .collect::<Result<Vec<_>>>()?;
        let cost = pass.cost().snapshot();
        Ok(Step {
            loss: value,
            terms: loss.terms,
            gradient_norm: global_norm(&gradients)?,
            gradients,
            forward_evaluations: cost.forward_evaluations,
            backward_evaluations: cost.backward_evaluations,
        })
    }

    fn fail(&mut self, policy: FailurePolicy, error: &TrainError) -> Result<()> {
        self.progress.failures += 1;
        self.progress.failures_in_a_row += 1;
        let report = FailureReport {
            iteration: self.iteration,
            cause: error.to_string(),
        };
        self.tell(|observer| observer.failure(&report))?;
        if policy == FailurePolicy::Stop {
            return Err(TrainError::StepFailed {
                iteration: self.iteration,
                cause: report.cause,
            });
        }
        if self.progress.failures_in_a_row >= MAX_FAILURES_IN_A_ROW {
            return Err(TrainError::TooManyFailures {
                count: MAX_FAILURES_IN_A_ROW,
                last: report.cause,
            });
        }
        Ok(())
    }

    /// Evaluates held-out data with the averaged weights, if there are any, and keeps the best.
    fn validate(&mut self) -> Result<()> {
        let present = copies(&self.parameters)?;
        if let Some(average) = &self.average {
            assign(&self.parameters, average.values())?;
        }
        let outcome = (self.trainer.validate)(self.trainer.model);
        if let Ok(validation) = &outcome
            && self.progress.patience.record(validation.nll)
        {
            self.best = self
                .parameters
                .iter()
                .chain(&self.buffers)
                .map(|parameter| {
                    Ok((
                        format!("{BEST}{}", parameter.name),
                        parameter.var.as_detached_tensor().copy()?,
                    ))
                })
                .collect::<Result<_>>()?;
        }
        assign(&self.parameters, &present)?;
        match outcome {
            Ok(validation) => {
                let patience = &self.progress.patience;
                let report = ValidationReport {
                    iteration: self.iteration,
                    nll: validation.nll,
                    standard_error: validation.standard_error,
                    best: patience.best() == Some(validation.nll),
                    seconds: self.progress.seconds,
                };
                self.progress.ended_early = self
                    .trainer
                    .options
                    .patience
                    .is_some_and(|allowed| patience.exhausted(allowed));
                self.tell(|observer| observer.validation(&report))
            }
            Err(error) => {
                let policy = self.trainer.options.on_failure;
                self.fail(
                    policy,
                    &TrainError::ValidationFailed {
                        cause: error.to_string(),
                    },
                )
            }
        }
    }

    fn tell(&mut self, mut what: impl FnMut(&mut dyn Observer) -> Result<()>) -> Result<()> {
        self.trainer
            .observers
            .iter_mut()
            .try_for_each(|observer| what(observer.as_mut()))
    }

    fn save(&mut self) -> Result<()> {
        if self.saved_iteration == Some(self.iteration) {
            return Ok(());
        }
        let mut tensors: Vec<(String, Tensor)> = self
            .parameters
            .iter()
            .chain(&self.buffers)
            .map(|parameter| (parameter.name.clone(), parameter.var.as_detached_tensor()))
            .collect();
        tensors.extend(self.optimizer.state()?);
        if let Some(average) = &self.average {
            tensors.extend(average.state()?);
        }
        tensors.extend(self.best.iter().cloned());
        self.trainer
            .store
            .save(self.iteration, &serde_json::to_value(&self.progress)?, &tensors)?;
        self.saved_iteration = Some(self.iteration);
        Ok(())
    }

    fn restore(&mut self) -> Result<()> {
        let Some(stored) = self.trainer.store.load()? else {
            return Ok(());
        };
        self.progress = serde_json::from_value(stored.metadata)?;
        self.iteration = stored.iteration;
        self.saved_iteration = Some(stored.iteration);
        let mut model = BTreeMap::new();
        let mut state = BTreeMap::new();
        for (name, tensor) in stored.tensors {
            if name.starts_with(BEST) {
                self.best.push((name, tensor));
            } else if name.starts_with("optimizer.") || name.starts_with("average.") {
                state.insert(name, tensor);
            } else {
                model.insert(name, tensor);
            }
        }
        let all: Vec<Parameter> = self.parameters.iter().chain(&self.buffers).cloned().collect();
        load_parameters(&all, &model)?;
        self.optimizer.load_state(&state)?;
        if let Some(average) = &mut self.average {
            average.load_state(&state)?;
        }
        Ok(())
    }

    /// Puts the best weights into the model; without any validation, the average or the last stay.
    fn restore_best(&self) -> Result<()> {
        if self.best.is_empty() {
            if let Some(average) = &self.average {
                assign(&self.parameters, average.values())?;
            }
            return Ok(());
        }
        let best: BTreeMap<String, Tensor> = self
            .best
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(BEST)?.to_string(), tensor.clone())))
            .collect();
        let all: Vec<Parameter> = self.parameters.iter().chain(&self.buffers).cloned().collect();
        Ok(load_parameters(&all, &best)?)
    }
}

fn copies(parameters: &[Parameter]) -> Result<Vec<Tensor>> {
    parameters
        .iter()
        .map(|parameter| Ok(parameter.var.as_detached_tensor().copy()?))
        .collect()
}

fn assign(parameters: &[Parameter], values: &[Tensor]) -> Result<()> {
    parameters
        .iter()
        .zip(values)
        .try_for_each(|(parameter, value)| Ok(parameter.var.set(value)?))
}
