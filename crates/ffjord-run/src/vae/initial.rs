//! Weights of another run or of the released code, to go on from.

use crate::error::{Result, RunError};
use crate::original::state_dict;
use crate::run_folder::RunFolder;
use ffjord_nn::{Parameter, load_parameters};
use ffjord_train::{Model as _, load_tensors};
use ffjord_vae::Vae;
use std::path::Path;

/// What a model has and the released code has not: its end times are fixed.
const END_TIME: &str = "sqrt_end_time";

/// Puts the weights of a run folder, of a `.safetensors` file or of a state dictionary of the released code (`.pth`) into a
/// model of the same architecture. The names are the released code's.
///
/// # Errors
/// When they cannot be read: a module that was pickled whole is refused with the line of Python that saves its state
/// dictionary; [`RunError::OtherWeights`] says what differs from the model.
pub fn load_vae_weights(from: &Path, vae: &Vae) -> Result<()> {
    let mut stored = if from.is_dir() {
        RunFolder::existing(from)?.latest_weights()?
    } else if from.extension().is_some_and(|extension| extension == "safetensors") {
        load_tensors(from)?
    } else {
        state_dict(from)?
    };
    let all: Vec<Parameter> = vae.parameters().into_iter().chain(vae.buffers()).collect();
    stored.retain(|name, _| all.iter().any(|parameter| &parameter.name == name));
    for parameter in all.iter().filter(|parameter| parameter.name.ends_with(END_TIME)) {
        let own = parameter.var.as_detached_tensor().copy()?;
        stored.entry(parameter.name.clone()).or_insert(own);
    }
    load_parameters(&all, &stored).map_err(|source| RunError::OtherWeights {
        path: from.to_path_buf(),
        source,
    })
}
