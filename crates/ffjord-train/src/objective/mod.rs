//! What training minimises.

mod assignment;
mod flow_matching;
mod maximum_likelihood;

pub use flow_matching::{FlowMatching, NoiseCoupling};
pub use maximum_likelihood::MaximumLikelihood;

use crate::batch::Batch;
use crate::error::Result;
use candle_core::{DType, Tensor};
use ffjord_flow::Pass;

/// A loss with the terms it is made of.
#[derive(Debug, Clone)]
pub struct Loss {
    /// The scalar that is differentiated.
    pub total: Tensor,
    /// Its terms before weighting, for reports: name and batch mean.
    pub terms: Vec<(String, f64)>,
}

/// A function of a model and a batch that training minimises.
///
/// ```
/// use candle_core::DType;
/// use ffjord_flow::{Bijection, Density, Flow, Pass};
/// use ffjord_train::{Batch, Loss, Objective, TrainError};
///
/// /// The negative log-likelihood with every row's part cut off at 20 nats, against outliers.
/// struct Clipped;
///
/// impl<B: Bijection> Objective<Flow<B>> for Clipped {
///     fn loss(&self, flow: &Flow<B>, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss, TrainError> {
///         let total = flow.log_prob(&batch.x, pass)?.neg()?.minimum(20.0)?.mean_all()?;
///         let value = total.to_dtype(DType::F64)?.to_scalar()?;
///         Ok(Loss { total, terms: vec![("clipped NLL".to_string(), value)] })
///     }
/// }
/// # let _ = Clipped;
/// ```
pub trait Objective<M: ?Sized>: Send + Sync {
    /// The loss of a batch; `pass` is a training pass, to which the trainer has given the batch's conditions.
    ///
    /// # Errors
    /// When a solve or a tensor operation fails; [`TrainError::own`](crate::TrainError::own) carries other errors.
    fn loss(&self, model: &M, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss>;

    /// What a checkpoint remembers of the objective: a run that resumes must have the same. The name of the type unless
    /// it says more.
    fn describe(&self) -> String {
        std::any::type_name::<Self>().to_string()
    }
}

/// The value of a scalar tensor.
pub(crate) fn scalar(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.to_dtype(DType::F64)?.to_scalar()?)
}
