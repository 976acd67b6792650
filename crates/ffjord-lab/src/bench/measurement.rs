//! One workload with one solver: everything that is measured of it.

use super::memory;
use super::stopwatch::{FixedBatch, Stopwatch, TimedLikelihood};
use super::{Method, Workload};
use crate::error::{LabError, Result};
use candle_core::Tensor;
use ffjord_flow::{Chain, Density, Flow, Pass};
use ffjord_train::{
    CheckpointStore, FailurePolicy, IterationReport, OptimizerKind, Purpose, ScheduleConfig, Streams, Trainer,
    TrainerOptions, Validation,
};
use serde::Serialize;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// So small that the weights, and with them the number of evaluations, stay what they are.
const LEARNING_RATE: f64 = 1e-7;

/// Iterations before the first that counts.
const WARM_UP: usize = 2;

/// How often things are timed.
#[derive(Debug, Clone, Copy)]
pub struct Repetitions {
    /// At least so often,
    pub least: usize,
    /// and at most so often,
    pub most: usize,
    /// until so many seconds have passed.
    pub seconds: f64,
}

/// What was measured; seconds are medians.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// The workload.
    pub workload: String,
    /// The solver.
    pub solver: &'static str,
    /// Rows of a block.
    pub block_rows: usize,
    /// Iterations that were timed.
    pub repetitions: usize,
    /// Seconds of a training iteration: forward solve, gradient, Adam.
    pub iteration_seconds: f64,
    /// Seconds of the fastest one, which tells most where other programs run beside.
    pub fastest_iteration_seconds: f64,
    /// Seconds of its forward solve.
    pub forward_seconds: f64,
    /// Evaluations of the forward solves, the blocks of a chain added up.
    pub forward_evaluations: f64,
    /// Evaluations of the gradient, each with its reverse.
    pub backward_evaluations: f64,
    /// Seconds of one evaluation of value and trace for the whole batch.
    pub evaluation_seconds: f64,
    /// Seconds of one evaluation with its reverse, Adam's share included.
    pub reverse_evaluation_seconds: f64,
    /// Useful operations a second, in 10⁹: 2 passes through the matrices for an evaluation forward and 4 for a reverse;
    /// what is computed again counts as time only.
    pub gflops: f64,
    /// That, as a fraction of the product ceiling of the same run.
    pub ceiling_fraction: f64,
    /// Peak resident memory of training in MB (10⁶ bytes); none where the system does not tell.
    pub peak_memory_mb: Option<f64>,
    /// Seconds of the batch's log-likelihood, with the exact trace but for images.
    pub likelihood_seconds: f64,
    /// Samples drawn at a time.
    pub samples: usize,
    /// Seconds of drawing them.
    pub sampling_seconds: f64,
}

impl Measurement {
    /// Measures a workload with a solver; `ceiling` is in 10⁹ operations a second.
    ///
    /// # Errors
    /// When a model cannot be built or a solve fails.
    pub fn take(
        workload: &Workload,
        method: Method,
        block_rows: usize,
        repetitions: Repetitions,
        ceiling: f64,
    ) -> Result<Self> {
        let streams = Streams::new(0);
        let model = workload.model(method, block_rows, &streams)?;
        let batch = workload.data(&streams)?;
        memory::reset_peak();
        let training = train(&model, &batch, repetitions)?;
        let peak_memory_mb = memory::peak_mb();
        let last = training.last();
        let (forward_evaluations, backward_evaluations) = (last.forward_evaluations, last.backward_evaluations);
        let flops = workload.pass_flops() * (2.0 * forward_evaluations + 4.0 * backward_evaluations);
        let gflops = flops / training.iteration_seconds * 1e-9;
        let likelihood_seconds = time(repetitions, |index| {
            let mut rng = streams.rng(Purpose::Test, index, 0);
            Ok(model.log_prob(&batch, &mut Pass::evaluation(&mut rng))?)
        })?;
        let sampling_seconds = time(repetitions, |index| {
            let mut rng = streams.rng(Purpose::Sample, index, 0);
            Ok(model.sample(workload.samples(), &mut Pass::sampling(&mut rng))?)
        })?;
        Ok(Self {
            workload: workload.name.clone(),
            solver: method.name(),
            block_rows,
            repetitions: training.reports.len() - WARM_UP,
            iteration_seconds: training.iteration_seconds,
            fastest_iteration_seconds: training.fastest_iteration_seconds,
            forward_seconds: training.forward_seconds,
            forward_evaluations,
            backward_evaluations,
            evaluation_seconds: training.forward_seconds / forward_evaluations,
            reverse_evaluation_seconds: (training.iteration_seconds - training.forward_seconds) / backward_evaluations,
            gflops,
            ceiling_fraction: gflops / ceiling,
            peak_memory_mb,
            likelihood_seconds,
            samples: workload.samples(),
            sampling_seconds,
        })
    }
}

/// Median seconds of a training iteration on the rayon pool this is called in.
///
/// # Errors
/// When a model cannot be built or a solve fails.
pub fn training_seconds(
    workload: &Workload,
    method: Method,
    block_rows: usize,
    repetitions: Repetitions,
) -> Result<f64> {
    let streams = Streams::new(0);
    let model = workload.model(method, block_rows, &streams)?;
    Ok(train(&model, &workload.data(&streams)?, repetitions)?.iteration_seconds)
}

struct Training {
    /// Of all iterations, those before the first that counts included; more than [`WARM_UP`].
    reports: Vec<IterationReport>,
    iteration_seconds: f64,
    fastest_iteration_seconds: f64,
    forward_seconds: f64,
}

impl Training {
    fn last(&self) -> &IterationReport {
        &self.reports[self.reports.len() - 1]
    }
}

/// Trains as an experiment does, on one batch.
fn train(model: &Flow<Chain>, batch: &Tensor, repetitions: Repetitions) -> Result<Training> {
    let folder = tempfile::tempdir().map_err(LabError::io("create", &std::env::temp_dir()))?;
    let store = CheckpointStore::new(folder.path());
    let objective = TimedLikelihood::default();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let stopwatch = Stopwatch {
        reports: reports.clone(),
        stop: stop.clone(),
        budget: repetitions.seconds,
        least: WARM_UP + repetitions.least,
    };
    let never_validate = |_: &_| {
        Ok(Validation {
            nll: 0.0,
            standard_error: 0.0,
            test_nll: None,
        })
    };
    let mut trainer = Trainer {
        model,
        objective: &objective,
        source: &FixedBatch(batch.clone()),
        validate: &never_validate,
        streams: Streams::new(0),
        options: TrainerOptions {
            iterations: (WARM_UP + repetitions.most) as u64,
            optimizer: OptimizerKind::Adam,
            weight_decay: 0.0,
            schedule: ScheduleConfig::Constant { rate: LEARNING_RATE },
            tolerance: None,
            spectral_norm: None,
            clip_norm: None,
            average: None,
            validate_every: u64::MAX,
            patience: None,
            checkpoint_every: u64::MAX,
            on_failure: FailurePolicy::Stop,
        },
        store: &store,
        observers: vec![Box::new(stopwatch)],
        stop: &stop,
    };
    trainer.run()?;
    let reports = reports.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let ends: Vec<f64> = reports.iter().map(|report| report.seconds).collect();
    let iterations: Vec<f64> = ends.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let timed = &iterations[WARM_UP - 1..];
    Ok(Training {
        iteration_seconds: median(timed),
        fastest_iteration_seconds: timed.iter().copied().fold(f64::INFINITY, f64::min),
        forward_seconds: median(&objective.seconds()[WARM_UP..]),
        reports,
    })
}

/// Median seconds of `work`, which gets the number of the repetition.
fn time<T>(repetitions: Repetitions, mut work: impl FnMut(u64) -> Result<T>) -> Result<f64> {
    let mut seconds = Vec::new();
    let start = Instant::now();
    // Training has warmed everything up; long solves are timed once.
    while seconds.is_empty()
        || (seconds.len() < repetitions.most && start.elapsed().as_secs_f64() < repetitions.seconds)
    {
        let clock = Instant::now();
        work(seconds.len() as u64)?;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    Ok(median(&seconds))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[middle],
        _ => 0.5 * (sorted[middle - 1] + sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_measurement_counts_evaluations_and_operations() -> Result<()> {
        let repetitions = Repetitions {
            least: 1,
            most: 1,
            seconds: 0.0,
        };
        let workloads = crate::bench::all();
        let measured = Measurement::take(&workloads[0], Method::Rk4, 64, repetitions, 1.0)?;
        assert_eq!(
            (measured.forward_evaluations, measured.backward_evaluations),
            (80.0, 80.0)
        );
        // 2 · 100 rows · (2·64 + 64·64 + 64·64 + 64·2) weights, 2 passes forward and 4 back.
        let flops = 2.0 * 100.0 * 8448.0 * 480.0;
        assert!((measured.gflops * measured.iteration_seconds / (flops * 1e-9) - 1.0).abs() < 1e-9);
        assert_eq!(measured.repetitions, 1);
        Ok(())
    }
}
