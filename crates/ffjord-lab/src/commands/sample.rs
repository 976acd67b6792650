//! `sample`: draws samples from a run or a checkpoint.

use super::eval::standardizer;
use crate::error::{LabError, Result};
use crate::terminal::say;
use clap::Args;
use ffjord_data::table;
use ffjord_run::{Trained, Units};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `sample`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A run folder, a .safetensors file in one, or a checkpoint of the original implementation (.pth)
    model: PathBuf,
    /// The number of samples
    #[arg(short = 'n', long = "number", value_name = "N")]
    number: NonZeroUsize,
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

/// How samples are written.
#[derive(Debug, Clone, Copy)]
enum Format {
    Npy,
    Csv,
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Ok(Self::Npy),
            Some("csv") => Ok(Self::Csv),
            _ => Err(LabError::OutputFormat {
                path: path.to_path_buf(),
            }),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the model cannot be loaded, a solve fails, or the file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (format, number) = (Format::of(&arguments.out)?, arguments.number.get());
    let mut trained = Trained::open(&arguments.model)?.in_units(Units::Standardised);
    if arguments.raw {
        standardizer(&trained, &arguments.model)?;
        trained = trained.in_units(Units::Data);
    }
    let samples = trained.sample(number, arguments.seed)?;
    match format {
        Format::Csv => table::save_csv(&arguments.out, &samples, None)?,
        Format::Npy => table::save_npy(&arguments.out, &samples)?,
    }
    say!(
        "{} samples of dimension {}: {}",
        samples.rows(),
        samples.columns(),
        arguments.out.display()
    );
    Ok(ExitCode::SUCCESS)
}
