//! `gpu-check`: everything that a card should be asked once, in minutes, in one file.

use crate::error::Result;
use crate::terminal::say;
use clap::Args;
use ffjord_cuda::DeviceName;
use ffjord_files::write_atomic;
use ffjord_run::Provenance;
use ffjord_study::gpu_check::{Plan, Section, sections};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The exit code where the card computes something else than the processor, or cannot be used.
const FAILED: u8 = 3;

/// Arguments of `gpu-check`.
#[derive(Debug, Args)]
#[command(
    after_help = "It needs no network and no Rust toolchain: the program may have been built elsewhere. Exit codes: 0 when \
                        all that was asked is true, 3 when something is not, or there is no card."
)]
pub struct Arguments {
    /// The card: cuda or cuda:N; cpu plays all of it on the processor
    #[arg(long, value_name = "DEVICE", default_value = "cuda")]
    device: DeviceName,
    /// A Python that may have torch, torchdiffeq, jax, diffrax, optax and numpy; what it has not is left out
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// No section begins after so many seconds
    #[arg(long, value_name = "S", default_value_t = 200)]
    seconds: u64,
    /// The file for everything that was found, with the card's name
    #[arg(long, value_name = "FILE", default_value = "gpu-check.json")]
    json: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When the file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let plan = Plan {
        device: arguments.device,
        python: &arguments.python,
        limit: Duration::from_secs(arguments.seconds),
    };
    let mut finished: Vec<Section> = Vec::new();
    for section in sections(plan) {
        let verdict = match section.passed {
            Some(true) => "passed",
            Some(false) => "FAILED",
            None => "-",
        };
        say!("{:<24} {verdict:<8} {:>7.1} s", section.name, section.seconds);
        finished.push(section);
        // A card may be taken back at any time: what has been found is kept.
        let report = json!({
            "provenance": Provenance::now(),
            "device": arguments.device,
            "sections": finished,
        });
        let text = format!("{}\n", serde_json::to_string_pretty(&report)?);
        write_atomic(&arguments.json, text.as_bytes())?;
    }
    say!("{}", arguments.json.display());
    let failed = finished.iter().any(|section| section.passed == Some(false));
    Ok(if failed {
        ExitCode::from(FAILED)
    } else {
        ExitCode::SUCCESS
    })
}
