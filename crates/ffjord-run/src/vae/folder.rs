//! The weights of a variational autoencoder in a run folder.

use super::model::build_vae;
use crate::config::ModelKind;
use crate::error::{Result, RunError};
use crate::run_folder::RunFolder;
use ffjord_nn::load_parameters;
use ffjord_train::{Model as _, Purpose, Streams};
use ffjord_vae::Vae;
use std::path::Path;

impl RunFolder {
    /// The run folder of a variational autoencoder at this path; none where there is another model, or no run folder.
    ///
    /// # Errors
    /// When its configuration cannot be read.
    pub fn of_vae(path: &Path) -> Result<Option<Self>> {
        if !path.join("config.json").is_file() {
            return Ok(None);
        }
        let folder = Self::existing(path)?;
        Ok((folder.config()?.model.kind == ModelKind::Vae).then_some(folder))
    }

    /// The run's variational autoencoder: its final weights, or those of the last checkpoint while it is not finished.
    ///
    /// # Errors
    /// When there are no weights, they cannot be read, or the run is of another kind of model.
    pub fn vae(&self) -> Result<Vae> {
        let config = self.config()?;
        let format = self.data()?.image.ok_or_else(|| RunError::RunFolder {
            path: self.path().to_path_buf(),
            reason: "its data.json says nothing of images: restore the file".to_string(),
        })?;
        let vae = build_vae(
            &config,
            &format,
            &mut Streams::new(config.seed).rng(Purpose::Initialise, 0, 0),
        )?;
        let mut all = vae.parameters();
        all.extend(vae.buffers());
        let mut stored = self.latest_weights()?;
        // A checkpoint also holds the optimiser's state and other weights.
        stored.retain(|name, _| all.iter().any(|parameter| &parameter.name == name));
        load_parameters(&all, &stored)?;
        Ok(vae)
    }
}
