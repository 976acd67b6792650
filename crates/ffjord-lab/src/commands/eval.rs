//! `eval`: the log-likelihood of a file's rows.

use crate::error::{LabError, Result};
use crate::evaluation::{log_likelihoods, summarise};
use crate::model::Model;
use crate::original;
use crate::run_folder::RunFolder;
use crate::terminal::say;
use clap::Args;
use ffjord_data::table::{self, LoadOptions};
use ffjord_data::{Matrix, Standardizer};
use ffjord_train::Streams;
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

/// A model from a run folder or an original checkpoint.
pub struct LoadedModel {
    /// The model.
    pub model: Model,
    origin: PathBuf,
    standardizer: Option<Standardizer>,
}

impl LoadedModel {
    /// Loads a run folder, a `.safetensors` file of one, or a `.pth` file.
    ///
    /// # Errors
    /// When it is none of these, or cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let origin = path.to_path_buf();
        let weights = path.extension().is_some_and(|extension| extension == "safetensors");
        if !(path.is_dir() || weights) {
            return Ok(Self {
                model: original::load(path)?,
                origin,
                standardizer: None,
            });
        }
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let folder = RunFolder::existing(if weights { parent } else { path })?;
        let model = if weights {
            folder.model_from(path)?
        } else {
            folder.model()?
        };
        Ok(Self {
            model,
            origin,
            standardizer: folder.data()?.standardizer()?,
        })
    }

    /// The map between the training data's units and the model's.
    ///
    /// # Errors
    /// When the model has none.
    pub fn standardizer(&self) -> Result<&Standardizer> {
        self.standardizer.as_ref().ok_or_else(|| LabError::RunFolder {
            path: self.origin.clone(),
            reason: "this model's data were not standardised: leave --raw out".to_string(),
        })
    }
}

/// Runs the command.
///
/// # Errors
/// When the model or the rows cannot be loaded, a solve fails, or the file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let loaded = LoadedModel::open(&arguments.model)?;
    let mut rows = load_rows(&arguments.data, arguments.array.as_deref())?;
    if rows.columns() != loaded.model.dimension() {
        return Err(LabError::Columns {
            path: arguments.data.clone(),
            given: rows.columns(),
            expected: loaded.model.dimension(),
        });
    }
    if arguments.raw {
        rows = loaded.standardizer()?.apply(&rows)?;
    }
    let streams = Streams::new(0);
    let (values, nfe) = log_likelihoods(&loaded.model, &rows, arguments.batch.get(), &streams, |_| ())?;
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
