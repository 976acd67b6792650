//! `experiment`: trains a preset and writes a run folder.

use crate::config::{ModelKind, ObjectiveConfig, OnFailure, PRESETS, Preset, RunConfig, TrainingConfig, resolve};
use crate::data::RunData;
use crate::error::Result;
use crate::evaluation::{Likelihood, log_likelihoods, summarise};
use crate::model::Model;
use crate::pictures;
use crate::provenance::Provenance;
use crate::run_folder::RunFolder;
use crate::terminal::say;
use clap::Args;
use ffjord_flow::{Chain, Flow};
use ffjord_train::{
    FailurePolicy, FlowMatching, JsonLines, MaximumLikelihood, MetricsWriter, NoiseCoupling, Objective, Observer,
    Progress, Purpose, Streams, Trainer, TrainerOptions, TrainingEnd, TrainingSummary, Validation, read_metrics,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a process that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

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
    let options = trainer_options(&config.training)?;
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
    let summary = train(&config, options, &data, &model, &folder, streams)?;
    if summary.end == TrainingEnd::Interrupted {
        say!("continue with the same command and --resume");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    folder.save_model(&model)?;
    let test = evaluate(&config, &data, &model, &streams)?;
    let density = pictures::draw(&config, &data, &model, &folder, &streams)?;
    let result = result(name, &config, &data, &folder, &summary, &test, density)?;
    folder.write_json("result.json", &result)?;
    report(&data, &test, density, &folder);
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<ExitCode> {
    for preset in PRESETS {
        say!("{:<24} {}", preset.name, preset.description()?);
    }
    Ok(ExitCode::SUCCESS)
}

fn trainer_options(training: &TrainingConfig) -> Result<TrainerOptions> {
    Ok(TrainerOptions {
        iterations: training.iterations,
        optimizer: training.optimizer.parse()?,
        weight_decay: training.weight_decay,
        schedule: training.schedule.clone(),
        tolerance: training.tolerance.clone(),
        spectral_norm: training.spectral_norm,
        clip_norm: training.clip_norm,
        average: training.average,
        validate_every: training.validate_every,
        patience: training.patience,
        checkpoint_every: training.checkpoint_every,
        on_failure: match training.on_failure {
            OnFailure::Skip => FailurePolicy::Skip,
            OnFailure::Stop => FailurePolicy::Stop,
        },
    })
}

/// Rows that are matched with noise at a time.
const TRANSPORT_ROWS: usize = 256;

fn objective(config: &RunConfig) -> Result<Box<dyn Objective<Flow<Chain>>>> {
    let coupling = match config.objective {
        ObjectiveConfig::MaximumLikelihood => {
            return Ok(Box::new(MaximumLikelihood::new(config.regularisation.weights())));
        }
        ObjectiveConfig::FlowMatching => NoiseCoupling::Independent,
        ObjectiveConfig::OptimalTransportFlowMatching => NoiseCoupling::OptimalTransport { rows: TRANSPORT_ROWS },
    };
    Ok(Box::new(FlowMatching::new(coupling)?))
}

fn train(
    config: &RunConfig,
    options: TrainerOptions,
    data: &RunData,
    model: &Model,
    folder: &RunFolder,
    streams: Streams,
) -> Result<TrainingSummary> {
    let store = folder.store();
    let metrics = match store.load()? {
        Some(checkpoint) => MetricsWriter::resume(folder.metrics(), checkpoint.iteration)?,
        None => MetricsWriter::create(folder.metrics())?,
    };
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(JsonLines::new(metrics)), Box::new(Progress::new())];
    let stop = stop_flag()?;
    let objective = objective(config)?;
    let batch = config.evaluation.batch;
    let validate = |_: &_| -> ffjord_train::Result<Validation> {
        let (values, nfe) = log_likelihoods(model, &data.validation, batch, &streams, |_| ()).map_err(|error| {
            ffjord_train::TrainError::ValidationFailed {
                cause: error.to_string(),
            }
        })?;
        let likelihood = summarise(&values, nfe);
        Ok(Validation {
            nll: likelihood.nll,
            standard_error: likelihood.standard_error,
        })
    };
    let mut trainer = Trainer {
        model: &model.flow,
        objective: objective.as_ref(),
        source: data.source.as_ref(),
        validate: &validate,
        streams,
        options,
        store: &store,
        observers,
        stop: &stop,
    };
    Ok(trainer.run()?)
}

/// A flag that Ctrl-C sets; a second Ctrl-C ends the process at once.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("stopping after this iteration; press Ctrl-C again to stop at once");
    })?;
    Ok(stop)
}

fn evaluate(config: &RunConfig, data: &RunData, model: &Model, streams: &Streams) -> Result<Likelihood> {
    let bar = indicatif::ProgressBar::new(data.test.rows() as u64);
    bar.set_message("test rows");
    let progress = |done: usize| bar.set_position(done as u64);
    let (values, nfe) = log_likelihoods(model, &data.test, config.evaluation.batch, streams, progress)?;
    bar.finish_and_clear();
    Ok(summarise(&values, nfe))
}

fn result(
    name: &str,
    config: &RunConfig,
    data: &RunData,
    folder: &RunFolder,
    summary: &TrainingSummary,
    test: &Likelihood,
    density: Option<f64>,
) -> Result<Value> {
    let curve: Vec<Value> = read_metrics(folder.metrics())?
        .into_iter()
        .filter(|line| line["kind"] == "validation")
        .map(|line| json!({ "iteration": line["iteration"], "seconds": line["seconds"], "nll": line["nll"] }))
        .collect();
    Ok(json!({
        "preset": name,
        "seed": config.seed,
        "provenance": Provenance::now(),
        "split": data.split,
        "training": {
            "iterations": summary.iterations,
            "seconds": summary.seconds,
            "ended": match summary.end {
                TrainingEnd::Finished => "after all iterations",
                TrainingEnd::StoppedEarly => "early, without improvement",
                TrainingEnd::Interrupted => "interrupted",
            },
            "failed_iterations": summary.failures,
        },
        "test": match config.model.kind {
            ModelKind::Cnf => {
                json!({ "likelihood": test, "trace": config.solver.test.trace, "solver": config.solver.test })
            }
            // Discrete flows have nothing to solve.
            _ => json!({ "likelihood": test }),
        },
        "gaussian_nll": data.gaussian_nll,
        "density_integral": density,
        "validation_curve": curve,
    }))
}

fn report(data: &RunData, test: &Likelihood, density: Option<f64>, folder: &RunFolder) {
    say!(
        "test NLL {:.4} ± {:.4} nats ({} rows, {:.0} evaluations)",
        test.nll,
        test.standard_error,
        test.rows,
        test.nfe
    );
    if let Some(gaussian) = data.gaussian_nll {
        say!("full-covariance Gaussian on the same rows: {gaussian:.4} nats");
    }
    if let Some(mass) = density {
        say!("∫p dx on the picture's grid: {mass:.5}");
    }
    say!("pictures: {}", folder.plots().display());
}
