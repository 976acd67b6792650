//! `cite`: the works that a run used.

use crate::error::Result;
use crate::record::RunRecord;
use crate::references::references;
use crate::terminal::say;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `cite`.
#[derive(Debug, Args)]
#[command(
    after_help = "The works are chosen by the run's configuration: its model, objective, solver, adjoint, trace, \
                  penalties, optimiser and data. Each stands below a comment that says what it was used for. What is a \
                  textbook method has none; for data of one's own, add theirs."
)]
pub struct Arguments {
    /// The run folder
    run: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When the folder holds no run, or its configuration cannot be read.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let record = RunRecord::open(&arguments.run)?;
    for (index, reference) in references(&record.config)?.iter().enumerate() {
        if index > 0 {
            say!("");
        }
        say!("% {}\n{}", reference.used.join(", "), reference.bibtex);
    }
    Ok(ExitCode::SUCCESS)
}
