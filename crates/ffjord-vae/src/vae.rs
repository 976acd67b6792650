//! The model: an encoder, a flow after it, a decoder and a likelihood.

use crate::decoder::Decoder;
use crate::encoder::{Encoded, Encoder};
use crate::error::{Result, VaeError, check_rows};
use crate::likelihood::Likelihood;
use crate::posterior::Posterior;
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Pass, Transformed};
use ffjord_nn::Parameter;
use rand_distr::{Distribution, StandardNormal};

/// A variational autoencoder: `z₀ = μ(x) + σ(x) ε`, `z_k = f(z₀; h(x))`, `x ~ p(x | z_k)`, over a standard normal prior.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Cnf, Pass};
/// use ffjord_nn::ops::Function;
/// use ffjord_vae::{Bernoulli, DenseDecoder, DenseEncoder, FlowPosterior, Vae};
/// use rand::SeedableRng;
///
/// let (mut rng, at) = (rand_chacha::ChaCha8Rng::seed_from_u64(0), (DType::F32, Device::Cpu));
/// let encoder = DenseEncoder::new(&[64], &[32], 2, Function::Softplus, &mut rng, at.0, &at.1)?;
/// let decoder = DenseDecoder::new(&[64], &[32], 2, &Bernoulli::default(), Function::Softplus, &mut rng, at.0, &at.1)?;
/// let posterior = FlowPosterior::new(Cnf::builder(2).given(32).hidden([16]).build()?, 32)?;
/// let vae = Vae::new(encoder, posterior, decoder, Bernoulli::default())?;
///
/// let x = Tensor::zeros((5, 64), at.0, &at.1)?;
/// let elbo = vae.evaluate(&x, &mut Pass::evaluation(&mut rng))?.elbo()?;
/// assert_eq!(elbo.dims(), &[5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Parts of your own make a model whose bound is known: where z is standard normal and x normal around z with variance
/// 1, the posterior is normal around x/2 with variance 1/2, and with it the bound is `ln p(x) = ln N(x; 0, 2)`,
/// whatever the noise.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::Pass;
/// use ffjord_nn::Parameter;
/// use ffjord_vae::{Decoder, Encoded, Encoder, Likelihood, NoFlow, Result, Vae};
/// use rand::SeedableRng;
///
/// #[derive(Debug)]
/// struct Half;
/// impl Encoder for Half {
///     fn encode(&self, x: &Tensor) -> Result<Encoded> {
///         let mean = (x * 0.5)?;
///         Ok(Encoded { features: x.clone(), variance: (mean.ones_like()? * 0.5)?, mean })
///     }
///     fn observation_shape(&self) -> &[usize] { &[1] }
///     fn latent(&self) -> usize { 1 }
///     fn features(&self) -> usize { 1 }
///     fn parameters(&self) -> Vec<Parameter> { Vec::new() }
/// }
/// #[derive(Debug)]
/// struct Same;
/// impl Decoder for Same {
///     fn decode(&self, z: &Tensor) -> Result<Tensor> { Ok(z.clone()) }
///     fn latent(&self) -> usize { 1 }
///     fn parameters(&self) -> Vec<Parameter> { Vec::new() }
/// }
/// #[derive(Debug)]
/// struct Normal;
/// impl Likelihood for Normal {
///     fn parameters_per_number(&self) -> usize { 1 }
///     fn log_prob(&self, mean: &Tensor, x: &Tensor) -> Result<Tensor> {
///         let squares = (x - mean)?.sqr()?.sum(1)?;
///         Ok(((squares * -0.5)? - 0.5 * (2.0 * std::f64::consts::PI).ln())?)
///     }
///     fn mean(&self, mean: &Tensor) -> Result<Tensor> { Ok(mean.clone()) }
/// }
///
/// let vae = Vae::new(Half, NoFlow, Same, Normal)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let x = Tensor::new(&[[2.0]], &Device::Cpu)?;
/// let noise = Tensor::new(&[[0.7]], &Device::Cpu)?;
/// let elbo = vae.evaluate_with(&x, &noise, &mut Pass::evaluation(&mut rng))?.elbo()?.to_vec1::<f64>()?[0];
/// assert!((elbo + 1.0 + 0.5 * (4.0 * std::f64::consts::PI).ln()).abs() < 1e-12);
/// assert_eq!((vae.latent(), vae.observe(&x)?.to_vec2::<f64>()?), (1, vec![vec![2.0]]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Vae {
    encoder: Box<dyn Encoder>,
    posterior: Box<dyn Posterior>,
    decoder: Box<dyn Decoder>,
    likelihood: Box<dyn Likelihood>,
}

/// A batch's way through the model, with one latent state an observation.
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
/// let noise = Tensor::zeros((2, 2), DType::F64, &Device::Cpu)?;
/// let evaluated = vae.evaluate_with(&x, &noise, &mut Pass::evaluation(&mut rng))?;
/// // Without noise z₀ is the mean, and without a flow z_k is z₀.
/// assert_eq!(evaluated.start.to_vec2::<f64>()?, evaluated.encoded.mean.to_vec2::<f64>()?);
/// assert_eq!(evaluated.latent.value.to_vec2::<f64>()?, evaluated.start.to_vec2::<f64>()?);
/// let elbo = (&evaluated.log_likelihood - &evaluated.divergence)?.to_vec1::<f64>()?;
/// assert!((evaluated.elbo()?.to_vec1::<f64>()?[0] - elbo[0]).abs() < 1e-12);
/// assert_eq!(evaluated.elbo_at(0.0)?.to_vec1::<f64>()?, evaluated.log_likelihood.to_vec1::<f64>()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// What the encoder says.
    pub encoded: Encoded,
    /// z₀, `[B, D]`.
    pub start: Tensor,
    /// z_k `[B, D]` and `ln |det ∂z_k/∂z₀|` `[B]`.
    pub latent: Transformed,
    /// What the decoder says.
    pub decoded: Tensor,
    /// `ln p(x | z_k)`, `[B]`, in nats.
    pub log_likelihood: Tensor,
    /// `ln q(z_k | x) − ln p(z_k)`, `[B]`, in nats: its mean is the Kullback–Leibler divergence.
    pub divergence: Tensor,
}

impl Evaluated {
    /// `ln p(x | z) − β (ln q(z | x) − ln p(z))` of each observation, `[B]`, in nats.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn elbo_at(&self, beta: f64) -> Result<Tensor> {
        Ok((&self.log_likelihood - (&self.divergence * beta)?)?)
    }

    /// The evidence lower bound of each observation, `[B]`, in nats; with one latent state each, its mean is the bound.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn elbo(&self) -> Result<Tensor> {
        self.elbo_at(1.0)
    }
}

impl Vae {
    /// The model of these parts.
    ///
    /// # Errors
    /// [`VaeError::Parts`] when encoder and decoder have latent states of different dimensions.
    pub fn new(
        encoder: impl Encoder + 'static,
        posterior: impl Posterior + 'static,
        decoder: impl Decoder + 'static,
        likelihood: impl Likelihood + 'static,
    ) -> Result<Self> {
        if encoder.latent() != decoder.latent() {
            return Err(VaeError::Parts {
                reason: format!(
                    "the encoder has {} latent dimensions and the decoder {}: give both the same",
                    encoder.latent(),
                    decoder.latent()
                ),
            });
        }
        Ok(Self {
            encoder: Box::new(encoder),
            posterior: Box::new(posterior),
            decoder: Box::new(decoder),
            likelihood: Box::new(likelihood),
        })
    }

    /// The encoder.
    pub fn encoder(&self) -> &dyn Encoder {
        self.encoder.as_ref()
    }

    /// The flow of the posterior.
    pub fn posterior(&self) -> &dyn Posterior {
        self.posterior.as_ref()
    }

    /// The decoder.
    pub fn decoder(&self) -> &dyn Decoder {
        self.decoder.as_ref()
    }

    /// The likelihood.
    pub fn likelihood(&self) -> &dyn Likelihood {
        self.likelihood.as_ref()
    }

    /// D, the dimension of the latent state.
    pub fn latent(&self) -> usize {
        self.encoder.latent()
    }

    /// The number type and the device of the parameters; `F32` on the CPU for a model without any.
    pub fn number_type(&self) -> (DType, Device) {
        let first = self
            .encoder
            .parameters()
            .into_iter()
            .chain(self.decoder.parameters())
            .next();
        first.map_or((DType::F32, Device::Cpu), |parameter| {
            (parameter.var.dtype(), parameter.var.device().clone())
        })
    }

    /// Observations `[B, …]` with one latent state each, drawn from the pass's generator.
    ///
    /// # Errors
    /// When the batch does not fit, or a solve fails.
    pub fn evaluate(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Evaluated> {
        let rows = check_rows("batch of observations", x, self.encoder.observation_shape())?;
        let noise = self.noise(rows, pass)?;
        self.evaluate_with(x, &noise, pass)
    }

    /// The same with this noise ε `[B, D]`.
    ///
    /// # Errors
    /// When the batch or the noise does not fit, or a solve fails.
    pub fn evaluate_with(&self, x: &Tensor, noise: &Tensor, pass: &mut Pass<'_>) -> Result<Evaluated> {
        let encoded = self.encoder.encode(x)?;
        self.evaluate_encoded(x, encoded, noise, pass)
    }

    /// The same with what the encoder said, for several latent states an observation.
    ///
    /// # Errors
    /// As [`evaluate_with`](Self::evaluate_with).
    pub fn evaluate_encoded(
        &self,
        x: &Tensor,
        encoded: Encoded,
        noise: &Tensor,
        pass: &mut Pass<'_>,
    ) -> Result<Evaluated> {
        check_rows("noise", noise, &[self.latent()])?;
        let deviation = encoded.variance.sqrt()?;
        let start = (&encoded.mean + (deviation * noise)?)?;
        let latent = self.posterior.transform(&start, &encoded.features, pass)?;
        let decoded = self.decoder.decode(&latent.value)?;
        let log_likelihood = self.likelihood.log_prob(&decoded, x)?;
        // The terms in 2π of the two normal densities cancel.
        let of_start = (encoded.variance.log()? + noise.sqr()?)?.sum(1)?;
        let of_latent = latent.value.sqr()?.sum(1)?;
        let divergence = (((of_latent - of_start)? * 0.5)? - latent.log_det()?)?;
        Ok(Evaluated {
            encoded,
            start,
            latent,
            decoded,
            log_likelihood,
            divergence,
        })
    }

    /// Standard normal numbers `[rows, D]` from the pass's generator.
    pub(crate) fn noise(&self, rows: usize, pass: &mut Pass<'_>) -> Result<Tensor> {
        let (dtype, device) = self.number_type();
        let count = rows * self.latent();
        let numbers: Vec<f64> = (0..count).map(|_| StandardNormal.sample(pass.rng())).collect();
        let noise = Tensor::from_vec(numbers, (rows, self.latent()), &Device::Cpu)?;
        Ok(noise.to_dtype(dtype)?.to_device(&device)?)
    }

    /// The means of observations `[rows, …]` that latent states from the prior give.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn sample(&self, rows: usize, pass: &mut Pass<'_>) -> Result<Tensor> {
        let z = self.noise(rows, pass)?;
        self.observe(&z)
    }

    /// The means of observations that latent states z `[B, D]` give.
    ///
    /// # Errors
    /// When the batch does not fit.
    pub fn observe(&self, z: &Tensor) -> Result<Tensor> {
        self.likelihood.mean(&self.decoder.decode(z)?)
    }

    fn all_parameters(&self) -> Vec<Parameter> {
        [
            self.encoder.parameters(),
            self.posterior.parameters(),
            self.decoder.parameters(),
        ]
        .concat()
    }
}

impl ffjord_train::Model for Vae {
    fn parameters(&self) -> Vec<Parameter> {
        self.all_parameters()
    }

    fn buffers(&self) -> Vec<Parameter> {
        self.posterior.buffers()
    }

    fn end_times(&self) -> Vec<f64> {
        self.posterior.end_times()
    }

    fn sets_parameters_in_training(&self) -> bool {
        false
    }
}
