//! A workload ready to be trained: its flow, its batch, and how the batch is cut.

use super::stopwatch::{FixedBatch, Stopwatch, TimedLikelihood};
use super::{Method, Repetitions, Workload};
use crate::error::Result;
use candle_core::{DType, Device, Tensor};
use ffjord_cuda::DeviceName;
use ffjord_flow::{Chain, Flow, Pass};
use ffjord_nn::Parameter;
use ffjord_trace::{ProbeDistribution, Probes};
use ffjord_train::{
    Batch, FailurePolicy, IterationReport, MaximumLikelihood, Model, Objective, Purpose, Streams, Trainer,
    TrainerOptions,
};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

/// So small that the weights, and with them the number of evaluations, stay what they are.
const LEARNING_RATE: f64 = 1e-7;

/// How a batch is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Division {
    /// Rows that share a solve.
    pub block_rows: usize,
    /// Rows whose gradient is computed at a time.
    pub accumulate_rows: usize,
    /// Memory for evaluations that are kept for the gradient, in MB (10⁶ bytes).
    pub tape_mb: usize,
}

/// A flow with a batch to train it on.
#[derive(Debug)]
pub struct Subject {
    model: Flow<Chain>,
    batch: Batch,
    streams: Streams,
    accumulate_rows: usize,
}

/// The first training step on the whole batch.
#[derive(Debug, Clone, Copy)]
pub struct FirstStep {
    /// The loss in nats.
    pub loss: f64,
    /// The norm of its gradient.
    pub gradient_norm: f64,
}

impl Subject {
    /// The workload's flow and batch.
    ///
    /// # Errors
    /// When a network or a tensor cannot be made.
    pub fn new(workload: &Workload, method: Method, division: Division, device: DeviceName) -> Result<Self> {
        let streams = Streams::new(0);
        Ok(Self {
            model: workload.model(method, division, device, &streams)?,
            batch: Batch {
                x: workload.data(&streams)?,
                given: workload.conditions(&streams)?,
            },
            streams,
            accumulate_rows: division.accumulate_rows,
        })
    }

    pub(super) fn model(&self) -> &Flow<Chain> {
        &self.model
    }

    pub(super) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// The batch `[B, …]`.
    pub fn batch(&self) -> &Tensor {
        &self.batch.x
    }

    /// What its rows are given, `[B, G]`.
    pub(super) fn given(&self) -> Option<&Tensor> {
        self.batch.given.as_ref()
    }

    /// Every weight with its name.
    pub fn weights(&self) -> Vec<Parameter> {
        Model::parameters(&self.model)
    }

    /// The probes of the first step on the whole batch, `[B, …]` of every flow one after the other.
    ///
    /// # Errors
    /// When memory cannot hold them.
    pub fn first_probes(&self, workload: &Workload) -> Result<Tensor> {
        let mut rng = self.streams.rng(Purpose::Probe, 0, 0);
        let mut probes = Vec::new();
        for shape in workload.flow_shapes() {
            let row: usize = shape.iter().product();
            let drawn = Probes::<f64>::draw(ProbeDistribution::Rademacher, 1, workload.batch, row, &mut rng)?;
            probes.extend_from_slice(drawn.vectors());
        }
        let count = probes.len();
        Ok(Tensor::from_vec(probes, count, &Device::Cpu)?.to_dtype(DType::F32)?)
    }

    /// Loss and gradient of the whole batch with [`first_probes`](Self::first_probes).
    ///
    /// # Errors
    /// When a solve fails.
    pub fn first_step(&self) -> Result<FirstStep> {
        first_step(&self.model, &MaximumLikelihood::default(), &self.batch, &self.streams)
    }

    /// Trains so many iterations at a learning rate that moves the weights.
    ///
    /// # Errors
    /// When a solve fails.
    pub fn learn(&self, iterations: u64, learning_rate: f64) -> Result<()> {
        let objective = MaximumLikelihood::default();
        let source = FixedBatch(self.batch.clone());
        let options = TrainerOptions {
            on_failure: FailurePolicy::Stop,
            ..TrainerOptions::new(iterations, learning_rate)
        };
        Trainer::new(&self.model, &objective, &source, options)?
            .streams(self.streams)
            .run()?;
        Ok(())
    }

    /// Trains as an experiment does, on the rayon pool this is called in, with weights that stay almost as they are.
    ///
    /// # Errors
    /// When a solve fails.
    pub fn train(&self, repetitions: Repetitions) -> Result<Training> {
        let objective = TimedLikelihood::default();
        let rows = NonZeroUsize::new(self.accumulate_rows);
        let records = timed(&self.model, &objective, &self.batch, self.streams, rows, repetitions)?;
        let forward_seconds = objective.seconds(records.len()).split_off(repetitions.warm_up);
        Ok(Training::of(records, repetitions.warm_up, forward_seconds))
    }
}

/// Loss and gradient of the first step on a batch.
///
/// # Errors
/// When a solve fails.
pub(crate) fn first_step<M: Model>(
    model: &M,
    objective: &dyn Objective<M>,
    batch: &Batch,
    streams: &Streams,
) -> Result<FirstStep> {
    let mut rng = streams.rng(Purpose::Probe, 0, 0);
    let loss = objective.loss(model, batch, &mut Pass::training(&mut rng))?;
    let gradients = loss.total.backward()?;
    let mut squares = 0.0;
    for parameter in model.parameters() {
        if let Some(gradient) = gradients.get(&parameter.var) {
            squares += gradient.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
        }
    }
    Ok(FirstStep {
        loss: loss.total.to_dtype(DType::F64)?.to_scalar()?,
        gradient_norm: squares.sqrt(),
    })
}

/// Trains as an experiment does, with weights that stay almost as they are, and keeps a record of every iteration, those of
/// the warm-up included.
///
/// # Errors
/// When a solve fails.
pub(crate) fn timed<M: Model>(
    model: &M,
    objective: &dyn Objective<M>,
    batch: &Batch,
    streams: Streams,
    accumulate_rows: Option<NonZeroUsize>,
    repetitions: Repetitions,
) -> Result<Vec<Record>> {
    let records = Arc::new(Mutex::new(Vec::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let stopwatch = Stopwatch::new(records.clone(), stop.clone(), repetitions);
    let source = FixedBatch(batch.clone());
    let options = TrainerOptions {
        accumulate_rows,
        on_failure: FailurePolicy::Stop,
        ..TrainerOptions::new((repetitions.warm_up + repetitions.most) as u64, LEARNING_RATE)
    };
    Trainer::new(model, objective, &source, options)?
        .streams(streams)
        .observe(stopwatch)
        .stop_on(&stop)
        .run()?;
    let records = records.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(records)
}

/// What is kept of an iteration.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(super) report: IterationReport,
    /// The most bytes held at a time beyond those of its beginning.
    pub(super) allocated: usize,
}

/// What training took.
#[derive(Debug)]
pub struct Training {
    /// Of all iterations, those before the first that counts included; at least one.
    records: Vec<Record>,
    seconds: Vec<f64>,
    forward_seconds: Vec<f64>,
}

impl Training {
    /// What these records say, without the first ones.
    pub(crate) fn of(records: Vec<Record>, warm_up: usize, forward_seconds: Vec<f64>) -> Self {
        let ends: Vec<f64> = records.iter().map(|record| record.report.seconds).collect();
        let starts = std::iter::once(0.0).chain(ends.iter().copied());
        let seconds = ends.iter().zip(starts).map(|(end, start)| end - start);
        Self {
            seconds: seconds.skip(warm_up).collect(),
            forward_seconds,
            records,
        }
    }

    /// Of every iteration that counts.
    pub fn seconds(&self) -> &[f64] {
        &self.seconds
    }

    /// Of the forward solves of every iteration that counts, where they were timed.
    pub(super) fn forward_seconds(&self) -> &[f64] {
        &self.forward_seconds
    }

    /// Evaluations of the last iteration, forward and in the gradient.
    pub fn evaluations(&self) -> (f64, f64) {
        self.records.last().map_or((0.0, 0.0), |Record { report, .. }| {
            (report.forward_evaluations, report.backward_evaluations)
        })
    }

    /// Bytes that the last iteration allocated beyond those of its beginning.
    pub(super) fn allocated_bytes(&self) -> usize {
        self.records.last().map_or(0, |record| record.allocated)
    }
}
