//! What a run is to do: its preset with settings, or the run that is in its folder.

use super::Arguments;
use crate::error::{LabError, Result};
use ffjord_run::config::{Preset, RunConfig, resolve, resolve_changed};
use ffjord_run::{DataSummary, Provenance, RunFolder, RunLock, Started};
use ffjord_train::{Communicator, agree};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a run is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Its configuration.
    pub config: RunConfig,
    /// The same with the data's file where it lies now.
    pub located: RunConfig,
    /// What it was begun with.
    pub started: Started,
    /// The run folder.
    pub folder: PathBuf,
    /// Whether there is no checkpoint to go on from.
    pub begins: bool,
}

impl Plan {
    /// The run folder; the first process makes or continues it, and the others find it.
    ///
    /// # Errors
    /// As [`RunFolder::open`], on all processes.
    pub fn open(&self, data: &DataSummary, resume: bool, communicator: &dyn Communicator) -> Result<RunFolder> {
        let opened = || -> Result<RunFolder> {
            let folder = RunFolder::open(&self.folder, &self.config, data, resume)?;
            folder.save_started(&self.started)?;
            Ok(folder)
        };
        let opened = match communicator.rank() {
            0 => Some(opened()).transpose(),
            _ => Ok(None),
        };
        let (opened, _) = agree(communicator, opened, |_| Vec::new())?;
        let found = match opened {
            Some(folder) => Ok(folder),
            None => RunFolder::existing(&self.folder).map_err(LabError::from),
        };
        Ok(agree(communicator, found, |_| Vec::new())?.0)
    }
}

/// The first process's plan, on all of them: what one process makes of a folder depends on when it looks.
///
/// # Errors
/// Those of `plan`.
pub(super) fn shared_plan(communicator: &dyn Communicator, plan: impl FnOnce() -> Result<Plan>) -> Result<Plan> {
    if communicator.size() == 1 {
        return plan();
    }
    let own = match communicator.rank() {
        0 => plan().and_then(|plan| Ok(serde_json::to_vec(&plan)?)),
        _ => Ok(Vec::new()),
    };
    let (_, shown) = agree(communicator, own, Clone::clone)?;
    Ok(serde_json::from_slice(shown.first().map_or(&[], Vec::as_slice))?)
}

/// The preset of the run in a folder.
///
/// # Errors
/// When the folder holds no run, or one that does not say.
pub(super) fn stored_preset(folder: &Path) -> Result<String> {
    let started = RunFolder::existing(folder)?.started()?;
    Ok(started.ok_or(LabError::WithoutRun)?.preset)
}

/// The preset with its settings; of a run that is resumed, what it was begun with, and the settings given on top.
///
/// # Errors
/// When settings or the folder's files are wrong.
pub(super) fn plan(
    arguments: &Arguments,
    preset: &str,
    seed: Option<u64>,
    folder: &dyn Fn(u64) -> PathBuf,
) -> Result<Plan> {
    let preset = Preset::find(preset)?;
    let path = folder(resolve(&preset, &arguments.settings, seed)?.seed);
    let begun = match arguments.resume && path.join("config.json").exists() {
        true => Some(RunFolder::existing(&path)?),
        false => None,
    };
    // Before data are read, which can take long.
    if begun.is_some() {
        drop(RunLock::take(&path)?);
    }
    if let Some(begun) = begun
        && let Some(mut started) = begun.started()?
    {
        if started.preset != preset.name() {
            return Err(LabError::OtherPreset {
                path,
                stored: started.preset,
                given: preset.name().to_string(),
            });
        }
        let stored = begun.config()?;
        let mut config = resolve_changed(&stored, &arguments.settings)?;
        config.seed = seed.unwrap_or(config.seed);
        config.from = arguments.from.clone().or(config.from);
        let located = match config.data == stored.data {
            true => begun.located(config.clone())?,
            false => config.clone(),
        };
        let new = arguments
            .settings
            .iter()
            .filter(|setting| !started.settings.contains(setting));
        let new: Vec<String> = new.cloned().collect();
        started.settings.extend(new);
        started.provenance = Some(Provenance::now());
        return Ok(Plan {
            config,
            located,
            started,
            begins: !RunFolder::has_checkpoint(&path),
            folder: path,
        });
    }
    let mut config = resolve(&preset, &arguments.settings, seed)?;
    config.from = arguments.from.clone().or(config.from);
    Ok(Plan {
        located: config.clone(),
        started: Started {
            preset: preset.name().to_string(),
            settings: arguments.settings.clone(),
            provenance: Some(Provenance::now()),
        },
        begins: !RunFolder::has_checkpoint(&folder(config.seed)),
        folder: folder(config.seed),
        config,
    })
}
