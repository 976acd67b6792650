//! `eval`: the log-likelihood of a file's rows.

use crate::error::{LabError, Result};
use crate::terminal::say;
use clap::Args;
use ffjord_data::table::{self, LoadOptions};
use ffjord_data::{Matrix, Standardizer};
use ffjord_run::{RunError, Trained, log_likelihoods, summarise};
use ffjord_train::{Purpose, Streams};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `eval`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A run folder, a .safetensors file in one, or a checkpoint of the original implementation (.pth)
    model: PathBuf,
    /// The rows: `.npy`, `.npz` or CSV, standardised as the model's training data were unless --raw is given
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
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
    let trained = Trained::open(&arguments.model)?;
    let mut rows = load_rows(&arguments.data, arguments.array.as_deref())?;
    if rows.columns() != trained.dimension() {
        return Err(LabError::Columns {
            path: arguments.data.clone(),
            given: rows.columns(),
            expected: trained.dimension(),
        });
    }
    if arguments.raw {
        rows = standardizer(&trained, &arguments.model)?.apply(&rows)?;
    }
    let streams = Streams::new(0);
    let (values, nfe) = log_likelihoods(
        trained.model(),
        &rows,
        arguments.batch.get(),
        (&streams, Purpose::Test),
        |_| (),
    )?;
    let out = arguments.out.clone().unwrap_or_else(|| default_output(&arguments.data));
    table::save_csv(
        &out,
        &Matrix::new(values.len(), 1, values.clone())?,
        Some(&["log_likelihood".to_string()]),
    )?;
    let likelihood = summarise(&values, nfe);
    say!(
        "log-likelihood {:.6} ± {:.6} nats ({} rows, {:.0} evaluations); one a row: {}",
        -likelihood.nll,
        likelihood.standard_error,
        likelihood.rows,
        likelihood.nfe,
        out.display()
    );
    if let Some(error) = reference_error(&arguments.data, &values) {
        say!("largest difference from the file's own `logp`: {error:.3e} nats");
    }
    Ok(ExitCode::SUCCESS)
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

fn load_rows(path: &Path, array: Option<&str>) -> Result<Matrix<f64>> {
    let load = |array: Option<&str>| {
        table::load(
            path,
            &LoadOptions {
                array: array.map(ToString::to_string),
                ..LoadOptions::default()
            },
        )
    };
    let is_archive = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    let table = match array {
        None if is_archive => load(Some("x")).or_else(|_| load(None))?,
        array => load(array)?,
    };
    Ok(table.values)
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
