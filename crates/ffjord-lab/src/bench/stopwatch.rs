//! Watching the trainer: seconds of every iteration and of its forward solve.

use candle_core::Tensor;
use ffjord_flow::{Chain, Flow, Pass};
use ffjord_train::{BatchSource, IterationReport, Loss, MaximumLikelihood, Objective, Observer, Result, Streams};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The same batch in every iteration.
pub(super) struct FixedBatch(pub(super) Tensor);

impl BatchSource for FixedBatch {
    fn batch(&self, _iteration: u64, _streams: &Streams) -> Result<Tensor> {
        Ok(self.0.clone())
    }
}

/// Maximum likelihood, with the seconds that every forward solve takes.
#[derive(Default)]
pub(super) struct TimedLikelihood {
    objective: MaximumLikelihood,
    seconds: Mutex<Vec<f64>>,
}

impl TimedLikelihood {
    pub(super) fn seconds(&self) -> Vec<f64> {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Objective<Flow<Chain>> for TimedLikelihood {
    fn loss(&self, model: &Flow<Chain>, batch: &Tensor, pass: &mut Pass<'_>) -> Result<Loss> {
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

/// Keeps the report of every iteration, and ends training when enough seconds have passed.
pub(super) struct Stopwatch {
    pub(super) reports: Arc<Mutex<Vec<IterationReport>>>,
    pub(super) stop: Arc<AtomicBool>,
    /// Seconds of training after which no further iteration starts.
    pub(super) budget: f64,
    /// Iterations that are done whatever they take.
    pub(super) least: usize,
}

impl Observer for Stopwatch {
    fn iteration(&mut self, report: &IterationReport) -> Result<()> {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.push(report.clone());
        if reports.len() >= self.least && report.seconds > self.budget {
            self.stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
