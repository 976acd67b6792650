//! The training of a run.

use crate::error::Result;
use crate::terminal::{say, tell};
use ffjord_flow::{Chain, Flow};
use ffjord_run::config::RunConfig;
use ffjord_run::{Likelihood, Model, Rows, RunData, RunFolder, log_likelihoods_together, objective, summarise};
use ffjord_train::{
    Communicator, JsonLines, MetricsWriter, Progress, Purpose, Streams, TensorBoard, TrainError, Trainer,
    TrainingSummary, Validation,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a process that Ctrl-C ended.
pub(super) const INTERRUPTED: u8 = 130;

/// Who takes part in a training and who watches it.
pub(super) struct Observed<'a> {
    /// The processes.
    pub(super) communicator: &'a dyn Communicator,
    /// Event files for TensorBoard.
    pub(super) events: Option<TensorBoard>,
    /// What Ctrl-C sets.
    pub(super) stop: &'a AtomicBool,
}

/// Trains the model, from the start or the folder's checkpoint.
///
/// # Errors
/// When training or files fail.
pub(super) fn train(
    config: &RunConfig,
    data: &RunData,
    model: &Model,
    folder: &RunFolder,
    streams: Streams,
    observed: Observed<'_>,
) -> Result<TrainingSummary> {
    let communicator = observed.communicator;
    let first = communicator.rank() == 0;
    let objective = objective(config)?;
    let watched = data.watched(config.evaluation.curve_rows)?;
    let likelihood = |rows: &Rows<f64>, purpose: Purpose| -> Result<Likelihood> {
        let (randomness, batch) = ((&streams, purpose), config.evaluation.batch);
        let (values, nfe) = log_likelihoods_together(model, rows, batch, randomness, communicator, |_| ())?;
        Ok(summarise(&values, nfe))
    };
    let validate = |_: &Flow<Chain>| -> Result<Validation, TrainError> {
        let Likelihood {
            nll, standard_error, ..
        } = likelihood(&data.validation, Purpose::Validation).map_err(|error| TrainError::ValidationFailed {
            cause: error.to_string(),
        })?;
        // Test rows are watched only: training goes on as it would without them, also where their solve fails.
        let test_nll = watched.as_ref().and_then(|rows| match likelihood(rows, Purpose::Test) {
            Ok(test) => Some(test.nll),
            Err(error) => {
                if first {
                    say!("the test curve has a gap here: {error}");
                }
                None
            }
        });
        Ok(Validation {
            nll,
            standard_error,
            test_nll,
        })
    };
    let options = config.training.options.clone();
    let mut trainer = Trainer::new(&model.flow, objective.as_ref(), data.source.as_ref(), options)?
        .streams(streams)
        .validate(&validate)
        .store(folder.store())
        .together(communicator)
        .stop_on(observed.stop);
    if first {
        trainer = trainer
            .observe(JsonLines::new(metrics(folder)?))
            .observe(Progress::new());
    }
    if let Some(events) = observed.events {
        trainer = trainer.observe(events);
    }
    Ok(trainer.run()?)
}

/// Event files for TensorBoard, where they are asked for or the run has had them so far.
///
/// # Errors
/// When they cannot be written.
pub(super) fn events(folder: &RunFolder, wanted: bool) -> Result<Option<TensorBoard>> {
    let place = folder.path().join("tensorboard");
    if !wanted && !place.is_dir() {
        return Ok(None);
    }
    let events = match folder.store().load()? {
        Some(checkpoint) => TensorBoard::resume(place, checkpoint.iteration)?,
        None => TensorBoard::create(place)?,
    };
    Ok(Some(events))
}

/// The file of metrics, up to the checkpoint that training goes on from.
///
/// # Errors
/// When it, or the checkpoint, cannot be read or written.
pub(super) fn metrics(folder: &RunFolder) -> Result<MetricsWriter> {
    Ok(match folder.store().load()? {
        Some(checkpoint) => MetricsWriter::resume(folder.metrics(), checkpoint.iteration)?,
        None => MetricsWriter::create(folder.metrics())?,
    })
}

/// A flag that Ctrl-C sets; a second Ctrl-C ends the process at once. Only one can be had; the first process says so.
///
/// # Errors
/// When Ctrl-C cannot be caught.
pub(super) fn stop_flag(first: bool) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        if first {
            tell!("stopping after this iteration; press Ctrl-C again to stop at once");
        }
    })?;
    Ok(stop)
}
