//! The files of a run.

use crate::config::{RunConfig, resolve_stored};
use crate::data_summary::{DataSource, DataSummary};
use crate::error::{Result, RunError};
use crate::model::Model;
use crate::provenance::Provenance;
use crate::run_lock::RunLock;
use candle_core::Tensor;
use ffjord_nn::load_parameters;
use ffjord_train::{CheckpointStore, Model as _, Purpose, Streams, load_tensors, save_tensors};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CONFIG: &str = "config.json";
const DATA: &str = "data.json";
const STARTED: &str = "started.json";

/// A folder with `config.json`, `data.json`, `metrics.jsonl`, a checkpoint, `model.safetensors`, `result.json` and `plots/`.
///
/// ```
/// # use ffjord_run::{DataSummary, Model, RunFolder, config::{Preset, resolve}};
/// # use ffjord_train::{Purpose, Streams};
/// # let place = tempfile::tempdir()?;
/// # let path = place.path().join("moons");
/// # let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
/// # let data = DataSummary { dimension: 2, ..DataSummary::default() };
/// let folder = RunFolder::open(&path, &config, &data, false)?;
/// let model = Model::build(&config, 2, 0, &mut Streams::new(0).rng(Purpose::Initialise, 0, 0))?;
/// folder.save_model(&model)?;
/// drop(folder);
///
/// // Whoever looks at it later.
/// let folder = RunFolder::existing(&path)?;
/// assert_eq!((folder.config()?, folder.data()?), (config.clone(), data.clone()));
/// assert_eq!(folder.model()?.dimension(), 2);
/// assert!(folder.weights().is_file() && !folder.result_path().exists() && !RunFolder::has_checkpoint(&path));
/// // A run is not written over by accident.
/// let refused = RunFolder::open(&path, &config, &data, false).unwrap_err().to_string();
/// assert!(refused.contains("continue it with --resume"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    /// Held by those who write.
    lock: Option<Arc<RunLock>>,
}

/// What a run was begun with, as its `started.json` keeps it.
///
/// ```
/// # use ffjord_run::{DataSummary, Model, RunFolder, config::{Preset, resolve}};
/// # use ffjord_train::{Purpose, Streams};
/// # let place = tempfile::tempdir()?;
/// # let path = place.path().join("moons");
/// # let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
/// # let data = DataSummary { dimension: 2, ..DataSummary::default() };
/// use ffjord_run::Started;
/// let folder = RunFolder::open(&path, &config, &data, false)?;
/// assert_eq!(folder.started()?, None);
/// let settings = vec!["model.hidden=[8]".to_string()];
/// let started = Started { preset: "toy-moons".to_string(), settings, provenance: None };
/// folder.save_started(&started)?;
/// assert_eq!(folder.started()?, Some(started));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The preset.
    pub preset: String,
    /// What `--set` changed of it.
    pub settings: Vec<String>,
    /// The program and machine of the last start; none of runs of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

impl RunFolder {
    /// A new run with this configuration, or the continuation of one with the same; no other process can open the folder
    /// as long as this one has it.
    ///
    /// A continuation may differ in what leaves the weights of an iteration as they are: where the data's file lies,
    /// `training.patience`, `checkpoint_every` and `on_failure`, and `training.iterations` where no schedule depends on
    /// them. The folder keeps the new configuration then.
    ///
    /// # Errors
    /// When the folder holds a run and `resume` is not asked for, when its configuration or data are others, when another
    /// process is at work in it, or when it cannot be written.
    pub fn open(path: &Path, config: &RunConfig, data: &DataSummary, resume: bool) -> Result<Self> {
        Self::require_free(path, resume)?;
        let mut folder = Self {
            path: path.to_path_buf(),
            lock: None,
        };
        let refuse = |reason: String| {
            Err(RunError::RunFolder {
                path: path.to_path_buf(),
                reason,
            })
        };
        if folder.config_path().exists() {
            folder.lock = Some(Arc::new(RunLock::take(path)?));
            let stored = folder.config()?;
            if let Some(difference) = difference_of(&stored, config)? {
                return refuse(difference);
            }
            if !data.agrees_with(&folder.data()?) {
                return refuse(
                    "the data have changed since this run began: restore them, or write elsewhere with --out DIR"
                        .to_string(),
                );
            }
            let (before, now) = (stored.training.options.iterations, config.training.options.iterations);
            let trained = match now < before {
                true => folder.store().load()?.map_or(0, |checkpoint| checkpoint.iteration),
                false => 0,
            };
            if now < trained {
                return refuse(format!(
                    "the run has trained {trained} iterations already, and training.iterations={now} are fewer: leave it out, \
                     or write elsewhere with --out DIR"
                ));
            }
            if stored.data.file() != config.data.file() {
                folder.write_data(config, data)?;
            }
            if stored != *config {
                folder.write_json(CONFIG, config)?;
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
        folder.lock = Some(Arc::new(RunLock::take(path)?));
        folder.write_data(config, data)?;
        folder.write_json(CONFIG, config)?;
        Ok(folder)
    }

    /// Writes what is known of the data, and where their file lies.
    fn write_data(&self, config: &RunConfig, data: &DataSummary) -> Result<()> {
        let source = config.data.file().and_then(|file| DataSource::of(file, &self.path));
        self.write_json(DATA, &DataSummary { source, ..data.clone() })
    }

    /// Keeps what the run was begun with.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_started(&self, started: &Started) -> Result<()> {
        self.write_json(STARTED, started)
    }

    /// What the run was begun with; none of runs of older programs.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn started(&self) -> Result<Option<Started>> {
        let path = self.path.join(STARTED);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(RunError::io("read", &path))?;
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| RunError::RunFolder {
                path,
                reason: format!("this file is damaged: {error}"),
            })
    }

    /// The run's configuration with its data's file where it lies now: where it lay when the run began, or at the same
    /// place relative to the folder, or as the configuration has it.
    ///
    /// # Errors
    /// When files of the folder cannot be read.
    pub fn located_config(&self) -> Result<RunConfig> {
        self.located(self.config()?)
    }

    /// As [`located_config`](Self::located_config), for a configuration whose data's file has the run's own path.
    ///
    /// # Errors
    /// As [`located_config`](Self::located_config).
    pub fn located(&self, mut config: RunConfig) -> Result<RunConfig> {
        if let Some(file) = config.data.file_mut()
            && let Some(DataSource { path, from_run }) = self.data()?.source
        {
            let mut places = [path, self.path.join(from_run)].into_iter();
            if let Some(place) = places.find(|place| place.exists()) {
                *file = place;
            }
        }
        Ok(config)
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
            lock: None,
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

    /// The result's file, which finished runs have.
    pub fn result_path(&self) -> PathBuf {
        self.path.join("result.json")
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

    /// The final weights' file.
    pub fn weights(&self) -> PathBuf {
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
        self.save_weights(&model.flow)
    }

    /// As [`save_model`](Self::save_model), of a model of any kind.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save_weights(&self, model: &impl ffjord_train::Model) -> Result<()> {
        let all = model.parameters().into_iter().chain(model.buffers());
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

    /// As [`model_from`](Self::model_from), under a configuration that differs from the run's in solver or precision alone.
    ///
    /// # Errors
    /// As [`model_from`](Self::model_from).
    pub fn model_from_under(&self, config: &RunConfig, weights: &Path) -> Result<Model> {
        self.model_with(config, load_tensors(weights)?)
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

/// In what a configuration differs from a stored one so that it is none of the same run.
fn difference_of(stored: &RunConfig, given: &RunConfig) -> Result<Option<String>> {
    let fixed_length = given.training.options.needs_total();
    let comparable = |config: &RunConfig| {
        let mut config = config.clone();
        if let Some(file) = config.data.file_mut() {
            file.clear();
        }
        let (options, own) = (&mut config.training.options, &stored.training.options);
        config.device = stored.device;
        options.patience = own.patience;
        options.patience_from = own.patience_from;
        options.checkpoint_every = own.checkpoint_every;
        options.on_failure = own.on_failure;
        if !fixed_length {
            options.iterations = own.iterations;
        }
        serde_json::to_value(config)
    };
    let (stored_value, given_value) = (comparable(stored)?, comparable(given)?);
    if stored_value == given_value {
        return Ok(None);
    }
    let more = match stored.training.options.iterations == given.training.options.iterations {
        true => "",
        false => {
            "; more iterations are possible where neither `training.schedule` nor `training.tolerance` depends on \
             their number, as in runs with --set 'training.schedule={ kind = \"constant\", rate = 1e-3 }'"
        }
    };
    Ok(Some(format!(
        "the run in this folder has another configuration ({}): resume it with the settings it was started with, or \
         without any, or write elsewhere with --out DIR{more}",
        difference(&stored_value, &given_value)
    )))
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
