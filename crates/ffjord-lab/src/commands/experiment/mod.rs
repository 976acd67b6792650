//! `experiment`: trains a preset and writes a run folder.

mod outcome;
mod training;

use crate::config::{PRESETS, Preset, resolve};
use crate::data::RunData;
use crate::error::Result;
use crate::model::Model;
use crate::pictures;
use crate::run_folder::RunFolder;
use crate::terminal::say;
use clap::Args;
use ffjord_train::{Purpose, Streams, TrainingEnd};
use outcome::Outcome;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use training::INTERRUPTED;

/// Arguments of `experiment`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The preset to run; `--list` shows all
    #[arg(required_unless_present = "list")]
    preset: Option<String>,
    /// Lists the presets
    #[arg(long)]
    list: bool,
    /// The seed of every random number (default: the preset's)
    #[arg(long)]
    seed: Option<u64>,
    /// Changes one value of the preset, for example `training.iterations=500`; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// The run folder (default: runs/PRESET-seedSEED)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continues the run in the folder, if there is one
    #[arg(long)]
    resume: bool,
}

impl Arguments {
    /// The arguments that train a preset into a folder, or go on with the run that is in it.
    pub fn train(preset: &str, out: PathBuf) -> Self {
        Self {
            preset: Some(preset.to_string()),
            list: false,
            seed: None,
            settings: Vec::new(),
            out: Some(out),
            resume: true,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When settings, data, training or files fail.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Some(name) = arguments.preset.as_ref().filter(|_| !arguments.list) else {
        return list();
    };
    let config = resolve(Preset::find(name)?, &arguments.settings, arguments.seed)?;
    let default_folder = || Path::new("runs").join(format!("{name}-seed{}", config.seed));
    let streams = Streams::new(config.seed);
    // Everything that can be wrong with settings and data is found before a folder is made.
    let options = training::trainer_options(&config.training)?;
    let data = RunData::load(&config, &streams)?;
    let model = Model::build(&config, data.dimension, &mut streams.rng(Purpose::Initialise, 0, 0))?;
    let folder = RunFolder::open(
        &arguments.out.clone().unwrap_or_else(default_folder),
        &config,
        &data.summary(),
        arguments.resume,
    )?;
    say!("{}\nrun folder: {}", config.description, folder.path().display());
    if let Some(unread) = config.unread() {
        say!("{unread}");
    }
    if let Some(difference) = data.split.as_ref().and_then(|split| split.difference.as_ref()) {
        say!("not the published split, so results cannot be compared with published ones: {difference}");
    }
    let summary = training::train(&config, options, &data, &model, &folder, streams)?;
    if summary.end == TrainingEnd::Interrupted {
        say!("continue with the same command and --resume");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    folder.save_model(&model)?;
    let outcome = Outcome {
        preset: name,
        settings: &arguments.settings,
        config: &config,
        data: &data,
        folder: &folder,
        summary,
        test: outcome::evaluate(&config, &data, &model, &streams)?,
        density: pictures::draw(&config, &data, &model, &folder, &streams)?,
    };
    folder.write_json("result.json", &outcome.json()?)?;
    outcome.report();
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<ExitCode> {
    for preset in PRESETS {
        say!("{:<24} {}", preset.name, preset.description()?);
    }
    Ok(ExitCode::SUCCESS)
}
