//! How far a run is.

use crate::error::Result;
use crate::run_folder::RunFolder;
use crate::run_lock::RunLock;

/// How far the run of a folder is.
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
