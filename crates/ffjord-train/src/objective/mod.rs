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
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Cnf, Flow, Pass, PathIntegral};
/// use ffjord_train::{MaximumLikelihood, Objective};
/// use rand::SeedableRng;
///
/// let cnf = Cnf::builder(2).hidden([8]).dtype(DType::F64).integrals([PathIntegral::Kinetic]).build()?;
/// let flow = Flow::over_normal(cnf)?;
/// let x = Tensor::ones((3, 2), DType::F64, &Device::Cpu)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let objective = MaximumLikelihood::new(vec![(PathIntegral::Kinetic, 0.01)]);
/// let loss = objective.loss(&flow, &x.into(), &mut Pass::training(&mut rng))?;
/// // The negative log-likelihood, and the integral before weighting.
/// let total: f64 = loss.total.to_scalar()?;
/// assert_eq!(loss.terms.len(), 2);
/// assert!((total - (loss.terms[0].1 + 0.01 * loss.terms[1].1)).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

    /// What has to be drawn for all rows of a batch together, as tensors `[B, …]` with a row for each of them: nothing unless
    /// the objective says so.
    ///
    /// The trainer draws once and then asks for the loss of one part of the rows after another, where
    /// [`accumulate_rows`](crate::TrainerOptions::accumulate_rows) cuts batches into parts.
    ///
    /// # Errors
    /// As [`loss`](Self::loss).
    fn draw(&self, model: &M, batch: &Batch, pass: &mut Pass<'_>) -> Result<Vec<Tensor>> {
        let _ = (model, batch, pass);
        Ok(Vec::new())
    }

    /// The loss of rows for which `drawn` is theirs of what was [drawn](Self::draw).
    ///
    /// # Errors
    /// As [`loss`](Self::loss).
    fn loss_of_part(&self, model: &M, rows: &Batch, drawn: &[Tensor], pass: &mut Pass<'_>) -> Result<Loss> {
        let _ = drawn;
        self.loss(model, rows, pass)
    }

    /// What a checkpoint remembers of the objective: a run that resumes must have the same. The name of the type unless
    /// it says more.
    ///
    /// ```
    /// use ffjord_flow::{Cnf, Flow, PathIntegral};
    /// use ffjord_train::{MaximumLikelihood, Objective};
    /// let describe = |weight| {
    ///     let objective = MaximumLikelihood::new(vec![(PathIntegral::Kinetic, weight)]);
    ///     Objective::<Flow<Cnf>>::describe(&objective)
    /// };
    /// // Runs with other weights are other runs.
    /// assert_ne!(describe(0.01), describe(0.02));
    /// ```
    fn describe(&self) -> String {
        std::any::type_name::<Self>().to_string()
    }
}

/// The value of a scalar tensor.
pub(crate) fn scalar(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.to_dtype(DType::F64)?.to_scalar()?)
}
