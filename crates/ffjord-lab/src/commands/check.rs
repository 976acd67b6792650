//! `check`: whether a model fits rows that it was not trained on.

use super::reading::ReadArguments;
use super::rows::RowsOfFiles;
use crate::error::Result;
use crate::terminal::say;
use crate::workspace::default_cache;
use clap::Args;
use ffjord_files::write_atomic;
use ffjord_run::{Provenance, Rows, RunData, RunFolder, Trained};
use ffjord_study::fit::{Fit, FitOptions, measure, picture, sentences};
use ffjord_train::Streams;
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(
    after_help = "A model that fits has noise that is normal, regions of high density that hold their share of the rows, and \
                  samples that cannot be told from rows. A p-value says how often a right model would look as wrong as this: \
                  below 0.01 something is missing, and with many rows small faults are found. Rows are those for testing, \
                  which training did not see."
)]
pub struct Arguments {
    /// A run folder, or with --data also a .safetensors file in one or a checkpoint of the original (.pth)
    model: PathBuf,
    /// Rows in a file, in the units of the training data's (default: the run's rows for testing)
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// What the rows of a conditional run are given, row by row
    #[arg(long, value_name = "FILE", requires = "data")]
    given: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
    /// Rows that take part, at most
    #[arg(long, value_name = "N", default_value = "5000")]
    rows: NonZeroUsize,
    /// The seed of samples and random labels
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The folder for check.json and check.png (default: the run folder, or the current one)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the model or the rows cannot be loaded, a solve fails, or a file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let trained = Trained::open(&arguments.model)?;
    let rows = rows(arguments, &trained)?;
    let options = FitOptions {
        rows: arguments.rows.get(),
        ..FitOptions::default()
    };
    let fit = measure(trained.model(), &rows, options, &Streams::new(arguments.seed))?;
    sentences(&fit).iter().for_each(|line| say!("{line}"));
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None if arguments.model.is_dir() => arguments.model.clone(),
        None => PathBuf::from("."),
    };
    write(arguments, options, &fit, &out)?;
    Ok(ExitCode::SUCCESS)
}

/// Rows as the model sees them.
fn rows(arguments: &Arguments, trained: &Trained) -> Result<Rows<f64>> {
    let Some(data) = &arguments.data else {
        let folder = RunFolder::existing(&arguments.model)?;
        let config = folder.located_config()?;
        return Ok(RunData::load(&config, &Streams::new(config.seed), &default_cache())?.test);
    };
    let files = RowsOfFiles::load(trained, data, &arguments.read, arguments.given.as_deref())?;
    files.said.iter().for_each(|line| say!("{line}"));
    Ok(trained.dequantised(trained.standardised(&files.rows)?)?)
}

fn write(arguments: &Arguments, options: FitOptions, fit: &Fit, out: &Path) -> Result<()> {
    std::fs::create_dir_all(out).map_err(crate::error::LabError::io("create", out))?;
    let report = json!({
        "provenance": Provenance::now(),
        "model": arguments.model,
        "data": arguments.data,
        "seed": arguments.seed,
        "options": options,
        "fit": fit,
    });
    let report = format!("{}\n", serde_json::to_string_pretty(&report)?);
    write_atomic(out.join("check.json"), report.as_bytes())?;
    picture(fit)?.save(out.join("check.png"))?;
    say!("{}", out.join("check.png").display());
    Ok(())
}
