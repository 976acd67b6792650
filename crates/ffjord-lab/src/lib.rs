#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod dashboard;
mod error;
mod pictures;
mod record;
mod references;
mod report;
mod reproduction;
mod terminal;
mod together;
mod workspace;

use clap::Parser;
use ffjord_train::Communicator;
use std::process::ExitCode;

/// Runs the command line that the process was started with, as one of the processes that `communicator` connects, and says
/// how it ended. `Alone` is the communicator of a process by itself; its command line may name others to meet.
pub fn run(communicator: &dyn Communicator) -> ExitCode {
    // Iterations on images and autoencoders make tensors of megabytes anew.
    ffjord_kernels::keep_freed_memory();
    match cli::Cli::parse().run(communicator) {
        Ok(code) => code,
        Err(error) => {
            terminal::tell!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
