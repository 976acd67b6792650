//! How far a run is.

use crate::error::Result;
use crate::run_folder::RunFolder;
use crate::run_lock::RunLock;

/// How far the run of a folder is.
///
/// ```
/// # use ffjord_run::{DataSummary, Model, RunFolder, config::{Preset, resolve}};
/// # use ffjord_train::{Purpose, Streams};
/// # let place = tempfile::tempdir()?;
/// # let path = place.path().join("moons");
/// # let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
/// # let data = DataSummary { dimension: 2, ..DataSummary::default() };
/// use ffjord_run::RunState;
/// let folder = RunFolder::open(&path, &config, &data, false)?;
/// assert_eq!(folder.state()?.name(), "running");
/// drop(folder);
/// let folder = RunFolder::existing(&path)?;
/// assert_eq!(folder.state()?, RunState::Interrupted);
/// std::fs::write(folder.result_path(), "{}")?;
/// assert_eq!(folder.state()?, RunState::Finished);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunState {
    /// A process is at work in the folder.
    Running {
        /// The process, its machine, and since when.
        holder: String,
    },
    /// The folder has a result.
    Finished,
    /// No process is at work, and there is no result: the run was interrupted or failed, and can be resumed.
    Interrupted,
}

impl RunState {
    /// Its name in lists.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
        }
    }
}

impl RunFolder {
    /// How far the run is; nothing is written in the folder.
    ///
    /// # Errors
    /// When the file that says who is at work cannot be read.
    pub fn state(&self) -> Result<RunState> {
        if let Some(holder) = RunLock::holder(self.path())? {
            return Ok(RunState::Running { holder });
        }
        Ok(match self.result_path().is_file() {
            true => RunState::Finished,
            false => RunState::Interrupted,
        })
    }
}
