//! The last checkpoint of a run, in a folder.

use super::description::{Description, VERSION, file_iteration, file_names, sha256};
use super::tensors::{from_bytes, to_bytes};
use crate::error::{Result, TrainError};
use candle_core::Tensor;
use ffjord_files::{name_of_unfinished, write_atomic};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file that says which tensors are the last checkpoint's.
const DESCRIPTION: &str = "checkpoint.json";

/// What a checkpoint holds.
///
/// ```
/// use ffjord_train::{CheckpointStore, StoredCheckpoint};
/// # let folder = tempfile::tempdir()?;
/// let store = CheckpointStore::new(folder.path());
/// let weights = [("weight".to_string(), candle_core::Tensor::new(&[1f32], &candle_core::Device::Cpu)?)];
/// store.save(10, &serde_json::json!({ "note": "first" }), &weights)?;
/// store.save(20, &serde_json::json!({ "note": "second" }), &weights)?;
/// let StoredCheckpoint { iteration, metadata, tensors } = store.load()?.ok_or("the last one")?;
/// assert_eq!((iteration, metadata["note"].as_str(), tensors.len()), (20, Some("second"), 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StoredCheckpoint {
    /// Iterations done when it was saved.
    pub iteration: u64,
    /// What was saved with it as JSON.
    pub metadata: Value,
    /// All tensors by name, on the CPU.
    pub tensors: BTreeMap<String, Tensor>,
}

/// Keeps the last checkpoint of a run in a folder, so that it can be loaded whenever the program or machine stopped.
///
/// Tensors go to `checkpoint-<iteration>.safetensors`. Then `checkpoint.json`, which names that file with its SHA-256,
/// is replaced in one step: that moment makes the new checkpoint count. Only then the tensors of older ones are
/// deleted. Other files in the folder are left alone.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_train::CheckpointStore;
/// use serde_json::json;
///
/// let folder = tempfile::tempdir()?;
/// let store = CheckpointStore::new(folder.path());
/// assert!(store.load()?.is_none());
///
/// let weights = [("weight".to_string(), Tensor::new(&[1f32, 2.0], &Device::Cpu)?)];
/// store.save(100, &json!({ "best": 1.5 }), &weights)?;
/// let checkpoint = store.load()?.ok_or("no checkpoint")?;
/// assert_eq!(checkpoint.iteration, 100);
/// assert_eq!(checkpoint.metadata["best"], 1.5);
/// assert_eq!(checkpoint.tensors["weight"].to_vec1::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    folder: PathBuf,
}

impl CheckpointStore {
    /// The store in a folder, which is created with the first checkpoint.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Saves a checkpoint in place of the last one.
    ///
    /// # Errors
    /// [`TrainError::Write`] if the folder cannot be written, [`TrainError::File`] if its `checkpoint.json` cannot be read;
    /// [`TrainError::StoredType`] and [`TrainError::DuplicateName`] for tensors that cannot be stored. The last
    /// checkpoint stays loadable then.
    pub fn save(&self, iteration: u64, metadata: &Value, tensors: &[(String, Tensor)]) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(TrainError::file("create", &self.folder))?;
        let file = self.free_name(iteration)?;
        let path = self.folder.join(&file);
        let bytes = to_bytes(&path, tensors, None)?;
        let description = Description {
            version: VERSION,
            iteration,
            file,
            sha256: sha256(&bytes),
            metadata: metadata.clone(),
        };
        write_atomic(&path, &bytes)?;
        write_atomic(self.description_path(), serde_json::to_vec_pretty(&description)?)?;
        self.delete_others(&description.file);
        Ok(())
    }

    /// Loads the last checkpoint; nothing if none was saved.
    ///
    /// # Errors
    /// [`TrainError::CheckpointFormat`] and [`TrainError::CheckpointVersion`] for a `checkpoint.json` that cannot be
    /// understood, [`TrainError::CheckpointIncomplete`] and [`TrainError::CheckpointDamaged`] if the tensors it names
    /// are gone or changed, [`TrainError::File`] if a file cannot be read.
    pub fn load(&self) -> Result<Option<StoredCheckpoint>> {
        let Some(description) = self.describe()? else {
            return Ok(None);
        };
        let path = self.folder.join(&description.file);
        let Some(bytes) = read_if_there(&path)? else {
            return Err(TrainError::CheckpointIncomplete { path });
        };
        let given = sha256(&bytes);
        if given != description.sha256 {
            return Err(TrainError::CheckpointDamaged {
                path,
                given,
                expected: description.sha256,
            });
        }
        let tensors = from_bytes(&path, &bytes)?;
        Ok(Some(StoredCheckpoint {
            iteration: description.iteration,
            metadata: description.metadata,
            tensors,
        }))
    }

    fn description_path(&self) -> PathBuf {
        self.folder.join(DESCRIPTION)
    }

    fn describe(&self) -> Result<Option<Description>> {
        let path = self.description_path();
        read_if_there(&path)?
            .map(|bytes| Description::parse(&path, &bytes))
            .transpose()
    }

    /// A name for the tensors of an iteration that is not that of the last checkpoint's.
    fn free_name(&self, iteration: u64) -> Result<String> {
        let taken = match self.describe() {
            Ok(description) => description.map(|description| description.file),
            // The system may give the contents later: a checkpoint that counts may be there.
            Err(error @ TrainError::File { .. }) => return Err(error),
            // What is no description cannot be loaded at any time: there is nothing to protect.
            Err(_) => None,
        };
        let [name, other] = file_names(iteration);
        Ok(if taken.as_ref() == Some(&name) { other } else { name })
    }

    /// Deletes tensors of other checkpoints, and what interrupted saves left behind.
    fn delete_others(&self, kept: &str) {
        // The new checkpoint counts already: what cannot be deleted now is tried again with the next one.
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let unfinished = name_of_unfinished(name);
            let is_old = file_iteration(unfinished.unwrap_or(name)).is_some() || unfinished == Some(DESCRIPTION);
            if name != kept && is_old {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TrainError::file("read", path)(error)),
    }
}
