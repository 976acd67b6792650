//! What makes two runs the same, and the first thing in which they differ.

use super::options::{FailurePolicy, TrainerOptions};
use crate::error::Result;
use crate::state::describe;
use candle_core::Tensor;
use ffjord_nn::Parameter;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a run's weights follow from, besides its data; the model is known by the tensors that are saved with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    pub(super) seed: u64,
    pub(super) objective: String,
    pub(super) options: TrainerOptions,
}

impl Fingerprint {
    /// The first difference to that of a checkpoint, in words.
    pub(super) fn difference(&self, stored: &Self) -> Result<Option<String>> {
        let fixed_length = self.options.needs_total();
        Ok(first_difference(
            "",
            &stored.comparable(fixed_length)?,
            &self.comparable(fixed_length)?,
        ))
    }

    /// Without what leaves the weights after an iteration as they are.
    fn comparable(&self, fixed_length: bool) -> Result<Value> {
        let mut same = self.clone();
        same.options.patience = None;
        same.options.patience_from = 0;
        same.options.checkpoint_every = 1;
        same.options.on_failure = FailurePolicy::Skip;
        if !fixed_length {
            same.options.iterations = 1;
        }
        Ok(serde_json::to_value(same)?)
    }
}

fn first_difference(path: &str, stored: &Value, present: &Value) -> Option<String> {
    if stored == present {
        return None;
    }
    if let (Value::Object(stored), Value::Object(present)) = (stored, present) {
        let keys = stored.keys().chain(present.keys());
        return keys.into_iter().find_map(|key| {
            let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            first_difference(&path, &of(stored), &of(present))
        });
    }
    Some(format!("`{path}` is {stored} in the checkpoint and {present} now"))
}

/// The first difference between the tensors of a model and those that were saved of one, in words.
pub(super) fn model_difference(model: &[Parameter], stored: &BTreeMap<String, Tensor>) -> Option<String> {
    let misfits = model
        .iter()
        .filter_map(|Parameter { name, var }| match stored.get(name) {
            None => Some(format!("the model's `{name}` is not in it")),
            Some(tensor) if tensor.shape() != var.shape() || tensor.dtype() != var.dtype() => Some(format!(
                "`{name}` is {} in it and {} in the model",
                describe(tensor),
                describe(var)
            )),
            Some(_) => None,
        });
    let known = |name: &String| model.iter().any(|parameter| parameter.name == *name);
    let unknown = stored.keys().filter(|name| !known(name));
    let mut all = misfits.chain(unknown.map(|name| format!("the model has no `{name}`")));
    let first = all.next()?;
    Some(match all.count() {
        0 => first,
        more => format!("{first}, and {more} more differences"),
    })
}
