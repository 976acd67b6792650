#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod average;
mod batch;
mod checkpoint;
mod error;
mod metrics;
mod model;
mod objective;
mod observer;
mod optim;
mod patience;
mod processes;
mod schedule;
mod slices;
mod source;
mod state;
mod streams;
mod trainer;
mod validation;

pub use average::WeightAverage;
pub use batch::{Batch, IntoBatch, to_tensor};
pub use checkpoint::{CheckpointStore, StoredCheckpoint, load_tensors, save_tensors};
pub use error::TrainError;
pub use metrics::{MetricsWriter, read_metrics};
pub use model::Model;
pub use objective::{FlowMatching, Loss, MaximumLikelihood, NoiseCoupling, Objective};
pub use observer::{
    FailureReport, IterationReport, JsonLines, Observer, ProcessReport, Progress, TensorBoard, ValidationReport,
};
pub use optim::{Adam, AdamConfig, Adamax, AdamaxConfig, Optimizer, OptimizerKind, clip_global_norm, global_norm};
pub use patience::Patience;
pub use processes::{Alone, Communicator, TcpCommunicator, agree};
/// The crate of random numbers whose generators appear in the API.
pub use rand;
pub use schedule::ScheduleConfig;
pub use source::{BatchSource, FreshSamples, ShuffledRows};
pub use streams::{Purpose, Streams};
pub use trainer::{FailurePolicy, Resume, Trainer, TrainerOptions, TrainingEnd, TrainingSummary};
pub use validation::{HeldOut, Validation, Validator};

/// What is handed between threads by those who train several models at once.
const _: () = {
    const fn sent_and_shared<T: Send + Sync>() {}
    sent_and_shared::<(Batch, FreshSamples<fn()>, ShuffledRows, HeldOut, Streams)>();
    sent_and_shared::<(TrainerOptions, CheckpointStore, TrainingSummary, TrainError, Loss)>();
};
