//! The training loop: resuming, failures, early stopping and reproducibility, on flows that train in milliseconds.

mod accumulation;
mod conditions;
mod failures;
mod harness;
mod images;
mod options;
mod processes;
mod resuming;
mod stopping;
