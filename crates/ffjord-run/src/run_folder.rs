//! The files of a run.

use crate::config::{RunConfig, resolve_stored};
use crate::error::{Result, RunError};
use crate::given::GivenColumns;
use crate::model::Model;
use candle_core::Tensor;
use ffjord_data::Standardizer;
use ffjord_nn::load_parameters;
use ffjord_train::{CheckpointStore, Model as _, Purpose, Streams, load_tensors, save_tensors};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const CONFIG: &str = "config.json";
const DATA: &str = "data.json";

/// What a model must know of the data it was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// The dimension D of a row.
    pub dimension: usize,
    /// Means and standard deviations of a row's columns in original units, for tables.
    pub scales: Option<(Vec<f64>, Vec<f64>)>,
    /// What rows are given, in conditional runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<GivenColumns>,
    /// What images look like, for images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageFormat>,
}

/// The shape and levels of a run's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFormat {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Levels of a pixel: its numbers are (k + u) / levels.
    pub levels: usize,
}

impl ImageFormat {
    /// Bits per dimension of a mean negative log-likelihood in nats: that of the levels, whose probability the density of
    /// dequantised pixels bounds from below.
    pub fn bits_per_dimension(&self, nll: f64) -> f64 {
        let dimension = self.shape.iter().product::<usize>() as f64;
        (nll / dimension + (self.levels as f64).ln()) / std::f64::consts::LN_2
    }

    /// The same of a difference or an error, in nats.
    pub fn bits_of(&self, nats: f64) -> f64 {
        nats / (self.shape.iter().product::<usize>() as f64 * std::f64::consts::LN_2)
    }
}

impl DataSummary {
    /// The number of columns that a row is given.
    pub fn given_len(&self) -> usize {
        self.given.as_ref().map_or(0, |given| given.names.len())
    }

    /// The map from original units to the model's, for tables.
    ///
    /// # Errors
    /// When the scales cannot be used.
    pub fn standardizer(&self) -> Result<Option<Standardizer>> {
        self.scales
            .clone()
            .map(|(means, stds)| Ok(Standardizer::new(means, stds)?))
            .transpose()
    }
}

/// A folder with `config.json`, `data.json`, `metrics.jsonl`, a checkpoint, `model.safetensors`, `result.json` and `plots/`.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// A new run with this configuration, or the continuation of one with the same.
    ///
    /// # Errors
    /// When the folder holds a run and `resume` is not asked for, when its configuration or data are others, or when it
    /// cannot be written.
    pub fn open(path: &Path, config: &RunConfig, data: &DataSummary, resume: bool) -> Result<Self> {
        let folder = Self {
            path: path.to_path_buf(),
        };
        let refuse = |reason: String| {
            Err(RunError::RunFolder {
                path: path.to_path_buf(),
                reason,
            })
        };
        Self::require_free(path, resume)?;
        if folder.config_path().exists() {
            let stored = folder.config()?;
            if stored != *config {
                return refuse(format!(
                    "the run in this folder has another configuration ({}): resume it with the settings it was \
                     started with, or write elsewhere with --out DIR",
                    difference(&serde_json::to_value(&stored)?, &serde_json::to_value(config)?)
                ));
            }
            if folder.data()? != *data {
                return refuse(
                    "the data have changed since this run began: restore them, or write elsewhere with --out DIR"
                        .to_string(),
                );
            }
            return Ok(folder);
        }
        if Self::has_checkpoint(path) {
            return refuse(
                "this folder holds a checkpoint but no config.json that says of what: restore the file, or write \
                 elsewhere with --out DIR"
                    .to_string(),
            );
        }
        fs::create_dir_all(folder.plots()).map_err(RunError::io("create", &folder.plots()))?;
        folder.write_json(DATA, data)?;
        folder.write_json(CONFIG, config)?;
        Ok(folder)
    }

    /// Whether a folder holds a checkpoint to go on from.
    pub fn has_checkpoint(path: &Path) -> bool {
        path.join("checkpoint.json").exists()
    }

    /// Fails for a folder that holds a run, unless that is to be resumed.
    ///
    /// # Errors
    /// [`RunError::RunFolder`].
    pub fn require_free(path: &Path, resume: bool) -> Result<()> {
        if resume || !path.join(CONFIG).exists() {
            return Ok(());
        }
        Err(RunError::RunFolder {
            path: path.to_path_buf(),
            reason: "this folder holds a run already: continue it with --resume, or write elsewhere with --out DIR"
                .to_string(),
        })
    }

    /// A folder that holds a run.
    ///
    /// # Errors
    /// When it does not.
    pub fn existing(path: &Path) -> Result<Self> {
        let folder = Self {
            path: path.to_path_buf(),
        };
        if !folder.config_path().is_file() {
            return Err(RunError::RunFolder {
                path: path.to_path_buf(),
                reason: "this is no run folder: it has no config.json. Accepted are the folders that `cargo xtask \
                         experiment` writes"
                    .to_string(),
            });
        }
        Ok(folder)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The metrics' file.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The pictures' folder.
    pub fn plots(&self) -> PathBuf {
        self.path.join("plots")
    }

    /// The checkpoints.
    pub fn store(&self) -> CheckpointStore {
        CheckpointStore::new(&self.path)
    }

    fn config_path(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    fn weights(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// The stored configuration.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn config(&self) -> Result<RunConfig> {
        let path = self.config_path();
        let text = fs::read_to_string(&path).map_err(RunError::io("read", &path))?;
        resolve_stored(&text, &path.display().to_string())
    }

    /// Writes a JSON file of the folder in one step.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        Ok(ffjord_files::write_atomic(self.path.join(name), text)?)
    }

    /// Saves the weights that evaluation uses.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save_model(&self, model: &Model) -> Result<()> {
        let all = model.flow.parameters().into_iter().chain(model.flow.buffers());
        let tensors: Vec<_> = all
            .map(|parameter| (parameter.name, parameter.var.as_detached_tensor()))
            .collect();
        Ok(save_tensors(&self.weights(), &tensors, None)?)
    }

    /// What the run's data are.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn data(&self) -> Result<DataSummary> {
        let path = self.path.join(DATA);
        let text = fs::read_to_string(&path).map_err(RunError::io("read", &path))?;
        serde_json::from_str(&text).map_err(|error| RunError::RunFolder {
            path,
            reason: format!("this file is damaged: {error}"),
        })
    }

    /// The run's model: its final weights, or those of the last checkpoint while it is not finished.
    ///
    /// # Errors
    /// When there are no weights, or they cannot be read.
    pub fn model(&self) -> Result<Model> {
        self.model_with(&self.config()?, self.latest_weights()?)
    }

    /// The run's model under a configuration that differs from the run's in solver or precision alone.
    ///
    /// # Errors
    /// As [`RunFolder::model`].
    pub fn model_under(&self, config: &RunConfig) -> Result<Model> {
        self.model_with(config, self.latest_weights()?)
    }

    /// The final weights, or the last checkpoint's with all that is stored beside them.
    ///
    /// # Errors
    /// When there are none, or they cannot be read.
    pub fn latest_weights(&self) -> Result<BTreeMap<String, Tensor>> {
        if self.weights().is_file() {
            return Ok(load_tensors(&self.weights())?);
        }
        let checkpoint = self.store().load()?.ok_or_else(|| RunError::RunFolder {
            path: self.path.clone(),
            reason: "the run has no weights yet: train it first, for example with `cargo xtask experiment … --resume`"
                .to_string(),
        })?;
        Ok(checkpoint.tensors)
    }

    /// The run's model with the weights of a `.safetensors` file.
    ///
    /// # Errors
    /// When the file cannot be read or holds the weights of another model.
    pub fn model_from(&self, weights: &Path) -> Result<Model> {
        self.model_with(&self.config()?, load_tensors(weights)?)
    }

    fn model_with(&self, config: &RunConfig, mut stored: BTreeMap<String, Tensor>) -> Result<Model> {
        let mut rng = Streams::new(config.seed).rng(Purpose::Initialise, 0, 0);
        let data = self.data()?;
        let model = Model::for_data(config, &data, &mut rng)?;
        let all: Vec<_> = model
            .flow
            .parameters()
            .into_iter()
            .chain(model.flow.buffers())
            .collect();
        // A checkpoint also holds the optimiser's state and other weights.
        stored.retain(|name, _| all.iter().any(|parameter| &parameter.name == name));
        load_parameters(&all, &stored)?;
        Ok(model)
    }
}

/// The first place where two configurations differ.
fn difference(stored: &serde_json::Value, given: &serde_json::Value) -> String {
    match (stored, given) {
        (serde_json::Value::Object(stored), serde_json::Value::Object(given)) => {
            let keys = stored
                .keys()
                .chain(given.keys().filter(|key| !stored.contains_key(*key)));
            for key in keys {
                let (a, b) = (stored.get(key), given.get(key));
                if a != b {
                    let null = serde_json::Value::Null;
                    let inner = difference(a.unwrap_or(&null), b.unwrap_or(&null));
                    return if inner.starts_with('=') {
                        format!("{key} {inner}")
                    } else {
                        format!("{key}.{inner}")
                    };
                }
            }
            String::new()
        }
        _ => format!("= {stored} there, {given} now"),
    }
}
