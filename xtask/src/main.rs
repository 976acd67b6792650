//! `cargo xtask …`: starts the laboratory binary and cargo itself; never links candle, so that it builds in seconds.
#![forbid(unsafe_code)]

mod ci;
mod cli;
mod error;
mod invocation;
mod lab;
mod launch;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::parse_and_run(std::env::args_os()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // A standard error that cannot be written is no reason to panic: the exit code says it too.
            let _ = writeln!(std::io::stderr(), "xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
