//! `check`: whether a model fits rows that it was not trained on.

use super::reading::ReadArguments;
use super::rows::RowsOfFiles;
use crate::error::Result;
use crate::terminal::say;
use crate::workspace::default_cache;
use clap::Args;
use ffjord_files::write_atomic;
use ffjord_run::{Provenance, Rows, RunData, RunFolder, Trained};
use ffjord_study::fit::{Fit, FitOptions, measure, picture};
use ffjord_train::Streams;
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// P-values below this are told as evidence.
const SUSPICIOUS: f64 = 0.01;

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
    say(&fit);
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

fn say(fit: &Fit) {
    let verdict = |p_value: f64| match p_value < SUSPICIOUS {
        true => "more than chance",
        false => "no more than chance",
    };
    say!("{} rows that training did not see", fit.rows);
    let (lengths, columns): (Vec<_>, Vec<_>) = fit.transforms.iter().partition(|transform| transform.column.is_none());
    if let Some(worst) = columns.iter().max_by(|a, b| a.distance.total_cmp(&b.distance)) {
        // Of so many columns the farthest is far by chance.
        let p_value = (worst.p_value * columns.len() as f64).min(1.0);
        say!(
            "noise: of {} columns number {} is farthest from normal: shares differ by up to {:.4}, p = {p_value:.3}: {}",
            columns.len(),
            worst.column.unwrap_or_default(),
            worst.distance,
            verdict(p_value)
        );
    }
    for length in lengths {
        say!(
            "its square length is χ² but for {:.4}, p = {:.3}: {}",
            length.distance,
            length.p_value,
            verdict(length.p_value)
        );
    }
    for level in &fit.levels {
        say!(
            "the densest region with {:>4.0} % of the model's mass holds {:>6.2} % of the rows (± {:.2} by chance)",
            100.0 * level.expected,
            100.0 * level.observed,
            100.0 * level.standard_error
        );
    }
    let told = &fit.two_sample;
    say!(
        "samples against rows, {} each: energy distance {:.5}, p = {:.3}: {}",
        told.compared,
        told.energy,
        told.energy_p_value,
        verdict(told.energy_p_value)
    );
    say!(
        "five nearest neighbours tell {:.1} % of them apart, where 50 % is guessing, p = {:.3}: {}",
        100.0 * told.accuracy,
        told.accuracy_p_value,
        verdict(told.accuracy_p_value)
    );
    let worst = fit.worst.iter().map(|(row, density)| format!("{row} ({density:.2})"));
    say!(
        "rows of the lowest ln p, in nats as the model sees rows: {}",
        worst.collect::<Vec<_>>().join(", ")
    );
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
