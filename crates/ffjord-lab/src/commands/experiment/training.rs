//! The training of a run.

use crate::error::Result;
use crate::terminal::say;
use ffjord_data::Matrix;
use ffjord_run::config::RunConfig;
use ffjord_run::{Likelihood, Model, RunData, RunFolder, log_likelihoods, objective, summarise};
use ffjord_train::{
    JsonLines, MetricsWriter, Observer, Progress, Streams, TrainError, Trainer, TrainerOptions, TrainingSummary,
    Validation,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a process that Ctrl-C ended.
pub(super) const INTERRUPTED: u8 = 130;

/// Trains the model, from the start or the folder's checkpoint.
///
/// # Errors
/// When training or files fail.
pub(super) fn train(
    config: &RunConfig,
    options: TrainerOptions,
    data: &RunData,
    model: &Model,
    folder: &RunFolder,
    streams: Streams,
    stop: &AtomicBool,
) -> Result<TrainingSummary> {
    let store = folder.store();
    let metrics = match store.load()? {
        Some(checkpoint) => MetricsWriter::resume(folder.metrics(), checkpoint.iteration)?,
        None => MetricsWriter::create(folder.metrics())?,
    };
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(JsonLines::new(metrics)), Box::new(Progress::new())];
    let objective = objective(config)?;
    let watched = data.watched(config.evaluation.curve_rows)?;
    let likelihood = |rows: &Matrix<f32>| -> Result<Likelihood> {
        let (values, nfe) = log_likelihoods(model, rows, config.evaluation.batch, &streams, |_| ())?;
        Ok(summarise(&values, nfe))
    };
    let validate = |_: &_| -> ffjord_train::Result<Validation> {
        let Likelihood {
            nll, standard_error, ..
        } = likelihood(&data.validation).map_err(|error| TrainError::ValidationFailed {
            cause: error.to_string(),
        })?;
        // Test rows are watched only: training goes on as it would without them, also where their solve fails.
        let test_nll = watched.as_ref().and_then(|rows| match likelihood(rows) {
            Ok(test) => Some(test.nll),
            Err(error) => {
                say!("the test curve has a gap here: {error}");
                None
            }
        });
        Ok(Validation {
            nll,
            standard_error,
            test_nll,
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
        stop,
    };
    Ok(trainer.run()?)
}

/// A flag that Ctrl-C sets; a second Ctrl-C ends the process at once. Only one can be had.
///
/// # Errors
/// When Ctrl-C cannot be caught.
pub(super) fn stop_flag() -> Result<Arc<AtomicBool>> {
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
