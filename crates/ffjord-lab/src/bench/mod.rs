//! Timing whole workloads: training iterations, likelihoods and samples of flows as users run them.

mod ceiling;
mod measurement;
mod memory;
mod report;
mod stopwatch;
mod workload;

pub use ceiling::Ceiling;
pub use measurement::{Measurement, Repetitions, training_seconds};
pub use report::{print_header, print_row};
pub use workload::{Method, Workload, all};
