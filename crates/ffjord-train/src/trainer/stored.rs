//! What a checkpoint holds of a session, and how the session goes on from it.

use super::session::Session;
use super::snapshot::assign;
use crate::error::Result;
use crate::model::Model;
use crate::patience::Patience;
use candle_core::Tensor;
use ffjord_nn::{Parameter, load_parameters};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the names of the best weights so far begin with in a checkpoint.
const BEST: &str = "best.";

/// The part of a session's state that is not tensors.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) seconds: f64,
    pub(super) failures: u64,
    pub(super) failures_in_a_row: u32,
    pub(super) patience: Patience,
    pub(super) ended_early: bool,
}

impl<M: Model> Session<'_, '_, M> {
    /// Saves a checkpoint, unless the last one is of this iteration.
    pub(super) fn save(&mut self) -> Result<()> {
        if self.saved_iteration == Some(self.iteration) {
            return Ok(());
        }
        let mut tensors: Vec<(String, Tensor)> = self
            .weights_and_buffers()
            .map(|parameter| (parameter.name.clone(), parameter.var.as_detached_tensor()))
            .collect();
        tensors.extend(self.optimizer.state()?);
        if let Some(average) = &self.average {
            tensors.extend(average.state()?);
        }
        let best = self.best.iter();
        tensors.extend(best.map(|(name, tensor)| (format!("{BEST}{name}"), tensor.clone())));
        let metadata = serde_json::to_value(&self.state)?;
        self.trainer.store.save(self.iteration, &metadata, &tensors)?;
        self.saved_iteration = Some(self.iteration);
        Ok(())
    }

    /// Takes over the store's checkpoint, if there is one; the model comes last, so that an error leaves it alone.
    pub(super) fn restore(&mut self) -> Result<()> {
        let Some(stored) = self.trainer.store.load()? else {
            return Ok(());
        };
        let mut model = BTreeMap::new();
        let mut others = BTreeMap::new();
        for (name, tensor) in stored.tensors {
            if let Some(name) = name.strip_prefix(BEST) {
                self.best.insert(name.to_string(), tensor);
            } else if name.starts_with("optimizer.") || name.starts_with("average.") {
                others.insert(name, tensor);
            } else {
                model.insert(name, tensor);
            }
        }
        self.state = serde_json::from_value(stored.metadata)?;
        self.iteration = stored.iteration;
        self.saved_iteration = Some(stored.iteration);
        self.optimizer.load_state(&others)?;
        if let Some(average) = &mut self.average {
            average.load_state(&others)?;
        }
        self.load_model(&model)
    }

    /// Keeps the model's present weights and buffers as the best so far.
    pub(super) fn keep_best(&mut self) -> Result<()> {
        self.best = self
            .weights_and_buffers()
            .map(|parameter| Ok((parameter.name.clone(), parameter.var.as_detached_tensor().copy()?)))
            .collect::<Result<_>>()?;
        Ok(())
    }

    /// Puts the best weights into the model; without any finite validation, the average or the last stay.
    pub(super) fn restore_best(&self) -> Result<()> {
        match &self.average {
            _ if !self.best.is_empty() => self.load_model(&self.best),
            Some(average) => assign(&self.parameters, average.values()),
            None => Ok(()),
        }
    }

    fn load_model(&self, values: &BTreeMap<String, Tensor>) -> Result<()> {
        let all: Vec<Parameter> = self.weights_and_buffers().cloned().collect();
        Ok(load_parameters(&all, values)?)
    }

    fn weights_and_buffers(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().chain(&self.buffers)
    }
}
