//! `experiment`: trains a preset and writes a run folder for every seed.

mod outcome;
mod plan;
mod seeds;
mod tighter;
mod training;
mod vae;

use crate::error::{LabError, Result};
use crate::pictures;
use crate::terminal::{say, tell};
use crate::together::Together;
use crate::workspace::default_cache;
use clap::Args;
use ffjord_run::config::{ModelKind, Preset};
use ffjord_run::{DeviceName, Model, RunData, RunFolder, load_initial_weights};
use ffjord_train::{Communicator, Purpose, Streams, TrainingEnd, agree};
use outcome::Outcome;
use plan::{Plan, plan, shared_plan};
use seeds::SeedRun;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tighter::Tighter;
use training::{INTERRUPTED, Observed};
pub(super) use vae::Measured;

/// So many findings about a table are said at most; wide tables can have one a column.
const WARNINGS: usize = 12;

/// Arguments of `experiment`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The preset to run; `--list` shows all
    #[arg(required_unless_present_any = ["list", "resume"])]
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
    /// Continues the run in the folder, if there is one; with --out, the preset need not be said
    #[arg(long)]
    resume: bool,
    /// Also writes the metrics as event files for TensorBoard, into the run folder's `tensorboard/`; a run that is resumed
    /// goes on with them
    #[arg(long)]
    tensorboard: bool,
    #[command(flatten)]
    together: Together,
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
            together: Together::default(),
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

/// Runs the command, as one of the processes that `communicator` connects, or of those that the arguments name.
///
/// # Errors
/// When settings, data, training or files fail.
pub fn run(arguments: &Arguments, communicator: &dyn Communicator) -> Result<ExitCode> {
    arguments.together.run(communicator, |communicator| {
        run_until(arguments, communicator, &mut None)
    })
}

/// As [`run`], for several in one process: Ctrl-C is caught once, and `stop` is what it sets.
pub(super) fn run_until(
    arguments: &Arguments,
    communicator: &dyn Communicator,
    stop: &mut Option<Arc<AtomicBool>>,
) -> Result<ExitCode> {
    let arguments = &arguments.placed();
    if arguments.list {
        return list();
    }
    let preset = &match (&arguments.preset, &arguments.out) {
        (Some(preset), _) => preset.clone(),
        (None, Some(folder)) => plan::stored_preset(folder)?,
        (None, None) => return Err(LabError::WithoutRun),
    };
    let seeds = arguments.seeds();
    if seeds.len() < 2 {
        let folder = |seed| match &arguments.out {
            Some(out) => out.clone(),
            None => Path::new("runs").join(format!("{preset}-seed{seed}")),
        };
        let end = run_seed(arguments, preset, seeds.first().copied(), &folder, communicator, stop)?;
        return Ok(match end {
            SeedEnd::Interrupted => ExitCode::from(INTERRUPTED),
            SeedEnd::Done(_) | SeedEnd::Helped => ExitCode::SUCCESS,
        });
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
    let free = match communicator.rank() {
        0 => seeds
            .iter()
            .try_for_each(|seed| Ok(RunFolder::require_free(&folder(*seed), arguments.resume)?)),
        _ => Ok(()),
    };
    agree::<_, LabError>(communicator, free, |()| Vec::new())?;
    let mut runs = Vec::new();
    for seed in seeds {
        match run_seed(arguments, preset, Some(seed), &folder, communicator, stop)? {
            SeedEnd::Done(run) => runs.push(run),
            SeedEnd::Helped => {}
            SeedEnd::Interrupted => return Ok(ExitCode::from(INTERRUPTED)),
        }
    }
    if communicator.rank() == 0 {
        seeds::summarise(preset, &arguments.settings, &runs, &summary)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How the run of a seed ended.
enum SeedEnd {
    /// By Ctrl-C.
    Interrupted,
    /// With a result, on the first process.
    Done(SeedRun),
    /// On another process, which has no result of its own.
    Helped,
}

/// One run, from its data to its result. `stop` is what Ctrl-C sets, once it is caught.
fn run_seed(
    arguments: &Arguments,
    preset: &str,
    seed: Option<u64>,
    folder: &dyn Fn(u64) -> PathBuf,
    communicator: &dyn Communicator,
    stop: &mut Option<Arc<AtomicBool>>,
) -> Result<SeedEnd> {
    let first = communicator.rank() == 0;
    let plan = shared_plan(communicator, || plan(arguments, preset, seed, folder))?;
    if plan.config.model.kind == ModelKind::Vae {
        return vae::run(plan, preset, arguments, communicator, stop);
    }
    let streams = Streams::new(plan.config.seed);
    // Everything that can be wrong with settings and data is found before a folder is made.
    let prepared = prepare(&plan, &streams, first);
    let ((data, model), _) = agree(communicator, prepared, |_| Vec::new())?;
    let folder = plan.open(&data.summary(), arguments.resume, communicator)?;
    let Plan { config, started, .. } = plan;
    if first {
        say!("{}\nrun folder: {}", config.description, folder.path().display());
        if let Some(unread) = config.unread() {
            say!("{unread}");
        }
        if let Some(difference) = data.split.as_ref().and_then(|split| split.difference.as_ref()) {
            say!("not the published split, so results cannot be compared with published ones: {difference}");
        }
    }
    let stop = match stop {
        Some(stop) => stop,
        None => stop.insert(training::stop_flag(first)?),
    };
    let events = training::events(&folder, arguments.tensorboard && first)?;
    let observed = Observed {
        communicator,
        events,
        stop,
    };
    let summary = training::train(&config, &data, &model, &folder, streams, observed)?;
    if summary.end == TrainingEnd::Interrupted {
        if first {
            say!("continue with the same command and --resume");
        }
        return Ok(SeedEnd::Interrupted);
    }
    if first {
        folder.save_model(&model)?;
    }
    let (values, test) = outcome::evaluate(&config, &data, &model, &streams, communicator)?;
    if !first {
        return Ok(SeedEnd::Helped);
    }
    let outcome = Outcome {
        preset,
        settings: &started.settings,
        config: &config,
        data: &data,
        folder: &folder,
        processes: communicator.size(),
        summary,
        test,
        tighter: Tighter::measure(&config, &data, &folder, &values, &streams)?,
        start_nll: model.start_nll(&data.test.x)?,
        density: pictures::draw(&config, &data, &model, &folder, &streams)?,
    };
    folder.write_json("result.json", &outcome.json()?)?;
    outcome.report();
    Ok(SeedEnd::Done(SeedRun {
        seed: config.seed,
        folder: folder.path().to_path_buf(),
        measure: "test NLL",
        test,
        seconds: outcome.summary.seconds,
    }))
}

/// Data and model of a run at its start; the first process says what was found.
fn prepare(plan: &Plan, streams: &Streams, first: bool) -> Result<(RunData, Model)> {
    let data = RunData::load(&plan.located, streams, &default_cache())?;
    if let Some(file) = data.file.as_ref().filter(|_| first) {
        say!("{}", file.reading);
        for warning in file.warnings.iter().take(WARNINGS) {
            tell!("warning: {warning}");
        }
        if file.warnings.len() > WARNINGS {
            tell!(
                "warning: {} more, which result.json will hold",
                file.warnings.len() - WARNINGS
            );
        }
    }
    let mut rng = streams.rng(Purpose::Initialise, 0, 0);
    let model = Model::for_data(&plan.config, &data.summary(), &mut rng)?;
    // A run that is resumed may have lost them since.
    // Weights that were trained elsewhere belong to the start that they were trained behind.
    match plan.config.from.as_ref().filter(|_| plan.begins) {
        Some(from) => load_initial_weights(from, &model)?,
        None if plan.begins => fit_start(&data, &model, streams, first)?,
        None => {}
    }
    Ok((data, model))
}

/// Fits the maps that the flow starts with; the first process says what they are worth by themselves.
fn fit_start(data: &RunData, model: &Model, streams: &Streams, first: bool) -> Result<()> {
    let clock = Instant::now();
    let rows = data.fit_start(model, streams)?;
    let seconds = clock.elapsed().as_secs_f64();
    if !first {
        return Ok(());
    }
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
