//! Watching the trainer: seconds of every iteration and of its forward solve.

use super::Repetitions;
use super::subject::Record;
use crate::memory::Watch;
use ffjord_flow::{Chain, Flow, Pass};
use ffjord_train::{
    Batch, BatchSource, IterationReport, Loss, MaximumLikelihood, Objective, Observer, Streams, TrainError,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The same batch in every iteration.
pub(super) struct FixedBatch(pub(super) Batch);

impl BatchSource for FixedBatch {
    fn batch(&self, _iteration: u64, _streams: &Streams) -> Result<Batch, TrainError> {
        Ok(self.0.clone())
    }
}

/// Maximum likelihood, with the seconds that every forward solve takes.
#[derive(Default)]
pub(super) struct TimedLikelihood {
    objective: MaximumLikelihood,
    /// Of every call: one for each part of a batch.
    seconds: Mutex<Vec<f64>>,
}

impl TimedLikelihood {
    /// Seconds of every iteration, given how many there were.
    pub(super) fn seconds(&self, iterations: usize) -> Vec<f64> {
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = seconds.len() / iterations.max(1);
        seconds
            .chunks_exact(parts.max(1))
            .map(|parts| parts.iter().sum())
            .collect()
    }
}

impl Objective<Flow<Chain>> for TimedLikelihood {
    fn loss(&self, model: &Flow<Chain>, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss, TrainError> {
        let clock = Instant::now();
        let loss = self.objective.loss(model, batch, pass)?;
        let seconds = clock.elapsed().as_secs_f64();
        self.seconds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(seconds);
        Ok(loss)
    }
}

/// Keeps a record of every iteration, and ends training when enough seconds have passed.
pub(super) struct Stopwatch {
    records: Arc<Mutex<Vec<Record>>>,
    stop: Arc<AtomicBool>,
    repetitions: Repetitions,
    allocations: Watch,
}

impl Stopwatch {
    pub(super) fn new(records: Arc<Mutex<Vec<Record>>>, stop: Arc<AtomicBool>, repetitions: Repetitions) -> Self {
        Self {
            records,
            stop,
            repetitions,
            allocations: Watch::begin(),
        }
    }
}

impl Observer for Stopwatch {
    fn iteration(&mut self, report: &IterationReport) -> Result<(), TrainError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push(Record {
            report: report.clone(),
            allocated: self.allocations.peak(),
        });
        if records.len() >= self.repetitions.warm_up + self.repetitions.least
            && report.seconds > self.repetitions.seconds
        {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.allocations = Watch::begin();
        Ok(())
    }
}
