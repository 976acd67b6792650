//! What the trainer needs to know of a model.

use crate::checkpoint::{load_tensors, save_tensors};
use crate::error::Result;
use ffjord_flow::{Bijection, Flow};
use ffjord_nn::{Parameter, load_parameters};
use std::path::Path;

/// A model with trained parameters and untrained buffers, both under the names they have in checkpoints.
pub trait Model {
    /// The trained parameters, always in the same order.
    fn parameters(&self) -> Vec<Parameter>;

    /// What is saved with them but not trained, such as running statistics.
    fn buffers(&self) -> Vec<Parameter>;

    /// End times of continuous parts, for reports.
    fn end_times(&self) -> Vec<f64>;

    /// Whether a row's loss depends on the other rows of its batch, as with batch normalisation: such a model is not
    /// trained on parts of batches.
    fn uses_batch_statistics(&self) -> bool {
        false
    }

    /// Writes parameters and buffers to a safetensors file.
    ///
    /// # Errors
    /// As [`save_tensors`].
    fn save(&self, path: &Path) -> Result<()> {
        let all = self.parameters().into_iter().chain(self.buffers());
        let tensors: Vec<_> = all
            .map(|parameter| (parameter.name, parameter.var.as_detached_tensor()))
            .collect();
        save_tensors(path, &tensors, None)
    }

    /// Takes over the parameters and buffers of a file of [`save`](Self::save); nothing is changed unless all fit.
    ///
    /// # Errors
    /// As [`load_tensors`]; [`TrainError::Network`](crate::TrainError::Network) if the file is of another model.
    fn load(&self, path: &Path) -> Result<()> {
        let all: Vec<Parameter> = self.parameters().into_iter().chain(self.buffers()).collect();
        Ok(load_parameters(&all, &load_tensors(path)?)?)
    }
}

impl<B: Bijection> Model for Flow<B> {
    fn parameters(&self) -> Vec<Parameter> {
        self.bijection().parameters()
    }

    fn buffers(&self) -> Vec<Parameter> {
        self.bijection().buffers()
    }

    fn end_times(&self) -> Vec<f64> {
        self.bijection().end_times()
    }

    fn uses_batch_statistics(&self) -> bool {
        self.bijection().uses_batch_statistics()
    }
}
