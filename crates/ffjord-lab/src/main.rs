//! Runs experiments from presets and writes their results.
#![forbid(unsafe_code)]

fn main() {}
