//! What a finished run is worth: its evaluation, `result.json` and the lines on the terminal.

use super::tighter::Tighter;
use crate::error::Result;
use crate::terminal::say;
use ffjord_run::config::{ModelKind, RunConfig};
use ffjord_run::{Likelihood, Model, Provenance, RunData, RunFolder, log_likelihoods_together, summarise};
use ffjord_study::bench::peak_mb;
use ffjord_train::{Communicator, Purpose, Streams, TrainingEnd, TrainingSummary, read_metrics};
use indicatif::ProgressBar;
use serde_json::{Value, json};

/// The likelihoods of the test rows, and their summary.
///
/// # Errors
/// When a solve fails.
pub(super) fn evaluate(
    config: &RunConfig,
    data: &RunData,
    model: &Model,
    streams: &Streams,
    communicator: &dyn Communicator,
) -> Result<(Vec<f64>, Likelihood)> {
    let bar = bar(data.test.rows(), communicator);
    bar.set_message("test rows");
    let progress = |done: usize| bar.set_position(done as u64);
    let (values, nfe) = log_likelihoods_together(
        model,
        &data.test,
        config.evaluation.batch,
        (streams, Purpose::Test),
        communicator,
        progress,
    )?;
    bar.finish_and_clear();
    let summary = summarise(&values, nfe);
    Ok((values, summary))
}

/// A bar for so many rows, on the first process.
pub(super) fn bar(rows: usize, communicator: &dyn Communicator) -> ProgressBar {
    match communicator.rank() {
        0 => ProgressBar::new(rows as u64),
        _ => ProgressBar::hidden(),
    }
}

/// A finished run.
pub(super) struct Outcome<'a> {
    /// The preset.
    pub preset: &'a str,
    /// What `--set` changed of it.
    pub settings: &'a [String],
    /// Its configuration.
    pub config: &'a RunConfig,
    /// Its data.
    pub data: &'a RunData,
    /// Its folder.
    pub folder: &'a RunFolder,
    /// The processes that the last session ran in.
    pub processes: usize,
    /// What training came to.
    pub summary: TrainingSummary,
    /// The likelihood of the test rows.
    pub test: Likelihood,
    /// That of the first of them at a tighter tolerance.
    pub tighter: Option<Tighter>,
    /// The negative log-likelihood of the test rows under the maps that the flow starts with, by themselves, in nats.
    pub start_nll: Option<f64>,
    /// The integral of a two-dimensional density.
    pub density: Option<f64>,
}

impl Outcome<'_> {
    /// The contents of `result.json`.
    ///
    /// # Errors
    /// When the metrics cannot be read.
    pub fn json(&self) -> Result<Value> {
        let Self {
            config, data, summary, ..
        } = self;
        let metrics = read_metrics(self.folder.metrics())?;
        // Seconds are those of training: neither validation nor watching test rows counts.
        let curve = |nll: &str| -> Vec<Value> {
            let validations = metrics.iter().filter(|line| line["kind"] == "validation");
            validations
                .filter(|line| line[nll].is_number())
                .map(|line| json!({ "iteration": line["iteration"], "seconds": line["seconds"], "nll": line[nll] }))
                .collect()
        };
        Ok(json!({
            "preset": self.preset,
            "settings": self.settings,
            "from": config.from,
            "seed": config.seed,
            "provenance": Provenance::now(),
            "split": data.split,
            "given": data.given.as_ref().map(|given| &given.names),
            "training": {
                "iterations": summary.iterations,
                "seconds": summary.seconds,
                "processes": self.processes,
                "ended": match summary.end {
                    TrainingEnd::StoppedEarly => "early, without improvement",
                    TrainingEnd::Interrupted => "interrupted",
                    _ => "after all iterations",
                },
                "failed_iterations": summary.failures,
                "peak_memory_mb": peak_mb(),
            },
            "test": match config.model.kind {
                ModelKind::Cnf => {
                    json!({
                        "likelihood": self.test,
                        "trace": config.solver.test.trace.to_string(),
                        "solver": config.solver.test,
                        "tighter": self.tighter,
                    })
                }
                // Discrete flows have nothing to solve.
                _ => json!({ "likelihood": self.test }),
            },
            "table": data.file.as_ref().map(|file| json!({
                "read": file.reading,
                "warnings": file.warnings,
                "dequantised_columns": self.dequantised(),
                "unbounded_columns": file.unbounded,
                // On a lattice without noise, for example, it is not.
                "likelihood_is_a_density": file.unbounded.is_empty(),
            })),
            "bits_per_dimension": data.image.map(|image| {
                json!({
                    "mean": image.bits_per_dimension(self.test.nll),
                    "standard_error": image.bits_of(self.test.standard_error),
                    "tighter_difference": self
                        .tighter
                        .as_ref()
                        .and_then(|tighter| tighter.difference)
                        .map(|difference| image.bits_of(difference)),
                })
            }),
            "gaussian_nll": data.gaussian_nll,
            "start_nll": self.start_nll,
            "density_integral": self.density,
            "validation_curve": curve("nll"),
            "test_curve": curve("test_nll"),
            "test_curve_rows": config.evaluation.curve_rows.min(data.test.rows()),
        }))
    }

    /// The names of the columns that noise was added to, with the steps of their lattices.
    fn dequantised(&self) -> Vec<Value> {
        let file = self.data.file.iter();
        let lattices = file.flat_map(|file| &file.dequantized).enumerate();
        let name = |column: usize| match &self.data.names {
            Some(names) => names[column].clone(),
            None => column.to_string(),
        };
        lattices
            .filter_map(|(column, lattice)| Some(json!({ "name": name(column), "step": lattice.as_ref()?.step })))
            .collect()
    }

    /// Says what came out.
    pub fn report(&self) {
        let test = &self.test;
        say!(
            "test NLL {:.4} ± {:.4} nats{} ({} rows, {:.0} evaluations)",
            test.nll,
            test.standard_error,
            if self.data.file.is_some() {
                " of standardised rows"
            } else {
                ""
            },
            test.rows,
            test.nfe
        );
        if let Some(why) = self.data.summary().no_density() {
            say!("{why}");
        }
        if let Some(image) = self.data.image {
            say!(
                "that is {:.4} ± {:.4} bits per dimension of these images",
                image.bits_per_dimension(test.nll),
                image.bits_of(test.standard_error)
            );
        }
        if let Some(Tighter {
            rows,
            difference: Some(difference),
            nfe: Some(nfe),
            ..
        }) = &self.tighter
        {
            say!(
                "at a hundredth of the tolerance the first {rows} rows differ by {difference:.1e} nats ({nfe:.0} \
                 evaluations)"
            );
        }
        if let Some(gaussian) = self.data.gaussian_nll {
            let given = self.data.given.as_ref().map_or("", |_| ", given the same columns");
            say!("full-covariance Gaussian on the same rows{given}: {gaussian:.4} nats");
        }
        if let Some(start) = self.start_nll {
            match self.data.image {
                Some(image) => say!(
                    "the maps that the flow starts with, by themselves: {:.4} bits per dimension",
                    image.bits_per_dimension(start)
                ),
                None => say!("the maps that the flow starts with, by themselves: {start:.4} nats"),
            }
        }
        if let Some(mass) = self.density {
            say!("∫p dx on the picture's grid: {mass:.5}");
        }
        say!("pictures: {}", self.folder.plots().display());
    }
}
