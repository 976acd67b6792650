//! What training minimises.

mod assignment;
mod flow_matching;
mod maximum_likelihood;

pub use flow_matching::{FlowMatching, NoiseCoupling};
pub use maximum_likelihood::MaximumLikelihood;

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
pub trait Objective<M: ?Sized>: Send + Sync {
    /// The loss of a batch `[B, …]`; `pass` is a training pass.
    ///
    /// # Errors
    /// When a solve or a tensor operation fails.
    fn loss(&self, model: &M, batch: &Tensor, pass: &mut Pass<'_>) -> Result<Loss>;
}

/// The value of a scalar tensor.
pub(crate) fn scalar(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.to_dtype(DType::F64)?.to_scalar()?)
}
