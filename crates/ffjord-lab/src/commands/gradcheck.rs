//! `gradcheck`: every adjoint against finite differences.

use crate::error::Result;
use crate::terminal::say;
use crate::workspace::default_cache;
use clap::Args;
use ffjord_files::write_atomic;
use ffjord_run::config::Precision;
use ffjord_run::{Provenance, RunData, RunFolder};
use ffjord_study::gradcheck::{check, table};
use ffjord_train::Streams;
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `gradcheck`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The run folder
    run: PathBuf,
    /// Rows of the batch, the first that training sees
    #[arg(long, value_name = "N", default_value = "64")]
    rows: NonZeroUsize,
    /// Writes everything that was measured, with commit and machine
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the command; fails if an adjoint that claims the gradient of its steps has another one.
///
/// # Errors
/// When the folder holds no run, a solve fails, or the file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = RunFolder::existing(&arguments.run)?;
    let mut config = folder.located_config()?;
    config.training.batch = arguments.rows.get();
    config.model.precision = Precision::F64;
    // Its gradient is checked whether or not it was trained.
    config.model.learn_end_time = true;
    let streams = Streams::new(config.seed);
    let batch = RunData::load(&config, &streams, &default_cache())?
        .source
        .batch(0, &streams)?;
    let check = check(&folder, &config, &batch)?;
    say!("{}", check.description);
    say!("{}", table(&check));
    if let Some(path) = &arguments.json {
        let report = json!({ "provenance": Provenance::now(), "gradcheck": check });
        write_atomic(path, format!("{}\n", serde_json::to_string_pretty(&report)?).as_bytes())?;
        say!("{}", path.display());
    }
    Ok(if check.adjoints.iter().all(|adjoint| adjoint.passes) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
