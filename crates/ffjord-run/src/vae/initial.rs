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
/// ```
/// # use ffjord_run::{ImageFormat, Matrix, config::{Preset, resolve}, vae::build_vae};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # let settings = ["vae.widths=[8]", "vae.latent=2", "model.hidden=[4]"].map(str::to_string);
/// # let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
/// # let (streams, format) = (Streams::new(0), ImageFormat { shape: [1, 8, 8], levels: 17 });
/// # let vae = build_vae(&config, &format, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// # let images = Matrix::new(3, 64, vec![0.0_f32; 3 * 64])?;
/// use ffjord_run::vae::load_vae_weights;
/// use ffjord_train::{Model, save_tensors};
/// # let place = tempfile::tempdir()?;
/// let file = place.path().join("trained.safetensors");
/// let named = vae.parameters().into_iter().map(|parameter| (parameter.name, parameter.var.as_tensor().clone()));
/// save_tensors(&file, &named.collect::<Vec<_>>(), None)?;
/// let fresh = build_vae(&config, &format, &mut Streams::new(1).rng(Purpose::Initialise, 0, 0))?;
/// load_vae_weights(&file, &fresh)?;
/// let first = |vae: &ffjord_vae::Vae| vae.parameters()[0].var.flatten_all()?.to_vec1::<f32>();
/// assert_eq!(first(&fresh)?, first(&vae)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
