//! Weights of another run or of an original checkpoint, to go on from.

use crate::error::{Result, RunError};
use crate::model::Model;
use crate::original::load_original;
use crate::run_folder::RunFolder;
use candle_core::Tensor;
use ffjord_nn::{Parameter, load_parameters};
use ffjord_train::{Model as _, load_tensors};
use std::collections::BTreeMap;
use std::path::Path;

/// What the names of a flow's weights begin with; a checkpoint holds others too, such as the optimiser's.
const PREFIX: &str = "chain.";

/// Puts the weights of a run folder, a `.safetensors` file or a `.pth` checkpoint of the original implementation into a
/// model of the same architecture.
///
/// ```
/// # use ffjord_run::{Model, config::{Preset, resolve}};
/// # use ffjord_train::{Purpose, Streams};
/// # let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
/// # let streams = Streams::new(0);
/// # let model = Model::build(&config, 2, 0, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// use ffjord_run::load_initial_weights;
/// # let place = tempfile::tempdir()?;
/// let file = place.path().join("trained.safetensors");
/// model.flow.save(&file)?;
/// let fresh = Model::build(&config, 2, 0, &mut Streams::new(1).rng(Purpose::Initialise, 0, 0))?;
/// load_initial_weights(&file, &fresh)?;
/// let first = |model: &Model| ffjord_train::Model::parameters(&model.flow)[1].var.flatten_all()?.to_vec1::<f32>();
/// assert_eq!(first(&fresh)?, first(&model)?);
/// // A flow of three columns has other weights.
/// let wider = Model::build(&config, 3, 0, &mut Streams::new(1).rng(Purpose::Initialise, 0, 0))?;
/// assert!(load_initial_weights(&file, &wider).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When they cannot be read, or are those of another architecture: [`RunError::OtherWeights`] lists what differs.
pub fn load_initial_weights(from: &Path, model: &Model) -> Result<()> {
    let mut stored = if from.is_dir() {
        RunFolder::existing(from)?.latest_weights()?
    } else if from.extension().is_some_and(|extension| extension == "safetensors") {
        load_tensors(from)?
    } else {
        weights(&load_original(from)?)
    };
    stored.retain(|name, _| name.starts_with(PREFIX));
    load_parameters(&all(model), &stored).map_err(|source| RunError::OtherWeights {
        path: from.to_path_buf(),
        source,
    })
}

/// Trained weights and running statistics.
fn all(model: &Model) -> Vec<Parameter> {
    let weights = model.flow.parameters().into_iter();
    weights.chain(model.flow.buffers()).collect()
}

fn weights(model: &Model) -> BTreeMap<String, Tensor> {
    let all = all(model).into_iter();
    all.map(|parameter| (parameter.name, parameter.var.as_detached_tensor()))
        .collect()
}
