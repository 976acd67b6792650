#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod average;
mod checkpoint;
mod error;
mod metrics;
mod model;
mod objective;
mod observer;
mod optim;
mod patience;
mod schedule;
mod slices;
mod source;
mod state;
mod streams;
mod trainer;

pub use average::WeightAverage;
pub use checkpoint::{CheckpointStore, StoredCheckpoint, load_tensors, save_tensors};
pub use error::{Result, TrainError};
pub use metrics::{MetricsWriter, read_metrics};
pub use model::Model;
pub use objective::{FlowMatching, Loss, MaximumLikelihood, NoiseCoupling, Objective};
pub use observer::{FailureReport, IterationReport, JsonLines, Observer, Progress, ValidationReport};
pub use optim::{Adam, AdamConfig, Adamax, AdamaxConfig, Optimizer, OptimizerKind, clip_global_norm, global_norm};
pub use patience::Patience;
pub use schedule::ScheduleConfig;
pub use source::{BatchSource, FreshSamples, ShuffledRows, to_tensor};
pub use streams::{Purpose, Streams};
pub use trainer::{FailurePolicy, Trainer, TrainerOptions, TrainingEnd, TrainingSummary, Validation};
