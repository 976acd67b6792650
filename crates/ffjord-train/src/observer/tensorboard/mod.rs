//! Metrics as TensorBoard reads them.

mod event;
mod record;

use super::{IterationReport, Observer, ValidationReport};
use crate::error::{Result, TrainError};
use event::Event;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What TensorBoard knows its files by.
const PREFIX: &str = "events.out.tfevents.";

/// Writes the numbers of every iteration and validation as scalars into event files, which TensorBoard shows while the run
/// goes on: `tensorboard --logdir FOLDER`.
///
/// Scalars are in single precision, as the format has them; `metrics.jsonl` keeps every digit.
///
/// ```
/// use ffjord_train::{Observer, TensorBoard, ValidationReport};
///
/// let folder = tempfile::tempdir()?;
/// let mut writer = TensorBoard::create(folder.path())?;
/// let report =
///     ValidationReport { iteration: 10, nll: 2.5, standard_error: 0.1, test_nll: None, best: true, seconds: 3.0 };
/// writer.validation(&report)?;
/// assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TensorBoard {
    file: File,
    path: PathBuf,
}

impl TensorBoard {
    /// Events of a new run in a folder, which is made; event files that are there are removed.
    ///
    /// # Errors
    /// [`TrainError::File`] if the folder or its files cannot be changed.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        for path in event_files(folder)? {
            fs::remove_file(&path).map_err(TrainError::file("remove", &path))?;
        }
        Self::session(folder, 1)
    }

    /// Goes on after `iteration` iterations: events of later ones, which the run will write again, leave the files that are
    /// there, and a new file says to a TensorBoard that is looking on that they do not count.
    ///
    /// ```
    /// use ffjord_train::{Observer, TensorBoard, ValidationReport};
    /// # let folder = tempfile::tempdir()?;
    /// let report =
    ///     ValidationReport { iteration: 10, nll: 2.5, standard_error: 0.1, test_nll: None, best: true, seconds: 3.0 };
    /// TensorBoard::create(folder.path())?.validation(&report)?;
    /// // A run that goes on from iteration 5 writes a file of its own.
    /// TensorBoard::resume(folder.path(), 5)?.validation(&report)?;
    /// assert_eq!(std::fs::read_dir(folder.path())?.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`TensorBoard::create`].
    pub fn resume(folder: impl AsRef<Path>, iteration: u64) -> Result<Self> {
        let folder = folder.as_ref();
        for path in event_files(folder)? {
            let bytes = fs::read(&path).map_err(TrainError::file("read", &path))?;
            let kept = record::kept(&bytes, |event| event::step(event).is_some_and(|step| step <= iteration));
            if kept != bytes {
                ffjord_files::write_atomic(&path, &kept)?;
            }
        }
        Self::session(folder, iteration + 1)
    }

    /// A new file, whose first event is of this iteration.
    fn session(folder: &Path, first: u64) -> Result<Self> {
        fs::create_dir_all(folder).map_err(TrainError::file("create", folder))?;
        // TensorBoard reads a folder's files in the order of their names: the time, and a number where that is not enough.
        let (number, seconds) = (event_files(folder)?.len(), wall_time() as u64);
        let path = folder.join(format!("{PREFIX}{seconds:010}.{number:04}"));
        let file = File::create_new(&path).map_err(TrainError::file("create", &path))?;
        let mut writer = Self { file, path };
        writer.write(&Event::version())?;
        writer.write(&Event::session_start(first))?;
        Ok(writer)
    }

    fn write(&mut self, event: &Event) -> Result<()> {
        let record = record::framed(&event.encoded(wall_time()));
        // One unbuffered call an event: what is written is with the system when this returns.
        self.file
            .write_all(&record)
            .map_err(TrainError::file("write", &self.path))
    }
}

impl Observer for TensorBoard {
    fn iteration(&mut self, report: &IterationReport) -> Result<()> {
        let mut event = Event::scalars(report.iteration);
        event.scalar("train/loss", report.loss);
        for (name, value) in &report.terms {
            event.scalar(&format!("terms/{name}"), *value);
        }
        for (block, time) in report.end_times.iter().enumerate() {
            event.scalar(&format!("end_time/{block}"), *time);
        }
        event.scalar("evaluations/forward", report.forward_evaluations);
        event.scalar("evaluations/backward", report.backward_evaluations);
        event.scalar("train/gradient_norm", report.gradient_norm);
        event.scalar("train/learning_rate", report.learning_rate);
        event.scalar("train/seconds", report.seconds);
        self.write(&event)
    }

    fn validation(&mut self, report: &ValidationReport) -> Result<()> {
        let mut event = Event::scalars(report.iteration);
        event.scalar("validation/nll", report.nll);
        event.scalar("validation/standard_error", report.standard_error);
        if let Some(nll) = report.test_nll {
            event.scalar("validation/test_nll", nll);
        }
        self.write(&event)
    }
}

/// The event files of a folder, sorted; none where there is no folder.
fn event_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(TrainError::file("list", folder)(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(TrainError::file("list", folder))?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Seconds since 1970; 0 on a machine whose clock is before that.
fn wall_time() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
