//! `ffjord-lab`: runs experiments from presets and writes their results.
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
mod workspace;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
