//! What has come of steps, kept in a file so that what is done is not done again.

use crate::error::{LabError, Result};
use ffjord_files::write_atomic;
use ffjord_run::Provenance;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const FILE: &str = "reproduce.json";

/// The steps that were started in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    path: PathBuf,
    /// The steps in the order of their last start.
    pub steps: Vec<Step>,
}

/// A step that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What the program was started with.
    pub arguments: Vec<String>,
    /// Whether it ended well.
    pub done: bool,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Seconds that it took.
    pub seconds: u64,
    /// The program and machine.
    pub provenance: Provenance,
}

impl Log {
    /// The log of a folder; an empty one where there is none yet.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self {
                    path,
                    steps: Vec::new(),
                });
            }
            Err(error) => return Err(LabError::io("read", &path)(error)),
        };
        let steps = serde_json::from_str(&text).map_err(|error| LabError::Steps {
            path: path.clone(),
            reason: format!("{error}. Remove it to run all steps again"),
        })?;
        Ok(Self { path, steps })
    }

    /// Whether a step with these arguments has ended well.
    pub fn is_done(&self, name: &str, arguments: &[String]) -> bool {
        let same = |step: &&Step| step.name == name && step.arguments == arguments;
        self.steps.iter().find(same).is_some_and(|step| step.done)
    }

    /// Keeps what has come of a step, in the place of what came of it before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, step: Step) -> Result<()> {
        self.steps.retain(|known| known.name != step.name);
        self.steps.push(step);
        let text = format!("{}\n", serde_json::to_string_pretty(&self.steps)?);
        Ok(write_atomic(&self.path, text.as_bytes())?)
    }
}
