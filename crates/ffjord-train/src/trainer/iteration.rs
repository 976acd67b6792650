//! One iteration: a step of the optimiser, or a failure that leaves everything as it was.

use super::descent::Descent;
use super::exchange::Exchange;
use super::session::Session;
use super::snapshot::{assign, copies};
use crate::batch::Batch;
use crate::error::{Result, TrainError};
use crate::model::Model;
use crate::objective::scalar;
use crate::observer::IterationReport;
use crate::optim::{clip_global_norm, global_norm};
use crate::processes::{Deal, Node};
use crate::streams::Purpose;
use candle_core::Tensor;
use ffjord_flow::Pass;
use ffjord_nn::{Parameter, bound_spectral_norms};
use rand::RngCore;
use std::sync::atomic::Ordering;
use std::time::Instant;

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
            Err(error) if error.ends_run() => {
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
                self.settled = true;
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
                    processes: std::mem::take(&mut self.processes),
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

    /// Loss and gradient of the next batch, from all processes. Of the model it changes what a forward pass does: running
    /// statistics, and at first the parameters of activation normalisation.
    fn descent(&mut self) -> Result<Descent> {
        let (communicator, deal) = (self.trainer.communicator, self.trainer.deal());
        let clock = Instant::now();
        let own = self.own_sums(deal);
        let seconds = clock.elapsed().as_secs_f64();
        let stop = self.trainer.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
        let mut exchange = Exchange::new(communicator, deal, &self.parameters, stop);
        let descent = exchange.sum(own, seconds)?;
        self.stop_agreed = exchange.stop;
        self.processes = exchange.processes;
        let mut descent = descent?;
        descent.gradient_norm = global_norm(&descent.gradients)?;
        if let Some(max_norm) = self.trainer.options.clip_norm {
            descent.gradients = clip_global_norm(&descent.gradients, max_norm, descent.gradient_norm)?;
        }
        Ok(descent)
    }

    /// The sums over the nodes of the tree that this process has alone, in order.
    fn own_sums(&self, deal: Deal) -> Vec<(Node, Result<Descent>)> {
        let rank = self.trainer.communicator.rank();
        let batch = self.trainer.source.batch(self.iteration, &self.trainer.streams);
        let batch = batch.and_then(|batch| {
            if !self.settled && deal.of(rank).start > 0 {
                self.set_as_the_first_shard_does(&batch.shard(0, deal.shards)?)?;
            }
            Ok(batch)
        });
        let nodes = deal.nodes(rank).into_iter();
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                let (cause, ends) = (error.to_string(), error.ends_run());
                let again = || TrainError::Agreed {
                    cause: cause.clone(),
                    ends,
                };
                let mut errors = std::iter::once(error).chain(std::iter::repeat_with(again));
                return nodes.filter_map(|node| Some((node, Err(errors.next()?)))).collect();
            }
        };
        let mut leaf = |shard: usize| self.shard_of_descent(&batch, shard, deal.shards);
        nodes.map(|node| (node, node.sum(&mut leaf, &Descent::plus))).collect()
    }

    /// Passes the first shard forward where another process has it: parameters that a first batch sets are then what they
    /// are there.
    fn set_as_the_first_shard_does(&self, shard: &Batch) -> Result<()> {
        let mut rng = self.trainer.streams.rng(Purpose::Probe, self.iteration, 0);
        let first = shard.parts(self.rows_at_a_time(shard)?)?;
        let first = first.first().ok_or(TrainError::EmptyBatch)?;
        let mut pass = self.pass(first, &mut rng);
        self.trainer.objective.loss(self.trainer.model, first, &mut pass)?;
        Ok(())
    }

    fn rows_at_a_time(&self, rows: &Batch) -> Result<usize> {
        match self.trainer.options.accumulate_rows {
            Some(at_a_time) => Ok(at_a_time.get()),
            None => rows.rows(),
        }
    }

    /// What one of so many shards of a batch contributes.
    fn shard_of_descent(&self, batch: &Batch, shard: usize, shards: usize) -> Result<Descent> {
        let rows = batch.rows()?;
        let mut rng = self.trainer.streams.rng(Purpose::Probe, self.iteration, shard as u64);
        let shard = batch.shard(shard, shards)?;
        let parts = shard.parts(self.rows_at_a_time(&shard)?)?;
        let trainer = &self.trainer;
        let drawn = trainer
            .objective
            .draw(trainer.model, &shard, &mut self.pass(&shard, &mut rng))?;
        let mut first = 0;
        let mut sum: Option<Descent> = None;
        for part in &parts {
            let own = part.rows()?;
            let drawn: candle_core::Result<Vec<_>> = drawn.iter().map(|drawn| drawn.narrow(0, first, own)).collect();
            first += own;
            let share = own as f64 / rows as f64;
            let part = self.part_of_descent(part, &drawn?, share, &mut rng)?;
            sum = Some(match sum {
                None => part,
                Some(sum) => sum.plus(part)?,
            });
        }
        sum.ok_or(TrainError::EmptyBatch)
    }

    fn pass<'r>(&self, rows: &Batch, rng: &'r mut dyn RngCore) -> Pass<'r> {
        let mut pass = Pass::training(rng)
            .tolerance(self.tolerance_factor())
            .at_iteration(self.iteration);
        rows.give(&mut pass);
        pass
    }

    /// What rows that are this share of a batch contribute; the norm of the gradient is left at 0.
    fn part_of_descent(&self, rows: &Batch, drawn: &[Tensor], share: f64, rng: &mut dyn RngCore) -> Result<Descent> {
        let trainer = &self.trainer;
        let mut pass = self.pass(rows, rng);
        let loss = trainer.objective.loss_of_part(trainer.model, rows, drawn, &mut pass)?;
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
            share,
            forward_evaluations: share * cost.forward_evaluations,
            backward_evaluations: share * cost.backward_evaluations,
        })
    }
}
