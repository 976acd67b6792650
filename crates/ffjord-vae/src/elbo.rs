//! What training maximises.

use crate::doubly_reparametrised;
use crate::error::{Result, VaeError, check_positive};
use crate::vae::Vae;
use candle_core::{DType, Tensor};
use ffjord_flow::Pass;
use ffjord_train::{Batch, Loss, Objective, TrainError};

/// The evidence lower bound, or the tighter bound of several importance samples, negative and in nats an observation.
///
/// ```
/// use ffjord_vae::Elbo;
///
/// // β rises from 0 to 1 over the first 5,000 iterations, and every dimension may take 0.1 nats for nothing.
/// let objective = Elbo::default().warm_up(5_000).free_nats(0.1)?;
/// # let _ = objective;
/// # Ok::<(), ffjord_vae::VaeError>(())
/// ```
///
/// As the objective of a training; its terms are reported with it:
///
/// ```
/// # use candle_core::{DType, Device, Tensor};
/// # use ffjord_flow::Pass;
/// # use ffjord_nn::ops::Function;
/// # use ffjord_vae::{Bernoulli, DenseDecoder, DenseEncoder, NoFlow, Vae};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// # let likelihood = Bernoulli::default();
/// # let encoder = DenseEncoder::new(&[4], &[8], 2, Function::Tanh, &mut rng, DType::F64, &Device::Cpu)?;
/// # let decoder =
/// #     DenseDecoder::new(&[4], &[8], 2, &likelihood, Function::Tanh, &mut rng, DType::F64, &Device::Cpu)?;
/// # let vae = Vae::new(encoder, NoFlow, decoder, likelihood)?;
/// # let x = Tensor::new(&[[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]], &Device::Cpu)?;
/// use ffjord_train::Objective;
/// use ffjord_vae::Elbo;
/// // β = 0 leaves the reconstruction alone.
/// let loss = Elbo::default().beta(0.0)?.loss(&vae, &x.into(), &mut Pass::training(&mut rng))?;
/// let total = loss.total.to_scalar::<f64>()?;
/// assert!(loss.terms[0].0 == "reconstruction" && (total - loss.terms[0].1).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Elbo {
    warm_up: u64,
    /// Iterations over which β keeps its value while it rises.
    step: u64,
    beta: f64,
    free_nats: f64,
    samples: usize,
    doubly_reparametrised: bool,
}

impl Default for Elbo {
    /// β = 1 throughout, nothing free, one latent state an observation.
    fn default() -> Self {
        Self {
            warm_up: 0,
            step: 1,
            beta: 1.0,
            free_nats: 0.0,
            samples: 1,
            doubly_reparametrised: false,
        }
    }
}

impl Elbo {
    /// The same with β rising linearly over so many iterations (Bowman et al. 2016); none unless set.
    #[must_use]
    pub fn warm_up(mut self, iterations: u64) -> Self {
        self.warm_up = iterations;
        self
    }

    /// The same with β rising in steps of so many iterations, an epoch's for instance, and not in every one.
    ///
    /// ```
    /// use ffjord_vae::Elbo;
    /// let every_epoch = Elbo::default().warm_up(100).in_steps_of(50);
    /// // It keeps its value within an epoch, and is 1 in the end.
    /// assert_eq!(every_epoch.beta_at(0), every_epoch.beta_at(49));
    /// assert!(every_epoch.beta_at(50) > every_epoch.beta_at(49));
    /// assert_eq!(every_epoch.beta_at(1000), 1.0);
    /// ```
    #[must_use]
    pub fn in_steps_of(mut self, iterations: u64) -> Self {
        self.step = iterations.max(1);
        self
    }

    /// The same with the doubly reparametrised gradient of the bound of several samples (Tucker et al. 2019, eq. 8): that of
    /// the encoder has the same mean and less variance. It needs a posterior without a flow, and leaves β and free nats
    /// unread.
    #[must_use]
    pub fn doubly_reparametrised(mut self) -> Self {
        self.doubly_reparametrised = true;
        self
    }

    /// The same with this factor of the divergence after the warm-up.
    ///
    /// ```
    /// use ffjord_vae::Elbo;
    /// assert_eq!(Elbo::default().beta(4.0)?.beta_at(0), 4.0);
    /// assert!(Elbo::default().beta(-1.0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`VaeError::InvalidSetting`] unless it is finite and not negative.
    pub fn beta(mut self, beta: f64) -> Result<Self> {
        self.beta = not_negative("the factor of the divergence", beta)?;
        Ok(self)
    }

    /// The same with so many nats a latent dimension that the batch's mean divergence may have without a penalty (Kingma et
    /// al. 2016, section C.8, with all dimensions as one group).
    ///
    /// # Errors
    /// [`VaeError::InvalidSetting`] unless they are finite and not negative.
    pub fn free_nats(mut self, nats: f64) -> Result<Self> {
        self.free_nats = not_negative("the free nats of a dimension", nats)?;
        Ok(self)
    }

    /// The same with so many latent states an observation and the bound `ln 1/S Σ w` (Burda et al. 2016, eq. 8).
    ///
    /// ```
    /// # use candle_core::{DType, Device, Tensor};
    /// # use ffjord_flow::Pass;
    /// # use ffjord_nn::ops::Function;
    /// # use ffjord_vae::{Bernoulli, DenseDecoder, DenseEncoder, NoFlow, Vae};
    /// # use rand::SeedableRng;
    /// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// # let likelihood = Bernoulli::default();
    /// # let encoder = DenseEncoder::new(&[4], &[8], 2, Function::Tanh, &mut rng, DType::F64, &Device::Cpu)?;
    /// # let decoder =
    /// #     DenseDecoder::new(&[4], &[8], 2, &likelihood, Function::Tanh, &mut rng, DType::F64, &Device::Cpu)?;
    /// # let vae = Vae::new(encoder, NoFlow, decoder, likelihood)?;
    /// # let x = Tensor::new(&[[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]], &Device::Cpu)?;
    /// use ffjord_train::Objective;
    /// use ffjord_vae::Elbo;
    /// let loss = Elbo::default().samples(5)?.loss(&vae, &x.into(), &mut Pass::training(&mut rng))?;
    /// assert!(loss.total.to_scalar::<f64>()? > 0.0);
    /// assert!(Elbo::default().samples(0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`VaeError::InvalidSetting`] for none.
    pub fn samples(mut self, samples: usize) -> Result<Self> {
        check_positive("the number of samples", samples)?;
        self.samples = samples;
        Ok(self)
    }

    /// β in an iteration, counted from 0.
    #[must_use]
    pub fn beta_at(&self, iteration: u64) -> f64 {
        match self.warm_up {
            0 => self.beta,
            warm_up => {
                let step = (iteration / self.step + 1).saturating_mul(self.step);
                self.beta * (step as f64 / warm_up as f64).min(1.0)
            }
        }
    }
}

fn not_negative(setting: &'static str, given: f64) -> Result<f64> {
    if given.is_finite() && given >= 0.0 {
        return Ok(given);
    }
    Err(VaeError::InvalidSetting {
        setting,
        given: given.to_string(),
        accepted: "a finite number, not negative",
    })
}

/// `ln Σₛ eˣ` over the first axis of `[S, B]`.
pub(crate) fn log_sum_exp(x: &Tensor) -> Result<Tensor> {
    let largest = x.detach().max_keepdim(0)?;
    let sum = x.broadcast_sub(&largest)?.exp()?.sum(0)?;
    Ok((sum.log()? + largest.squeeze(0)?)?)
}

pub(crate) fn mean(values: &Tensor) -> Result<f64> {
    Ok(values.mean_all()?.to_dtype(DType::F64)?.to_scalar()?)
}

impl Elbo {
    fn of(&self, model: &Vae, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss> {
        if self.doubly_reparametrised {
            return doubly_reparametrised::loss(model, batch, self.samples, pass);
        }
        let beta = self.beta_at(pass.iteration());
        let rows = batch.x.dim(0)?;
        let x = Tensor::cat(&vec![&batch.x; self.samples], 0)?;
        let encoded = model.encoder().encode(&batch.x)?.repeated(self.samples)?;
        let noise = model.noise(self.samples * rows, pass)?;
        let evaluated = model.evaluate_encoded(&x, encoded, &noise, pass)?;
        let terms = vec![
            ("reconstruction".to_string(), -mean(&evaluated.log_likelihood)?),
            ("divergence".to_string(), mean(&evaluated.divergence)?),
            ("beta".to_string(), beta),
        ];
        let total = match self.samples {
            1 => {
                let divergence = evaluated.divergence.mean_all()?;
                let charged = divergence.maximum(self.free_nats * model.latent() as f64)?;
                ((charged * beta)? - evaluated.log_likelihood.mean_all()?)?
            }
            samples => {
                let log_weights = evaluated.elbo_at(beta)?.reshape((samples, rows))?;
                let bound = (log_sum_exp(&log_weights)? - (samples as f64).ln())?;
                bound.mean_all()?.neg()?
            }
        };
        Ok(Loss { total, terms })
    }
}

impl Objective<Vae> for Elbo {
    fn loss(&self, model: &Vae, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss, TrainError> {
        Ok(self.of(model, batch, pass)?)
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}
