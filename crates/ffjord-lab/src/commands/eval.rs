//! `eval`: the log-likelihood of a file's rows.

use super::eval_vae;
use super::reading::ReadArguments;
use super::rows::RowsOfFiles;
use super::units::suspicions;
use crate::error::{LabError, Result};
use crate::terminal::{say, tell};
use crate::together::{Together, require_alone};
use clap::Args;
use ffjord_data::Matrix;
use ffjord_data::table::{self, LoadOptions};
use ffjord_files::refuse_same_file;
use ffjord_run::{DeviceName, Opening, RunFolder, Trained, scores_together, summarise};
use ffjord_train::{Communicator, Purpose, Streams};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The exit code where rows have no likelihood.
const INCOMPLETE: u8 = 3;

/// So many rows that were left out are named; the others are counted.
const NAMED: usize = 20;

/// Arguments of `eval`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 when every row was evaluated; 3 when rows were left out, which hold NaN, infinity or \
                        text, or are given such values, or which the model has no finite likelihood for: they are named, \
                        and their log-likelihood in the file is NaN or infinite; 1 when nothing was written."
)]
pub struct Arguments {
    /// A run folder, a .safetensors file in one, or a checkpoint of the original implementation (.pth)
    model: PathBuf,
    /// The rows: `.npy`, `.npz` or text, in the units of the training data's file, with its columns in any order if both
    /// have names; of a conditional run, with the condition's columns among them, unless --given holds these; of a run of
    /// images, a folder of PNG or JPEG pictures, an idx file, or a `.npy` array of bytes or of numbers from 0 to 1;
    /// of a variational autoencoder, images with a number from 0 to 1 a pixel (default: its test images)
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// What the rows of a conditional run are given, row by row, in the same units
    #[arg(long, value_name = "FILE")]
    given: Option<PathBuf>,
    /// The rows are standardised as the model's training data were, and so are densities, as published ones are; without
    /// it both are in the units of the training data's file
    #[arg(long)]
    standardized: bool,
    /// Solves rows in blocks that share their steps, as the run's own evaluation does: in up to half the time, but a row's
    /// density then depends on its neighbours, within the tolerance
    #[arg(long)]
    shared_steps: bool,
    /// Where the flow is solved: cpu, cuda or cuda:N with the number of a card
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: DeviceName,
    #[command(flatten)]
    read: ReadArguments,
    /// The file for one log-likelihood a row (default: NAME-log_likelihood.csv in the current folder)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Rows evaluated at a time
    #[arg(long, default_value = "2000")]
    batch: NonZeroUsize,
    #[command(flatten)]
    together: Together,
}

/// Runs the command, as one of the processes that `communicator` connects, or of those that the arguments name: the first of
/// them writes the file and says what is in it.
///
/// # Errors
/// When the model or the rows cannot be loaded, a solve fails, or the file cannot be written.
pub fn run(arguments: &Arguments, communicator: &dyn Communicator) -> Result<ExitCode> {
    arguments
        .together
        .run(communicator, |communicator| evaluate(arguments, communicator))
}

fn evaluate(arguments: &Arguments, communicator: &dyn Communicator) -> Result<ExitCode> {
    let first = communicator.rank() == 0;
    if let Some(folder) = RunFolder::of_vae(&arguments.model)? {
        require_alone(communicator)?;
        return eval_vae::run(&folder, arguments.data.as_deref(), arguments.out.as_deref());
    }
    let data = arguments.data.as_ref().ok_or_else(|| LabError::WithoutRows {
        path: arguments.model.clone(),
    })?;
    let out = arguments.out.clone().unwrap_or_else(|| default_output(data));
    let inputs = [&arguments.model, data].into_iter().chain(&arguments.given);
    refuse_same_file(&out, inputs)?;
    let opening = Opening {
        per_row: !arguments.shared_steps,
        device: arguments.device,
    };
    let trained = Trained::open_with(&arguments.model, opening)?;
    let files = RowsOfFiles::load(&trained, data, &arguments.read, arguments.given.as_deref())?;
    if first {
        files.said.iter().for_each(|line| say!("{line}"));
        for suspicion in suspicions(&trained, &files.rows, arguments.standardized) {
            tell!("{suspicion}");
        }
    }
    let (rows, log_scale) = match arguments.standardized {
        true => (files.rows.clone(), 0.0),
        false => (trained.standardised(&files.rows)?, trained.log_scale()),
    };
    let rows = trained.dequantised(rows)?;
    let randomness = (&Streams::new(0), Purpose::Test);
    let batch = arguments.batch.get();
    let scores = scores_together(trained.model(), &rows, batch, randomness, communicator);
    let mut scores = scores.map_err(LabError::in_rows_of(data))?;
    let left_out = files.left_out(&scores, &rows, trained.model().dtype());
    let code = match left_out.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(INCOMPLETE),
    };
    if !first {
        return Ok(code);
    }
    scores.values.iter_mut().for_each(|value| *value -= log_scale);
    let values = &scores.values;
    table::save_csv(
        &out,
        &Matrix::new(values.len(), 1, values.clone())?,
        Some(&["log_likelihood".to_string()]),
    )?;
    let evaluated: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if evaluated.is_empty() {
        say!("no row could be evaluated; one value a row: {}", out.display());
    } else {
        let likelihood = summarise(&evaluated, scores.nfe);
        let units = match (trained.standardizer(), arguments.standardized) {
            (None, _) => String::new(),
            (Some(_), true) => " of standardised rows".to_string(),
            (Some(_), false) => format!(
                " in the data's units, {:.6} of standardised rows",
                log_scale - likelihood.nll
            ),
        };
        // A single row has no error of its mean.
        let error = match likelihood.standard_error.is_finite() {
            true => format!(" ± {:.6}", likelihood.standard_error),
            false => String::new(),
        };
        say!(
            "log-likelihood {:.6}{error} nats{units} ({} row{}, {:.0} evaluations); one a row: {}",
            -likelihood.nll,
            likelihood.rows,
            if likelihood.rows == 1 { "" } else { "s" },
            likelihood.nfe,
            out.display()
        );
        if let Some(why) = trained.no_density() {
            say!("{why}");
        }
        if let Some(format) = trained.image() {
            let error = format.bits_of(likelihood.standard_error);
            say!(
                "{:.6}{} bits per dimension of levels",
                format.bits_per_dimension(likelihood.nll),
                if error.is_finite() {
                    format!(" ± {error:.6}")
                } else {
                    String::new()
                }
            );
        }
        if !trained.dequantized().is_empty() {
            say!("of rows with uniform noise of the lattice's step: on average at most ln(P/step)");
        }
    }
    if let Some(error) = reference_error(data, values) {
        say!("largest difference from the file's own `logp`: {error:.3e} nats");
    }
    for reason in left_out.iter().take(NAMED) {
        tell!("left out: {reason}");
    }
    if left_out.len() > NAMED {
        let more = left_out.len() - NAMED;
        tell!("left out: {more} more row{}", if more == 1 { "" } else { "s" });
    }
    Ok(code)
}

pub(super) fn default_output(data: &Path) -> PathBuf {
    let stem = data
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    PathBuf::from(format!("{stem}-log_likelihood.csv"))
}

/// The largest difference from an array `logp` in the same archive, if there is one.
fn reference_error(path: &Path, values: &[f64]) -> Option<f64> {
    let is_archive = path.extension()?.eq_ignore_ascii_case("npz");
    let options = LoadOptions {
        array: Some("logp".to_string()),
        ..LoadOptions::default()
    };
    let reference = is_archive.then(|| table::load(path, &options).ok()).flatten()?.values;
    let pairs = reference.as_slice().iter().zip(values);
    (reference.as_slice().len() == values.len()).then(|| pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max))
}
