//! `eval`: the log-likelihood of a file's rows.

use super::rows::RowsOfFiles;
use crate::error::{LabError, Result};
use crate::terminal::say;
use clap::Args;
use ffjord_data::table::{self, LoadOptions};
use ffjord_data::{Matrix, Standardizer};
use ffjord_files::refuse_same_file;
use ffjord_run::{RunError, Trained, scores, summarise};
use ffjord_train::{Purpose, Streams};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The exit code where rows were left out because they hold NaN or infinity.
const INCOMPLETE: u8 = 3;

/// So many rows that were left out are named; the others are counted.
const NAMED: usize = 5;

/// Arguments of `eval`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 when every row was evaluated; 3 when rows that hold NaN or infinity, or are given \
                        such numbers, were left out: they are named, and their log-likelihood in the file is NaN; 1 when \
                        nothing was written."
)]
pub struct Arguments {
    /// A run folder, a .safetensors file in one, or a checkpoint of the original implementation (.pth)
    model: PathBuf,
    /// The rows: `.npy`, `.npz` or CSV, standardised as the model's training data were unless --raw is given; of a
    /// conditional run, with the condition's columns among them, by name, unless --given holds these
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// What the rows of a conditional run are given, row by row, in the same units
    #[arg(long, value_name = "FILE")]
    given: Option<PathBuf>,
    /// The array of a `.npz` file (default: `x` if there is one, else the only one)
    #[arg(long, value_name = "NAME")]
    array: Option<String>,
    /// The rows are in the units of the training data's file: standardise them first (the densities stay those of
    /// standardised rows)
    #[arg(long)]
    raw: bool,
    /// The file for one log-likelihood a row (default: NAME-log_likelihood.csv in the current folder)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Rows evaluated at a time
    #[arg(long, default_value = "2000")]
    batch: NonZeroUsize,
}

/// Runs the command.
///
/// # Errors
/// When the model or the rows cannot be loaded, a solve fails, or the file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let out = arguments.out.clone().unwrap_or_else(|| default_output(&arguments.data));
    let inputs = [&arguments.model, &arguments.data].into_iter().chain(&arguments.given);
    refuse_same_file(&out, inputs)?;
    let trained = Trained::open(&arguments.model)?;
    let (array, given) = (arguments.array.as_deref(), arguments.given.as_deref());
    let files = RowsOfFiles::load(&trained, &arguments.data, array, given)?;
    let rows = if arguments.raw {
        standardizer(&trained, &arguments.model)?;
        trained.standardised(&files.rows)?
    } else {
        files.rows.clone()
    };
    let (values, nfe) = scores(
        trained.model(),
        &rows,
        arguments.batch.get(),
        (&Streams::new(0), Purpose::Test),
    )
    .map_err(LabError::in_rows_of(&arguments.data))?;
    table::save_csv(
        &out,
        &Matrix::new(values.len(), 1, values.clone())?,
        Some(&["log_likelihood".to_string()]),
    )?;
    let evaluated: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    if evaluated.is_empty() {
        say!("no row could be evaluated; one NaN a row: {}", out.display());
    } else {
        let likelihood = summarise(&evaluated, nfe);
        say!(
            "log-likelihood {:.6} ± {:.6} nats ({} rows, {:.0} evaluations); one a row: {}",
            -likelihood.nll,
            likelihood.standard_error,
            likelihood.rows,
            likelihood.nfe,
            out.display()
        );
    }
    if let Some(error) = reference_error(&arguments.data, &values) {
        say!("largest difference from the file's own `logp`: {error:.3e} nats");
    }
    let left_out: Vec<usize> = (0..values.len()).filter(|&row| values[row].is_nan()).collect();
    for &row in left_out.iter().take(NAMED) {
        eprintln!("left out: {}", files.blame(row, &rows, trained.model().dtype()));
    }
    if left_out.len() > NAMED {
        eprintln!("left out: {} more rows", left_out.len() - NAMED);
    }
    Ok(match left_out.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(INCOMPLETE),
    })
}

/// The map between the training data's units and the model's.
///
/// # Errors
/// When the model has none.
pub(super) fn standardizer<'a>(trained: &'a Trained, model: &Path) -> Result<&'a Standardizer> {
    Ok(trained.standardizer().ok_or_else(|| RunError::RunFolder {
        path: model.to_path_buf(),
        reason: "this model's data were not standardised: leave --raw out".to_string(),
    })?)
}

fn default_output(data: &Path) -> PathBuf {
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
