//! Several runs that differ in their seed alone, as one result.

use crate::error::Result;
use crate::terminal::say;
use ffjord_files::write_atomic;
use ffjord_run::{Likelihood, Provenance, mean_and_standard_error};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What one seed came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SeedRun {
    /// The seed.
    pub seed: u64,
    /// The run folder.
    pub folder: PathBuf,
    /// What the likelihood is called: of a variational autoencoder it is a bound.
    pub measure: &'static str,
    /// The likelihood of the test rows.
    pub test: Likelihood,
    /// Seconds of training.
    pub seconds: f64,
}

/// Says the mean over seeds with its standard error, and writes both with what they are made of to `file`.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn summarise(preset: &str, settings: &[String], runs: &[SeedRun], file: &Path) -> Result<()> {
    let nll: Vec<f64> = runs.iter().map(|run| run.test.nll).collect();
    let (mean, standard_error) = mean_and_standard_error(&nll);
    let each: Vec<_> = runs
        .iter()
        .map(|run| {
            json!({
                "seed": run.seed,
                "folder": run.folder,
                "likelihood": run.test,
                "training_seconds": run.seconds,
            })
        })
        .collect();
    let measure = runs.first().map_or("test NLL", |run| run.measure);
    let report = json!({
        "preset": preset,
        "measure": measure,
        "settings": settings,
        "provenance": Provenance::now(),
        "nll": { "mean": mean, "standard_error_over_seeds": standard_error },
        "runs": each,
    });
    let text = format!("{}\n", serde_json::to_string_pretty(&report)?);
    write_atomic(file, text.as_bytes())?;
    let error = standard_error.map(|error| format!(" ± {error:.4}"));
    say!(
        "{measure} over {} seeds: {mean:.4}{} nats; {}",
        runs.len(),
        error.unwrap_or_default(),
        file.display()
    );
    Ok(())
}
