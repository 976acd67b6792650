//! `experiment`: trains a preset and writes a run folder for every seed.

mod outcome;
mod seeds;
mod tighter;
mod training;
mod vae;

use crate::error::{LabError, Result};
use crate::pictures;
use crate::terminal::say;
use crate::workspace::default_cache;
use clap::Args;
use ffjord_run::config::{ModelKind, Preset, RunConfig, resolve, resolve_changed};
use ffjord_run::{DeviceName, Model, Provenance, RunData, RunFolder, RunLock, Started, load_initial_weights};
use ffjord_train::{Purpose, Streams, TrainingEnd};
use outcome::Outcome;
use seeds::SeedRun;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tighter::Tighter;
use training::INTERRUPTED;
pub(super) use vae::Measured;

/// So many findings about a table are said at most; wide tables can have one a column.
const WARNINGS: usize = 12;

/// Arguments of `experiment`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The preset to run; `--list` shows all
    #[arg(required_unless_present = "list")]
    preset: Option<String>,
    /// Lists the presets
    #[arg(long)]
    list: bool,
    /// The seed of every random number (default: the preset's); several, as `0,1,2`, are runs of their own and a mean
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    seed: Vec<u64>,
    /// The seeds from 0 to N − 1
    #[arg(long, value_name = "N", conflicts_with = "seed", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: Option<u64>,
    /// Changes one value of the preset, for example `training.iterations=500`; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Where solves are carried out: cpu, cuda or cuda:N with the number of a card; short for `--set device=DEVICE`
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceName>,
    /// Starts from the weights of another run (its folder or a .safetensors file), or of a checkpoint of the original
    /// implementation (.pth)
    #[arg(long, value_name = "RUN|FILE")]
    from: Option<PathBuf>,
    /// The run folder (default: runs/PRESET-seedSEED); of several seeds, the folder for run folders seedSEED
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continues the run in the folder, if there is one
    #[arg(long)]
    resume: bool,
    /// Also writes the metrics as event files for TensorBoard, into the run folder's `tensorboard/`; a run that is resumed
    /// goes on with them
    #[arg(long)]
    tensorboard: bool,
}

impl Arguments {
    /// The arguments that train a preset into a folder, or go on with the run that is in it.
    pub fn train(preset: &str, out: PathBuf) -> Self {
        Self {
            preset: Some(preset.to_string()),
            list: false,
            seed: Vec::new(),
            seeds: None,
            settings: Vec::new(),
            device: None,
            from: None,
            out: Some(out),
            resume: true,
            tensorboard: false,
        }
    }

    /// Changes values of the preset, `KEY=VALUE` each.
    pub fn set(&mut self, settings: impl IntoIterator<Item = String>) {
        self.settings.extend(settings);
    }

    /// The same with the device among the settings.
    fn placed(&self) -> Self {
        let mut placed = self.clone();
        placed
            .settings
            .extend(self.device.map(|device| format!("device={device}")));
        placed
    }

    /// The seeds that are asked for, each once; none leaves the choice to the preset.
    fn seeds(&self) -> Vec<u64> {
        let mut seeds = self
            .seeds
            .map_or_else(|| self.seed.clone(), |count| (0..count).collect());
        seeds.sort_unstable();
        seeds.dedup();
        seeds
    }
}

/// Runs the command.
///
/// # Errors
/// When settings, data, training or files fail.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    run_until(arguments, &mut None)
}

/// As [`run`], for several in one process: Ctrl-C is caught once, and `stop` is what it sets.
pub(super) fn run_until(arguments: &Arguments, stop: &mut Option<Arc<AtomicBool>>) -> Result<ExitCode> {
    let arguments = &arguments.placed();
    let Some(preset) = arguments.preset.as_ref().filter(|_| !arguments.list) else {
        return list();
    };
    let seeds = arguments.seeds();
    if seeds.len() < 2 {
        let folder = |seed| match &arguments.out {
            Some(out) => out.clone(),
            None => Path::new("runs").join(format!("{preset}-seed{seed}")),
        };
        let run = run_seed(arguments, preset, seeds.first().copied(), &folder, stop)?;
        return Ok(run.map_or(ExitCode::from(INTERRUPTED), |_| ExitCode::SUCCESS));
    }
    let (prefix, summary) = match &arguments.out {
        Some(out) => (out.join("seed"), out.join("seeds.json")),
        None => {
            let runs = Path::new("runs");
            (
                runs.join(format!("{preset}-seed")),
                runs.join(format!("{preset}-seeds.json")),
            )
        }
    };
    let folder = |seed: u64| PathBuf::from(format!("{}{seed}", prefix.display()));
    // Found before the first seed has been trained for hours.
    for seed in &seeds {
        RunFolder::require_free(&folder(*seed), arguments.resume)?;
    }
    let mut runs = Vec::new();
    for seed in seeds {
        match run_seed(arguments, preset, Some(seed), &folder, stop)? {
            Some(run) => runs.push(run),
            None => return Ok(ExitCode::from(INTERRUPTED)),
        }
    }
    seeds::summarise(preset, &arguments.settings, &runs, &summary)?;
    Ok(ExitCode::SUCCESS)
}

/// One run, from its data to its result; none if Ctrl-C ended it. `stop` is what Ctrl-C sets, once it is caught.
fn run_seed(
    arguments: &Arguments,
    preset: &str,
    seed: Option<u64>,
    folder: &dyn Fn(u64) -> PathBuf,
    stop: &mut Option<Arc<AtomicBool>>,
) -> Result<Option<SeedRun>> {
    let plan = plan(arguments, preset, seed, folder)?;
    if plan.config.model.kind == ModelKind::Vae {
        return vae::run(plan, preset, arguments, stop);
    }
    let Plan {
        config,
        located,
        started,
        folder,
    } = plan;
    let streams = Streams::new(config.seed);
    // Everything that can be wrong with settings and data is found before a folder is made.
    let data = RunData::load(&located, &streams, &default_cache())?;
    if let Some(file) = &data.file {
        say!("{}", file.reading);
        for warning in file.warnings.iter().take(WARNINGS) {
            eprintln!("warning: {warning}");
        }
        if file.warnings.len() > WARNINGS {
            eprintln!(
                "warning: {} more, which result.json will hold",
                file.warnings.len() - WARNINGS
            );
        }
    }
    let summary = data.summary();
    let mut rng = streams.rng(Purpose::Initialise, 0, 0);
    let model = Model::for_data(&config, &summary, &mut rng)?;
    // A run that is resumed may have lost them since.
    // Weights that were trained elsewhere belong to the start that they were trained behind.
    let begins = !RunFolder::has_checkpoint(&folder);
    match config.from.as_ref().filter(|_| begins) {
        Some(from) => load_initial_weights(from, &model)?,
        None if begins => fit_start(&data, &model, &streams)?,
        None => {}
    }
    let folder = RunFolder::open(&folder, &config, &summary, arguments.resume)?;
    folder.save_started(&started)?;
    say!("{}\nrun folder: {}", config.description, folder.path().display());
    if let Some(unread) = config.unread() {
        say!("{unread}");
    }
    if let Some(difference) = data.split.as_ref().and_then(|split| split.difference.as_ref()) {
        say!("not the published split, so results cannot be compared with published ones: {difference}");
    }
    let stop = match stop {
        Some(stop) => stop,
        None => stop.insert(training::stop_flag()?),
    };
    let events = training::events(&folder, arguments.tensorboard)?;
    let summary = training::train(&config, &data, &model, &folder, streams, (events, stop))?;
    if summary.end == TrainingEnd::Interrupted {
        say!("continue with the same command and --resume");
        return Ok(None);
    }
    folder.save_model(&model)?;
    let (values, test) = outcome::evaluate(&config, &data, &model, &streams)?;
    let outcome = Outcome {
        preset,
        settings: &started.settings,
        config: &config,
        data: &data,
        folder: &folder,
        summary,
        test,
        tighter: Tighter::measure(&config, &data, &folder, &values, &streams)?,
        start_nll: model.start_nll(&data.test.x)?,
        density: pictures::draw(&config, &data, &model, &folder, &streams)?,
    };
    folder.write_json("result.json", &outcome.json()?)?;
    outcome.report();
    Ok(Some(SeedRun {
        seed: config.seed,
        folder: folder.path().to_path_buf(),
        measure: "test NLL",
        test,
        seconds: outcome.summary.seconds,
    }))
}

/// What a run is to do.
struct Plan {
    config: RunConfig,
    /// The same with the data's file where it lies now.
    located: RunConfig,
    started: Started,
    folder: PathBuf,
}

/// The preset with its settings; of a run that is resumed, what it was begun with, and the settings given on top.
fn plan(arguments: &Arguments, preset: &str, seed: Option<u64>, folder: &dyn Fn(u64) -> PathBuf) -> Result<Plan> {
    let preset = Preset::find(preset)?;
    let path = folder(resolve(&preset, &arguments.settings, seed)?.seed);
    let begun = match arguments.resume && path.join("config.json").exists() {
        true => Some(RunFolder::existing(&path)?),
        false => None,
    };
    // Before data are read, which can take long.
    if begun.is_some() {
        drop(RunLock::take(&path)?);
    }
    if let Some(begun) = begun
        && let Some(mut started) = begun.started()?
    {
        if started.preset != preset.name() {
            return Err(LabError::OtherPreset {
                path,
                stored: started.preset,
                given: preset.name().to_string(),
            });
        }
        let stored = begun.config()?;
        let mut config = resolve_changed(&stored, &arguments.settings)?;
        config.seed = seed.unwrap_or(config.seed);
        config.from = arguments.from.clone().or(config.from);
        let located = match config.data == stored.data {
            true => begun.located(config.clone())?,
            false => config.clone(),
        };
        let new = arguments
            .settings
            .iter()
            .filter(|setting| !started.settings.contains(setting));
        let new: Vec<String> = new.cloned().collect();
        started.settings.extend(new);
        started.provenance = Some(Provenance::now());
        return Ok(Plan {
            config,
            located,
            started,
            folder: path,
        });
    }
    let mut config = resolve(&preset, &arguments.settings, seed)?;
    config.from = arguments.from.clone().or(config.from);
    Ok(Plan {
        located: config.clone(),
        started: Started {
            preset: preset.name().to_string(),
            settings: arguments.settings.clone(),
            provenance: Some(Provenance::now()),
        },
        folder: folder(config.seed),
        config,
    })
}

/// Fits the maps that the flow starts with, and says what they are worth by themselves.
fn fit_start(data: &RunData, model: &Model, streams: &Streams) -> Result<()> {
    let clock = Instant::now();
    let rows = data.fit_start(model, streams)?;
    let seconds = clock.elapsed().as_secs_f64();
    if let Some(nll) = model.start_nll(&data.validation.x)? {
        let worth = match data.image {
            Some(image) => format!("{:.4} bits per dimension", image.bits_per_dimension(nll)),
            None => format!("{nll:.4} nats"),
        };
        say!("the start is fitted to {rows} rows in {seconds:.1} s: {worth} on validation rows by itself");
    }
    Ok(())
}

fn list() -> Result<ExitCode> {
    for preset in Preset::listed()? {
        say!("{:<24} {}", preset.name(), preset.description()?);
    }
    Ok(ExitCode::SUCCESS)
}
