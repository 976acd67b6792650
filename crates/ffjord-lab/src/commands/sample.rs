//! `sample`: draws samples from a run or a checkpoint.

use crate::commands::eval::LoadedModel;
use crate::error::Result;
use candle_core::DType;
use clap::Args;
use ffjord_data::{Matrix, table};
use ffjord_flow::{Density, Pass};
use ffjord_train::{Purpose, Streams};
use std::path::PathBuf;
use std::process::ExitCode;

/// Samples drawn at a time.
const BATCH: usize = 4096;

/// Arguments of `sample`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A run folder, or a checkpoint of the original implementation (.pth)
    model: PathBuf,
    /// The number of samples
    #[arg(short = 'n', long = "number", value_name = "N")]
    number: usize,
    /// The seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The file to write, `.npy` or `.csv`
    #[arg(long, value_name = "FILE", default_value = "samples.npy")]
    out: PathBuf,
    /// Writes samples in the units of the training data's file instead of standardised ones
    #[arg(long)]
    raw: bool,
}

/// Runs the command.
///
/// # Errors
/// When the model cannot be loaded, a solve fails, or the file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let loaded = LoadedModel::open(&arguments.model)?;
    let model = &loaded.model;
    let streams = Streams::new(arguments.seed);
    let mut values: Vec<f64> = Vec::new();
    let mut drawn = 0;
    while drawn < arguments.number {
        let rows = BATCH.min(arguments.number - drawn);
        let mut rng = streams.rng(Purpose::Sample, (drawn / BATCH) as u64, 0);
        let samples = model.flow.sample(rows, &mut Pass::sampling(&mut rng))?;
        values.extend(samples.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?);
        drawn += rows;
    }
    let mut samples = Matrix::new(arguments.number, model.dimension(), values)?;
    if arguments.raw {
        samples = loaded.standardizer()?.invert(&samples)?;
    }
    if arguments.out.extension().is_some_and(|extension| extension == "csv") {
        table::save_csv(&arguments.out, &samples, None)?;
    } else {
        table::save_npy(&arguments.out, &samples)?;
    }
    println!(
        "{} samples of dimension {}: {}",
        samples.rows(),
        samples.columns(),
        arguments.out.display()
    );
    Ok(ExitCode::SUCCESS)
}
