//! What a checkpoint holds of a session, and how the session goes on from it.

use super::Resume;
use super::fingerprint::{Fingerprint, model_difference};
use super::session::Session;
use crate::average;
use crate::checkpoint::{CheckpointStore, StoredCheckpoint};
use crate::error::{Result, TrainError};
use crate::model::Model;
use crate::patience::Patience;
use crate::processes::{agree, require_same};
use candle_core::{DType, Device, Tensor};
use ffjord_nn::load_parameters;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What the names of the best weights so far begin with in a checkpoint.
const BEST: &str = "best.";

/// The part of a session's state that is not tensors.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) seconds: f64,
    pub(super) failures: u64,
    pub(super) failures_in_a_row: u32,
    pub(super) patience: Patience,
    /// Whose state it is; checkpoints from before there were fingerprints have none.
    #[serde(default)]
    pub(super) run: Option<Fingerprint>,
}

/// A checkpoint taken apart.
struct Stored {
    iteration: u64,
    state: State,
    model: BTreeMap<String, Tensor>,
    best: BTreeMap<String, Tensor>,
    /// What the optimiser and the average have saved.
    others: BTreeMap<String, Tensor>,
}

impl Stored {
    fn of(checkpoint: StoredCheckpoint) -> Result<Self> {
        let (mut model, mut best, mut others) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (name, tensor) in checkpoint.tensors {
            if let Some(name) = name.strip_prefix(BEST) {
                best.insert(name.to_string(), tensor);
            } else if name.starts_with("optimizer.") || name.starts_with("average.") {
                others.insert(name, tensor);
            } else {
                model.insert(name, tensor);
            }
        }
        Ok(Self {
            iteration: checkpoint.iteration,
            state: serde_json::from_value(checkpoint.metadata)?,
            model,
            best,
            others,
        })
    }
}

impl<M: Model> Session<'_, '_, M> {
    /// Saves a checkpoint, unless the last one is of this iteration.
    pub(super) fn save(&mut self) -> Result<()> {
        let communicator = self.trainer.communicator;
        if self.saved_iteration == Some(self.iteration) {
            return Ok(());
        }
        self.compare_processes(Ok(()))?;
        let Some(store) = self.trainer.store.as_ref().filter(|_| communicator.rank() == 0) else {
            self.saved_iteration = Some(self.iteration);
            return Ok(());
        };
        let mut tensors: Vec<(String, Tensor)> = self
            .all
            .iter()
            .map(|parameter| (parameter.name.clone(), parameter.var.as_detached_tensor()))
            .collect();
        tensors.extend(self.optimizer.state()?);
        if let Some(average) = &self.average {
            tensors.extend(average.state()?);
        }
        let best = self.best.iter();
        tensors.extend(best.map(|(name, tensor)| (format!("{BEST}{name}"), tensor.clone())));
        let metadata = serde_json::to_value(&self.state)?;
        store.save(self.iteration, &metadata, &tensors)?;
        self.saved_iteration = Some(self.iteration);
        Ok(())
    }

    /// Fails on all processes unless everything went well on each of them, and all are at the same place of the same run
    /// with the same bits.
    pub(super) fn compare_processes(&self, outcome: Result<()>) -> Result<()> {
        if self.trainer.communicator.size() == 1 {
            return outcome;
        }
        let digest = outcome.and_then(|()| self.digest());
        let (_, shown) = agree(self.trainer.communicator, digest, Clone::clone)?;
        require_same(&shown, "settings or weights")
    }

    /// SHA-256 of the run, the iteration and all that training changes.
    fn digest(&self) -> Result<Vec<u8>> {
        let mut digest = Sha256::new();
        digest.update(serde_json::to_vec(&self.state.run)?);
        digest.update(self.iteration.to_le_bytes());
        let model = self.all.iter().map(|parameter| parameter.var.as_detached_tensor());
        let optimizer = self.optimizer.state()?.into_iter().map(|(_, tensor)| tensor);
        for tensor in model.chain(optimizer) {
            let tensor = tensor.to_device(&Device::Cpu)?.flatten_all()?;
            // Numbers of single precision are numbers of double precision.
            let values = tensor.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            values.iter().for_each(|value| digest.update(value.to_le_bytes()));
        }
        Ok(digest.finalize().to_vec())
    }

    /// Takes over the store's checkpoint, if there is one; the model comes last, so that an error leaves it alone.
    pub(super) fn restore(&mut self) -> Result<()> {
        let run = Fingerprint {
            seed: self.trainer.streams.seed(),
            objective: self.trainer.objective.describe(),
            options: self.trainer.options.clone(),
        };
        let stored = self.stored(&run)?;
        self.state.run = Some(run);
        let Some(mut stored) = stored else { return Ok(()) };
        self.state = State {
            run: self.state.run.take(),
            ..stored.state
        };
        self.iteration = stored.iteration;
        self.saved_iteration = Some(stored.iteration);
        self.best = stored.best;
        self.optimizer.load_state(&stored.others)?;
        if let Some(average) = &mut self.average {
            // Checkpoints from before buffers were averaged have none of these: the average starts at the buffer then.
            for buffer in &self.all[self.parameters.len()..] {
                if let Some(value) = stored.model.get(&buffer.name) {
                    let entry = stored.others.entry(average::entry(buffer));
                    entry.or_insert_with(|| value.clone());
                }
            }
            average.load_state(&stored.others)?;
        }
        self.load_model(&stored.model)
    }

    /// The checkpoint to go on from, which is of this model and of this `run`; nothing for a run that starts anew.
    fn stored(&self, run: &Fingerprint) -> Result<Option<Stored>> {
        let resume = self.trainer.resume;
        let store = self.trainer.store.as_ref().filter(|_| resume != Resume::Never);
        let folder = store.map(|store| store.folder().to_path_buf()).unwrap_or_default();
        let checkpoint = store.map(CheckpointStore::load).transpose()?.flatten();
        let Some(checkpoint) = checkpoint else {
            return match resume {
                Resume::Require => Err(TrainError::NothingToResume {
                    reason: store.map_or("the trainer has no store".to_string(), |_| {
                        format!("{} holds no checkpoint", folder.display())
                    }),
                }),
                Resume::Never | Resume::IfSame => Ok(None),
            };
        };
        let stored = Stored::of(checkpoint)?;
        if let Some(difference) = model_difference(&self.all, &stored.model) {
            return Err(TrainError::OtherModel { folder, difference });
        }
        let difference = stored.state.run.as_ref().map(|stored| run.difference(stored));
        match difference.transpose()? {
            Some(Some(difference)) => Err(TrainError::OtherRun { folder, difference }),
            None if resume == Resume::Require => Err(TrainError::NothingToResume {
                reason: format!("the checkpoint in {} does not say of which run it is", folder.display()),
            }),
            _ => Ok(Some(stored)),
        }
    }

    /// Keeps the model's present weights and buffers as the best so far.
    pub(super) fn keep_best(&mut self) -> Result<()> {
        self.best = self
            .all
            .iter()
            .map(|parameter| Ok((parameter.name.clone(), parameter.var.as_detached_tensor().copy()?)))
            .collect::<Result<_>>()?;
        Ok(())
    }

    /// Puts the best weights into the model; without any finite validation, the average or the last stay.
    pub(super) fn restore_best(&self) -> Result<()> {
        match &self.average {
            _ if !self.best.is_empty() => self.load_model(&self.best),
            Some(average) => average.apply(),
            None => Ok(()),
        }
    }

    fn load_model(&self, values: &BTreeMap<String, Tensor>) -> Result<()> {
        Ok(load_parameters(&self.all, values)?)
    }
}
