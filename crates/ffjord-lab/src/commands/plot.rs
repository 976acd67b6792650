//! `plot`: draws a run's pictures again, or several runs on one clock.

use crate::error::Result;
use crate::pictures;
use crate::terminal::say;
use crate::workspace::default_cache;
use clap::Args;
use ffjord_run::vae::VaeData;
use ffjord_run::{RunData, RunFolder, RunResult};
use ffjord_train::Streams;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `plot`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The run folder
    #[arg(required_unless_present = "compare", conflicts_with = "compare")]
    run: Option<PathBuf>,
    /// Draws the likelihoods of several runs against seconds of training instead: run folders, or results in files
    #[arg(long, value_name = "RUN", num_args = 1..)]
    compare: Vec<PathBuf>,
    /// Leaves out what lies above this, in nats, so that small differences below can be seen
    #[arg(long, value_name = "NATS", requires = "compare", allow_negative_numbers = true)]
    top: Option<f64>,
    /// The file of that picture
    #[arg(long, value_name = "FILE", default_value = "comparison.png", requires = "compare")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When a folder holds no run or no result, or a picture cannot be drawn.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.run {
        Some(run) => draw(run),
        None => compare(&arguments.compare, arguments.top, &arguments.out),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn draw(run: &Path) -> Result<()> {
    if let Some(folder) = RunFolder::of_vae(run)? {
        return draw_vae(&folder);
    }
    let folder = RunFolder::existing(run)?;
    let config = folder.located_config()?;
    let streams = Streams::new(config.seed);
    let data = RunData::load(&config, &streams, &default_cache())?;
    let model = folder.model()?;
    pictures::draw(&config, &data, &model, &folder, &streams)?;
    say!("pictures: {}", folder.plots().display());
    Ok(())
}

fn draw_vae(folder: &RunFolder) -> Result<()> {
    let config = folder.located_config()?;
    let streams = Streams::new(config.seed);
    let data = VaeData::load(&config, &streams, &default_cache())?;
    pictures::vae::draw(&config, &data, &folder.vae()?, folder, &streams)?;
    say!("pictures: {}", folder.plots().display());
    Ok(())
}

fn compare(runs: &[PathBuf], top: Option<f64>, out: &Path) -> Result<()> {
    let results = runs
        .iter()
        .map(|run| Ok((run.clone(), RunResult::open(run)?)))
        .collect::<Result<Vec<_>>>()?;
    pictures::compare(&results, top, out)?;
    say!("{}", out.display());
    Ok(())
}
