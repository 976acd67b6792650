//! `ffjord-lab`: runs experiments from presets and writes their results.
#![forbid(unsafe_code)]

mod bench;
mod benchmark_table;
mod cli;
mod commands;
mod compare;
mod config;
mod data;
mod density_integral;
mod error;
mod evaluation;
mod gradcheck;
mod initial_weights;
mod memory;
mod model;
mod original;
mod parity;
mod pictures;
mod provenance;
mod results;
mod run_folder;
mod sampling;
mod statistics;
mod terminal;
mod trace_variance;
mod work_precision;

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
