//! A run of a variational autoencoder, from its data to its result.

use super::outcome::bar;
use super::plan::Plan;
use super::seeds::SeedRun;
use super::training::{Observed, events, metrics, stop_flag};
use super::{Arguments, SeedEnd};
use crate::error::Result;
use crate::pictures;
use crate::terminal::say;
use crate::workspace::default_cache;
use ffjord_run::config::RunConfig;
use ffjord_run::vae::{
    Bounds, ImageLikelihoods, LatentUnits, VaeData, bounds_together, build_vae, elbo, importance_together,
    latent_units, load_vae_weights,
};
use ffjord_run::{Likelihood, Provenance, RunFolder};
use ffjord_study::bench::peak_mb;
use ffjord_train::{
    Alone, Communicator, JsonLines, Progress, Purpose, Streams, TrainError, Trainer, TrainingEnd, TrainingSummary,
    Validation, agree, read_metrics,
};
use ffjord_vae::Vae;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The run of a plan.
///
/// # Errors
/// When data, training or files fail.
pub(super) fn run(
    plan: Plan,
    preset: &str,
    arguments: &Arguments,
    communicator: &dyn Communicator,
    stop: &mut Option<Arc<AtomicBool>>,
) -> Result<SeedEnd> {
    let first = communicator.rank() == 0;
    let streams = Streams::new(plan.config.seed);
    let ((data, vae), _) = agree(communicator, prepare(&plan, &streams), |_| Vec::new())?;
    let folder = plan.open(&data.summary(), arguments.resume, communicator)?;
    let Plan { config, started, .. } = plan;
    if first {
        say!("{}\nrun folder: {}", config.description, folder.path().display());
        if let Some(unread) = config.unread() {
            say!("{unread}");
        }
        if let Some(difference) = &data.split.difference {
            say!("not the published split, so results cannot be compared with published ones: {difference}");
        }
    }
    let stop = match stop {
        Some(stop) => stop,
        None => stop.insert(stop_flag(first)?),
    };
    let events = events(&folder, arguments.tensorboard && first)?;
    let observed = Observed {
        communicator,
        events,
        stop,
    };
    let summary = train(&config, &data, &vae, &folder, streams, observed)?;
    if summary.end == TrainingEnd::Interrupted {
        if first {
            say!("continue with the same command and --resume");
        }
        return Ok(SeedEnd::Interrupted);
    }
    if first {
        folder.save_weights(&vae)?;
    }
    let measured = Measured::take_together(&config, &data, &vae, &folder, &streams, communicator)?;
    if !first {
        return Ok(SeedEnd::Helped);
    }
    pictures::vae::draw(&config, &data, &vae, &folder, &streams)?;
    let result = json!({
        "preset": preset,
        "settings": started.settings,
        "from": config.from,
        "seed": config.seed,
        "provenance": Provenance::now(),
        "split": data.split,
        "training": {
            "iterations": summary.iterations,
            "epochs": summary.iterations as f64 / data.epoch() as f64,
            "seconds": summary.seconds,
            "processes": communicator.size(),
            "ended": match summary.end {
                TrainingEnd::StoppedEarly => "early, without improvement",
                _ => "after all iterations",
            },
            "failed_iterations": summary.failures,
            "peak_memory_mb": peak_mb(),
        },
        "test": {
            "bound": measured.bound,
            "importance": measured.importance,
            "trace": measured.continuous(&config).then(|| config.solver.test.trace.to_string()),
            "solver": measured.continuous(&config).then_some(&config.solver.test),
        },
        "latent": measured.units,
        "bits_per_dimension": measured.bits(&data),
        "validation_curve": curve(&folder)?,
    });
    folder.write_json("result.json", &result)?;
    measured.report(&data, &folder);
    Ok(SeedEnd::Done(SeedRun {
        seed: config.seed,
        folder: folder.path().to_path_buf(),
        measure: "test negative ELBO",
        test: Likelihood {
            nll: measured.bound.negative_elbo,
            standard_error: measured.bound.standard_error,
            rows: measured.bound.images,
            nfe: measured.bound.nfe,
        },
        seconds: summary.seconds,
    }))
}

/// Data and model of a run at its start.
fn prepare(plan: &Plan, streams: &Streams) -> Result<(VaeData, Vae)> {
    let data = VaeData::load(&plan.located, streams, &default_cache())?;
    let mut rng = streams.rng(Purpose::Initialise, 0, 0);
    let vae = build_vae(&plan.config, &data.format, &mut rng)?;
    if let Some(from) = plan.config.from.as_ref().filter(|_| plan.begins) {
        load_vae_weights(from, &vae)?;
    }
    Ok((data, vae))
}

/// The training, from the start or the folder's checkpoint; validations are bounds with β = 1 and one latent state, with the
/// trace and tolerance of training, as the released code has them.
fn train(
    config: &RunConfig,
    data: &VaeData,
    vae: &Vae,
    folder: &RunFolder,
    streams: Streams,
    observed: Observed<'_>,
) -> Result<TrainingSummary> {
    let communicator = observed.communicator;
    let objective = elbo(config, data.epoch())?;
    let validate = |vae: &Vae| -> Result<Validation, TrainError> {
        let (images, shape) = (&data.validation, data.format.shape);
        let randomness = (&streams, Purpose::Validation);
        let (images, batch) = ((images, shape), config.evaluation.batch);
        let bound = bounds_together(vae, images, batch, randomness, true, communicator, |_| ());
        let (_, bound) = bound.map_err(|error| TrainError::ValidationFailed {
            cause: error.to_string(),
        })?;
        Ok(Validation {
            nll: bound.negative_elbo,
            standard_error: bound.standard_error,
            test_nll: None,
        })
    };
    let mut trainer = Trainer::new(vae, &objective, &data.source, config.training.options.clone())?
        .streams(streams)
        .validate(&validate)
        .store(folder.store())
        .together(communicator)
        .stop_on(observed.stop);
    if communicator.rank() == 0 {
        trainer = trainer
            .observe(JsonLines::new(metrics(folder)?))
            .observe(Progress::new());
    }
    if let Some(events) = observed.events {
        trainer = trainer.observe(events);
    }
    Ok(trainer.run()?)
}

/// The validations of the run.
fn curve(folder: &RunFolder) -> Result<Vec<Value>> {
    let metrics = read_metrics(folder.metrics())?;
    let validations = metrics.iter().filter(|line| line["kind"] == "validation");
    let point =
        |line: &Value| json!({ "iteration": line["iteration"], "seconds": line["seconds"], "nll": line["nll"] });
    Ok(validations.map(point).collect())
}

/// What a trained model is worth on the test images.
#[derive(Debug)]
pub(in crate::commands) struct Measured {
    /// The bound.
    pub bound: Bounds,
    /// The likelihood by importance sampling.
    pub importance: Option<ImageLikelihoods>,
    /// What the latent dimensions are used for.
    pub units: LatentUnits,
}

impl Measured {
    /// Evaluates the test images; importance sampling goes on with the estimates that the folder has.
    ///
    /// # Errors
    /// When a solve fails, or the file of estimates cannot be read or written.
    pub fn take(config: &RunConfig, data: &VaeData, vae: &Vae, folder: &RunFolder, streams: &Streams) -> Result<Self> {
        Self::take_together(config, data, vae, folder, streams, &Alone)
    }

    /// As [`take`](Self::take), by several processes.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    fn take_together(
        config: &RunConfig,
        data: &VaeData,
        vae: &Vae,
        folder: &RunFolder,
        streams: &Streams,
        communicator: &dyn Communicator,
    ) -> Result<Self> {
        let images = (&data.test, data.format.shape);
        let bar = bar(data.test.rows(), communicator);
        bar.set_message("test images");
        let randomness = (streams, Purpose::Test);
        let progress = |done: usize| bar.set_position(done as u64);
        let batch = config.evaluation.batch;
        let (_, bound) = bounds_together(vae, images, batch, randomness, false, communicator, progress)?;
        let settings = config.vae.as_ref().map(|vae| vae.importance).unwrap_or_default();
        bar.set_position(0);
        let file = folder.path().join("importance.jsonl");
        let weights = folder.weights();
        let files = (file.as_path(), weights.as_path());
        let importance = importance_together(vae, images, settings, streams, files, communicator, progress)?;
        bar.finish_and_clear();
        Ok(Self {
            bound,
            importance,
            units: latent_units(vae, images, config.evaluation.batch)?,
        })
    }

    fn continuous(&self, config: &RunConfig) -> bool {
        config.vae.as_ref().is_some_and(|vae| vae.posterior.is_continuous())
    }

    /// Bits per dimension of the negative bound, for grey images.
    fn bits(&self, data: &VaeData) -> Option<f64> {
        (!data.is_binary()).then(|| data.format.bits_of(self.bound.negative_elbo))
    }

    /// Says what came out.
    pub fn report(&self, data: &VaeData, folder: &RunFolder) {
        let bound = &self.bound;
        say!(
            "test negative ELBO {:.4} ± {:.4} nats ({} images, {:.0} evaluations): reconstruction {:.3}, divergence {:.3}",
            bound.negative_elbo,
            bound.standard_error,
            bound.images,
            bound.nfe,
            bound.reconstruction,
            bound.divergence
        );
        if let Some(bits) = self.bits(data) {
            let error = data.format.bits_of(bound.standard_error);
            say!("that is {bits:.4} ± {error:.4} bits per dimension");
        }
        if let Some(importance) = &self.importance {
            say!(
                "test NLL by importance sampling {:.4} ± {:.4} nats ({} samples for each of {} images; error by sampling \
                 {:.4}, effective samples {:.1} in the mean, {:.1} at least)",
                importance.nll,
                importance.standard_error,
                importance.samples,
                importance.images,
                importance.sampling_error,
                importance.effective_samples,
                importance.least_effective_samples
            );
        }
        say!(
            "{} of {} latent dimensions are in use",
            self.units.active,
            self.units.activity.len()
        );
        say!("pictures: {}", folder.plots().display());
    }
}
