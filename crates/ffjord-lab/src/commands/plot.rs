//! `plot`: draws a run's pictures again.

use crate::data::RunData;
use crate::error::Result;
use crate::pictures;
use crate::run_folder::RunFolder;
use crate::terminal::say;
use clap::Args;
use ffjord_train::Streams;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `plot`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The run folder
    run: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When the folder holds no run, or a picture cannot be drawn.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = RunFolder::existing(&arguments.run)?;
    let config = folder.config()?;
    let streams = Streams::new(config.seed);
    let data = RunData::load(&config, &streams)?;
    let model = folder.model()?;
    pictures::draw(&config, &data, &model, &folder, &streams)?;
    say!("pictures: {}", folder.plots().display());
    Ok(ExitCode::SUCCESS)
}
