//! The command line.

use crate::commands;
use crate::error::Result;
use crate::together::require_alone;
use clap::{Parser, Subcommand};
use ffjord_train::Communicator;
use std::process::ExitCode;

/// Continuous normalizing flows: experiments, evaluation, samples and comparisons.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trains a preset and writes a run folder with weights, metrics, results and pictures
    Experiment(commands::experiment::Arguments),
    /// Draws a run's pictures again, or the likelihoods of several runs against seconds of training
    Plot(commands::plot::Arguments),
    /// Lists run folders: what they are of, how far they are, and what came out
    Runs(commands::runs::Arguments),
    /// Shows a run on the terminal while it goes on: its curves, speed, time left and messages
    Watch(commands::watch::Arguments),
    /// Makes one page of HTML of a run, of several side by side, or of the whole project
    Report(commands::report::Arguments),
    /// Runs a small version of everything within an hour, and makes the page of it
    Reproduce(commands::reproduce::Arguments),
    /// Prints BibTeX for exactly the methods and data that a run used
    Cite(commands::cite::Arguments),
    /// Evaluates the log-likelihood of a file's rows under a run or a checkpoint
    Eval(commands::eval::Arguments),
    /// Draws samples from a run or a checkpoint
    Sample(commands::sample::Arguments),
    /// Says whether a run's model fits rows that it was not trained on
    Check(commands::check::Arguments),
    /// Lists, fetches, imports and verifies the tabular benchmarks
    Data(commands::data::Arguments),
    /// Says what of CUDA is there, what does not fit together, and what to install
    Doctor(commands::doctor::Arguments),
    /// Asks a card everything at once: agreement with the processor, same bits, speed, other software beside it
    GpuCheck(commands::gpu_check::Arguments),
    /// Compares this implementation with a folder of reference vectors
    Parity(commands::parity::Arguments),
    /// Compares every adjoint with finite differences on a run's model: error, evaluations, seconds, memory
    Gradcheck(commands::gradcheck::Arguments),
    /// Measures the variance of every trace estimator against its cost on a trained model
    TraceVariance(commands::trace_variance::Arguments),
    /// Makes a figure of the paper from a trained model: its numbers, a table and a plot
    Figure(commands::figure::Arguments),
    /// Puts a table of the paper beside the results of our runs
    Table(commands::table::Arguments),
    /// Measures error against evaluations for every solver, on classical problems and on a trained flow
    WorkPrecision(commands::work_precision::Arguments),
    /// Times training, likelihoods and sampling beside the machine's product ceiling
    Bench(commands::bench::Arguments),
    /// Kills, damages and fills up what the program works on, and counts what comes of it
    Robustness(commands::robustness::Arguments),
    /// Measures what training in several processes costs, and draws it for many by a model
    Scale(commands::scale::Arguments),
    /// Times training beside the same training on PyTorch and JAX, in turn on this machine
    Compare(commands::compare::Arguments),
}

impl Cli {
    /// Runs the command, as one of the processes that `communicator` connects.
    ///
    /// # Errors
    /// The command's own.
    pub fn run(self, communicator: &dyn Communicator) -> Result<ExitCode> {
        let together = matches!(
            self.command,
            Command::Experiment(_) | Command::Eval(_) | Command::Sample(_)
        );
        if !together {
            require_alone(communicator)?;
        }
        match self.command {
            Command::Experiment(arguments) => commands::experiment::run(&arguments, communicator),
            Command::Plot(arguments) => commands::plot::run(&arguments),
            Command::Runs(arguments) => commands::runs::run(&arguments),
            Command::Watch(arguments) => commands::watch::run(&arguments),
            Command::Report(arguments) => commands::report::run(&arguments),
            Command::Reproduce(arguments) => commands::reproduce::run(&arguments),
            Command::Cite(arguments) => commands::cite::run(&arguments),
            Command::Eval(arguments) => commands::eval::run(&arguments, communicator),
            Command::Sample(arguments) => commands::sample::run(&arguments, communicator),
            Command::Check(arguments) => commands::check::run(&arguments),
            Command::Data(arguments) => commands::data::run(&arguments),
            Command::Doctor(arguments) => commands::doctor::run(&arguments),
            Command::GpuCheck(arguments) => commands::gpu_check::run(&arguments),
            Command::Parity(arguments) => commands::parity::run(&arguments),
            Command::Gradcheck(arguments) => commands::gradcheck::run(&arguments),
            Command::TraceVariance(arguments) => commands::trace_variance::run(&arguments),
            Command::Figure(arguments) => commands::figure::run(&arguments),
            Command::Table(arguments) => commands::table::run(&arguments),
            Command::WorkPrecision(arguments) => commands::work_precision::run(&arguments),
            Command::Bench(arguments) => commands::bench::run(&arguments),
            Command::Robustness(arguments) => commands::robustness::run(&arguments),
            Command::Scale(arguments) => commands::scale::run(&arguments),
            Command::Compare(arguments) => commands::compare::run(&arguments),
        }
    }
}
