//! `ffjord-lab`: runs experiments from presets and writes their results.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ffjord_lab::run(&ffjord_train::Alone)
}
