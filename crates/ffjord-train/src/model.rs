//! What the trainer needs to know of a model.

use ffjord_flow::{Bijection, Density, Flow};
use ffjord_nn::Parameter;

/// A model with trained parameters and untrained buffers, both under the names they have in checkpoints.
///
/// One of your own, a Gaussian with a trained mean, and its training:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::Pass;
/// use ffjord_nn::Parameter;
/// use ffjord_train::{Batch, FreshSamples, Loss, Model, Objective, TrainError, Trainer, TrainerOptions};
///
/// struct Gaussian { mean: Parameter }
///
/// impl Model for Gaussian {
///     fn parameters(&self) -> Vec<Parameter> { vec![self.mean.clone()] }
///     fn buffers(&self) -> Vec<Parameter> { Vec::new() }
///     fn end_times(&self) -> Vec<f64> { Vec::new() }
/// }
///
/// /// −ln p(x) but for a constant.
/// struct Squares;
///
/// impl Objective<Gaussian> for Squares {
///     fn loss(&self, model: &Gaussian, batch: &Batch, _pass: &mut Pass<'_>) -> Result<Loss, TrainError> {
///         let total = (batch.x.broadcast_sub(model.mean.var.as_tensor())?.sqr()?.mean_all()? * 0.5)?;
///         Ok(Loss { total, terms: Vec::new() })
///     }
/// }
///
/// let model = Gaussian { mean: Parameter::constant("mean", 1, 0.0, DType::F64, &Device::Cpu)? };
/// let threes = FreshSamples::new(4, DType::F64, |rows, _rng| Tensor::full(3.0, (rows, 1), &Device::Cpu));
/// Trainer::new(&model, &Squares, &threes, TrainerOptions::new(200, 0.1))?.run()?;
/// assert!((model.mean.var.to_vec1::<f64>()?[0] - 3.0).abs() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
