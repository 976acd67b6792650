//! One iteration: a step of the optimiser, or a failure that leaves everything as it was.

use super::session::Session;
use super::snapshot::{assign, copies};
use crate::batch::Batch;
use crate::error::{Result, TrainError};
use crate::model::Model;
use crate::objective::scalar;
use crate::observer::IterationReport;
use crate::optim::{clip_global_norm, global_norm};
use crate::streams::Purpose;
use candle_core::Tensor;
use ffjord_flow::Pass;
use ffjord_nn::{Parameter, bound_spectral_norms};
use rand::RngCore;
use std::time::Instant;

/// What loss and gradient of a batch were, and what they took.
struct Descent {
    loss: f64,
    terms: Vec<(String, f64)>,
    gradient_norm: f64,
    /// After clipping.
    gradients: Vec<Tensor>,
    forward_evaluations: f64,
    backward_evaluations: f64,
}

impl<M: Model> Session<'_, '_, M> {
    /// Moves on by one iteration.
    ///
    /// Only what is known to have changed nothing, or can be undone, counts as a failed iteration; any other error ends
    /// the run, whose last checkpoint is whole.
    pub(super) fn advance(&mut self) -> Result<()> {
        let clock = Instant::now();
        let options = &self.trainer.options;
        let stretch = self.state.patience.longest_without_improvement();
        let rate = options.schedule.rate(self.iteration, options.iterations, stretch);
        // The forward pass may move running statistics and set activation normalisation before the iteration fails.
        let before = copies(&self.all[self.first_changed..])?;
        let outcome = match self.descent() {
            Ok(descent) => match self.optimizer.step(&descent.gradients, rate) {
                Ok(()) => {
                    if let Some(bound) = self.trainer.options.spectral_norm {
                        bound_spectral_norms(&self.parameters, bound)?;
                    }
                    if let Some(average) = &mut self.average {
                        average.update()?;
                    }
                    Ok(descent)
                }
                Err(error @ TrainError::NonFiniteGradient { .. }) => Err(error),
                Err(error) => return Err(error),
            },
            // No other batch would help.
            Err(error @ TrainError::NoGradient) => {
                assign(&self.all[self.first_changed..], &before)?;
                return Err(error);
            }
            Err(error) => Err(error),
        };
        self.iteration += 1;
        self.state.seconds += clock.elapsed().as_secs_f64();
        match outcome {
            Ok(descent) => {
                self.state.failures_in_a_row = 0;
                let report = IterationReport {
                    iteration: self.iteration,
                    loss: descent.loss,
                    terms: descent.terms,
                    forward_evaluations: descent.forward_evaluations,
                    backward_evaluations: descent.backward_evaluations,
                    end_times: self.trainer.model.end_times(),
                    gradient_norm: descent.gradient_norm,
                    learning_rate: rate,
                    seconds: self.state.seconds,
                };
                self.tell(|observer| observer.iteration(&report))
            }
            Err(error) => {
                assign(&self.all[self.first_changed..], &before)?;
                self.leave_out(&error)
            }
        }
    }

    /// What the schedule multiplies the tolerances of the next batch with.
    fn tolerance_factor(&self) -> f64 {
        let options = &self.trainer.options;
        let stretch = self.state.patience.longest_without_improvement();
        let schedule = options.tolerance.as_ref();
        schedule.map_or(1.0, |schedule| {
            schedule.rate(self.iteration, options.iterations, stretch)
        })
    }

    /// Loss and gradient of the next batch. Of the model it changes what a forward pass does: running statistics, and
    /// at first the parameters of activation normalisation.
    fn descent(&self) -> Result<Descent> {
        let trainer = &self.trainer;
        let batch = trainer.source.batch(self.iteration, &trainer.streams)?;
        let rows = batch.rows()?;
        let at_a_time = trainer.options.accumulate_rows.map_or(rows, usize::from);
        let mut rng = trainer.streams.rng(Purpose::Probe, self.iteration, 0);
        let mut sum: Option<Descent> = None;
        for part in batch.parts(at_a_time)? {
            let share = part.rows()? as f64 / rows as f64;
            let part = self.part_of_descent(&part, share, &mut rng)?;
            sum = Some(match sum {
                None => part,
                Some(sum) => sum.plus(part)?,
            });
        }
        let mut descent = sum.ok_or(TrainError::EmptyBatch)?;
        descent.gradient_norm = global_norm(&descent.gradients)?;
        if let Some(max_norm) = trainer.options.clip_norm {
            descent.gradients = clip_global_norm(&descent.gradients, max_norm, descent.gradient_norm)?;
        }
        Ok(descent)
    }

    /// What rows that are this share of a batch contribute; the norm of the gradient is left at 0.
    fn part_of_descent(&self, rows: &Batch, share: f64, rng: &mut dyn RngCore) -> Result<Descent> {
        let trainer = &self.trainer;
        let mut pass = Pass::training(rng)
            .tolerance(self.tolerance_factor())
            .at_iteration(self.iteration);
        rows.give(&mut pass);
        let loss = trainer.objective.loss(trainer.model, rows, &mut pass)?;
        let value = scalar(&loss.total)?;
        if !value.is_finite() {
            return Err(TrainError::NonFiniteLoss { loss: value });
        }
        let store = (loss.total * share)?.backward()?;
        let reached = |parameter: &Parameter| store.get(&parameter.var).is_some();
        if !self.parameters.is_empty() && !self.parameters.iter().any(reached) {
            return Err(TrainError::NoGradient);
        }
        let gradients = self
            .parameters
            .iter()
            .map(|parameter| match store.get(&parameter.var) {
                Some(gradient) => Ok(gradient.detach()),
                None => Ok(parameter.var.zeros_like()?),
            })
            .collect::<Result<Vec<_>>>()?;
        let cost = pass.cost().snapshot();
        Ok(Descent {
            loss: share * value,
            terms: loss
                .terms
                .into_iter()
                .map(|(name, term)| (name, share * term))
                .collect(),
            gradient_norm: 0.0,
            gradients,
            forward_evaluations: share * cost.forward_evaluations,
            backward_evaluations: share * cost.backward_evaluations,
        })
    }
}

impl Descent {
    /// The sum of two parts of a batch; every part has the same terms in the same order.
    fn plus(mut self, part: Self) -> Result<Self> {
        self.loss += part.loss;
        for ((_, sum), (_, term)) in self.terms.iter_mut().zip(part.terms) {
            *sum += term;
        }
        for (sum, gradient) in self.gradients.iter_mut().zip(&part.gradients) {
            *sum = (&*sum + gradient)?;
        }
        self.forward_evaluations += part.forward_evaluations;
        self.backward_evaluations += part.backward_evaluations;
        Ok(self)
    }
}
