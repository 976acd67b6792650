//! What the trainer needs to know of a model.

use ffjord_flow::{Bijection, Density, Flow};
use ffjord_nn::Parameter;

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

    /// Whether the loss of a batch may set parameters, as activation normalisation does at first: then they are copied
    /// before every iteration, so that one that fails leaves everything as it was. Buffers always are.
    fn sets_parameters_in_training(&self) -> bool {
        true
    }
}

impl<B: Bijection, D: Density> Model for Flow<B, D> {
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

    fn sets_parameters_in_training(&self) -> bool {
        self.bijection().sets_parameters_in_training()
    }
}
