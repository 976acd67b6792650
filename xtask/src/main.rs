//! `cargo xtask …`: starts the laboratory binary and cargo itself; never links candle, so that it builds in seconds.
#![forbid(unsafe_code)]

mod ci;
mod cli;
mod error;
mod invocation;
mod lab;
mod launch;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::parse_and_run(std::env::args_os()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
