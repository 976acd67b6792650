//! `sample`: draws samples from a run or a checkpoint.

use super::reading::ReadArguments;
use super::rows::load_conditions;
use super::units::of_conditions;
use crate::error::{LabError, Result};
use crate::terminal::{say, tell};
use crate::together::{Together, require_alone};
use candle_core::DType;
use clap::Args;
use ffjord_data::image::write_images;
use ffjord_data::{Images, table};
use ffjord_files::refuse_same_file;
use ffjord_flow::Pass;
use ffjord_plot::{ImageGrid, image_grid};
use ffjord_run::{DeviceName, ImageFormat, Matrix, Opening, RunError, RunFolder, Trained, Units};
use ffjord_train::{Communicator, Purpose, Streams};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `sample`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A run folder, a .safetensors file in one, or a checkpoint of the original implementation (.pth)
    model: PathBuf,
    /// The number of samples; with --given, for every row of FILE one after the other (default there: 1)
    #[arg(short = 'n', long = "number", value_name = "N", required_unless_present = "given")]
    number: Option<NonZeroUsize>,
    /// What the samples of a conditional run are given: `.npy`, `.npz` or text, in the units of the training data's file;
    /// columns are found by name
    #[arg(long, value_name = "FILE")]
    given: Option<PathBuf>,
    /// The seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The standard deviation of the noise that samples are made of: below 1 they stay near the middle of what the flow has
    /// learnt
    #[arg(long, value_name = "T", default_value_t = 1.0, conflicts_with = "given")]
    temperature: f64,
    /// The file to write, `.npy` or `.csv`; a device or pipe gets the text of a `.csv`. Of images also `.png`, one picture
    /// of all, `.idx`, or else a new folder of PNG pictures
    #[arg(long, value_name = "FILE", default_value = "samples.npy")]
    out: PathBuf,
    /// Writes standardised samples instead of such in the units of the training data's file, and reads --given so
    #[arg(long)]
    standardized: bool,
    /// Where the flow is solved: cpu, cuda or cuda:N with the number of a card
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: DeviceName,
    #[command(flatten)]
    read: ReadArguments,
    #[command(flatten)]
    together: Together,
}

/// How samples are written.
#[derive(Debug, Clone, Copy)]
enum Format {
    Npy,
    Csv,
    Images(ImageFormat),
}

impl Format {
    fn of(path: &Path, image: Option<ImageFormat>) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Ok(Self::Npy),
            Some("csv") => Ok(Self::Csv),
            // `/dev/null` and `/dev/stdout` have no ending.
            _ if path.metadata().is_ok_and(|path| !path.is_file() && !path.is_dir()) => Ok(Self::Csv),
            _ => image.map(Self::Images).ok_or_else(|| LabError::OutputFormat {
                path: path.to_path_buf(),
            }),
        }
    }
}

/// Runs the command, as one of the processes that `communicator` connects, or of those that the arguments name: the first of
/// them writes the file.
///
/// # Errors
/// When the model cannot be loaded, a solve fails, or the file cannot be written.
pub fn run(arguments: &Arguments, communicator: &dyn Communicator) -> Result<ExitCode> {
    arguments
        .together
        .run(communicator, |communicator| draw(arguments, communicator))
}

fn draw(arguments: &Arguments, communicator: &dyn Communicator) -> Result<ExitCode> {
    refuse_same_file(
        &arguments.out,
        std::iter::once(&arguments.model).chain(&arguments.given),
    )?;
    let number = arguments.number.map_or(1, NonZeroUsize::get);
    let opening = Opening {
        device: arguments.device,
        ..Opening::default()
    };
    if let Some(folder) = RunFolder::of_vae(&arguments.model)? {
        require_alone(communicator)?;
        let format = Format::of(&arguments.out, folder.data()?.image)?;
        if arguments.temperature != 1.0 {
            return Err(RunError::Setting {
                setting: "--temperature".to_string(),
                reason: format!(
                    "it is {}, but states of a variational autoencoder are drawn from its prior: accepted is 1",
                    arguments.temperature
                ),
            }
            .into());
        }
        let samples = images(&folder, number, arguments.seed)?;
        return save(arguments, format, &samples, None);
    }
    let trained = Trained::open_with(&arguments.model, opening)?.in_units(match arguments.standardized {
        true => Units::Standardised,
        false => Units::Data,
    });
    let format = Format::of(&arguments.out, trained.image())?;
    let samples = match &arguments.given {
        Some(path) => {
            let (conditions, said) = load_conditions(&trained, path, &arguments.read)?;
            if communicator.rank() == 0 {
                say!("{said}");
                if let Some(suspicion) = of_conditions(&trained, &conditions, arguments.standardized) {
                    tell!("{suspicion}");
                }
            }
            trained.sample_given_together(&repeated(&conditions, number)?, arguments.seed, communicator)?
        }
        None => trained.sample_together(number, arguments.temperature, arguments.seed, communicator)?,
    };
    if communicator.rank() > 0 {
        return Ok(ExitCode::SUCCESS);
    }
    save(arguments, format, &samples, trained.columns())
}

/// Means of pixels that latent states from the prior give.
fn images(folder: &RunFolder, number: usize, seed: u64) -> Result<Matrix<f64>> {
    let vae = folder.vae()?;
    let mut rng = Streams::new(seed).rng(Purpose::Sample, 0, 0);
    let means = vae.sample(number, &mut Pass::sampling(&mut rng))?.flatten_from(1)?;
    let columns = means.dim(1)?;
    let values = means.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
    Ok(Matrix::new(number, columns, values)?)
}

fn save(arguments: &Arguments, format: Format, samples: &Matrix<f64>, names: Option<&[String]>) -> Result<ExitCode> {
    match format {
        Format::Csv => table::save_csv(&arguments.out, samples, names)?,
        Format::Npy => table::save_npy(&arguments.out, samples)?,
        Format::Images(format) => save_images(samples, format, &arguments.out)?,
    }
    say!(
        "{} samples of dimension {}: {}",
        samples.rows(),
        samples.columns(),
        arguments.out.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Images as pictures, or as levels in an idx file.
fn save_images(samples: &Matrix<f64>, format: ImageFormat, out: &Path) -> Result<()> {
    if out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
        let grid = ImageGrid {
            shape: format.shape,
            across: samples.rows().isqrt().max(1),
        };
        return Ok(image_grid(samples.cast::<f32>().as_slice(), grid)?.save(out)?);
    }
    let top = (format.levels - 1) as f64;
    let level = |value: &f64| (value * format.levels as f64).floor().clamp(0.0, top) as u8;
    let pixels = samples.as_slice().iter().map(level).collect();
    Ok(write_images(out, &Images::new(format.shape, format.levels, pixels)?)?)
}

/// Every row so many times, one after the other.
fn repeated(rows: &Matrix<f64>, times: usize) -> Result<Matrix<f64>> {
    let values: Vec<f64> = rows.iter_rows().flat_map(|row| row.repeat(times)).collect();
    Ok(Matrix::new(rows.rows() * times, rows.columns(), values)?)
}
