//! Flows from z₀ to z_k, which make a posterior of the encoder's Gaussian.

mod amortised;
mod flow;
mod iaf;
mod none;
mod planar;
mod sylvester;

pub use amortised::AmortisedCnf;
pub use flow::FlowPosterior;
pub use iaf::Iaf;
pub use none::NoFlow;
pub use planar::{Planar, PlanarNumbers};
pub use sylvester::{Orthogonal, Sylvester, SylvesterNumbers};

use crate::error::Result;
use candle_core::Tensor;
use ffjord_flow::{Pass, Transformed};
use ffjord_nn::Parameter;

/// A map of latent states, different for every observation: z₀ `[B, D]` and the encoder's features h `[B, F]` give z_k and
/// `ln |det ∂z_k/∂z₀|` `[B]`.
///
/// ```
/// use candle_core::Tensor;
/// use ffjord_flow::{Pass, Transformed};
/// use ffjord_nn::Parameter;
/// use ffjord_vae::{Posterior, Result};
///
/// /// z_k = 2 z₀.
/// #[derive(Debug)]
/// struct Double;
///
/// impl Posterior for Double {
///     fn transform(&self, z: &Tensor, _features: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
///         let (rows, dimension) = z.dims2()?;
///         let log_det = Tensor::full(dimension as f64 * 2f64.ln(), rows, z.device())?.to_dtype(z.dtype())?;
///         Ok(Transformed::new((z * 2.0)?, log_det))
///     }
///     fn parameters(&self) -> Vec<Parameter> { Vec::new() }
/// }
/// # let _: Box<dyn Posterior> = Box::new(Double);
/// ```
pub trait Posterior: std::fmt::Debug + Send + Sync {
    /// z_k with the log-determinants, in nats.
    ///
    /// # Errors
    /// When the batch does not fit, or a solve fails.
    fn transform(&self, z: &Tensor, features: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed>;

    /// The parameters in a fixed order, under their checkpoint names.
    fn parameters(&self) -> Vec<Parameter>;

    /// What is saved with them but not trained.
    fn buffers(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// End times of continuous parts, for reports.
    fn end_times(&self) -> Vec<f64> {
        Vec::new()
    }
}

impl<P: Posterior + ?Sized> Posterior for Box<P> {
    fn transform(&self, z: &Tensor, features: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        self.as_ref().transform(z, features, pass)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.as_ref().parameters()
    }

    fn buffers(&self) -> Vec<Parameter> {
        self.as_ref().buffers()
    }

    fn end_times(&self) -> Vec<f64> {
        self.as_ref().end_times()
    }
}
