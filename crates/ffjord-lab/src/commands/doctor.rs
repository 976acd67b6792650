//! `doctor`: what of CUDA is there, and what to install.

use crate::error::Result;
use crate::terminal::say;
use clap::Args;
use ffjord_cuda::Diagnosis;
use std::process::ExitCode;

/// The exit code where solves on a card are not possible.
const NOT_POSSIBLE: u8 = 3;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 when flows can be solved on a card, 3 when something is missing for it.")]
pub struct Arguments {}

/// Runs the command.
///
/// # Errors
/// Never; others of its kind have some.
pub fn run(_: &Arguments) -> Result<ExitCode> {
    let diagnosis = Diagnosis::make();
    say!("{diagnosis}");
    Ok(match diagnosis.is_well() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(NOT_POSSIBLE),
    })
}
