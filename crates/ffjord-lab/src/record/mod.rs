//! What a run folder says of its run, read without data, model or any change to the folder: of finished, interrupted and
//! running ones.

mod find;
mod metrics;
mod outcome;

pub use find::run_folders;
pub use metrics::{Metrics, Trained};
pub use outcome::{Measure, Outcome};

use crate::error::Result;
use ffjord_run::config::{ModelKind, ObjectiveConfig, RunConfig};
use ffjord_run::{DataSummary, Provenance, RunFolder, RunState, Started};
use serde::Serialize;
use std::path::Path;

/// A run folder's small files; what is missing is none, and what is damaged is told beside.
#[derive(Debug)]
pub struct RunRecord {
    /// The folder.
    pub folder: RunFolder,
    /// How far the run is.
    pub state: RunState,
    /// Its configuration.
    pub config: RunConfig,
    /// What it was begun with.
    pub started: Option<Started>,
    /// What its data are.
    pub data: Option<DataSummary>,
    /// What came out.
    pub outcome: Option<Outcome>,
    /// Files that are there and cannot be read, with the reason.
    pub damaged: Vec<String>,
}

impl RunRecord {
    /// The run of a folder.
    ///
    /// # Errors
    /// When the folder holds no run, or its configuration cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = RunFolder::existing(path)?;
        let config = folder.config()?;
        let mut damaged = Vec::new();
        let started = kept(folder.started(), &mut damaged).flatten();
        let data = match path.join("data.json").is_file() {
            true => kept(folder.data(), &mut damaged),
            false => None,
        };
        let outcome = match folder.result_path().is_file() {
            true => kept(Outcome::open(&folder.result_path()), &mut damaged),
            false => None,
        };
        Ok(Self {
            state: folder.state()?,
            folder,
            config,
            started,
            data,
            outcome,
            damaged,
        })
    }

    /// The folder's path, as it was given.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The preset, if it was recorded.
    pub fn preset(&self) -> Option<&str> {
        let started = self.started.as_ref().map(|started| started.preset.as_str());
        started.or_else(|| self.outcome.as_ref()?.preset())
    }

    /// What `--set` changed of the preset.
    pub fn settings(&self) -> Vec<String> {
        match (&self.started, &self.outcome) {
            (Some(started), _) => started.settings.clone(),
            (None, Some(outcome)) => outcome.settings(),
            (None, None) => Vec::new(),
        }
    }

    /// Program, machine and date: of the result, or of the last start.
    pub fn provenance(&self) -> Option<Provenance> {
        let finished = self.outcome.as_ref().and_then(Outcome::provenance);
        finished.or_else(|| self.started.as_ref()?.provenance.clone())
    }

    /// Model and objective in a few words, such as `cnf` or `vae cnf-low-rank`.
    pub fn kind(&self) -> String {
        let mut words = vec![name_of(&self.config.model.kind)];
        words.extend(self.config.vae.iter().map(|vae| name_of(&vae.posterior)));
        let usual = match self.config.model.kind {
            ModelKind::Vae => ObjectiveConfig::Elbo,
            _ => ObjectiveConfig::MaximumLikelihood,
        };
        if self.config.objective != usual {
            words.push(name_of(&self.config.objective));
        }
        words.join(" ")
    }
}

/// A value that could be read; another is told.
fn kept<T, E: std::fmt::Display>(read: std::result::Result<T, E>, damaged: &mut Vec<String>) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(error) => {
            damaged.push(error.to_string());
            None
        }
    }
}

/// The name of a value in configurations.
pub fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}
