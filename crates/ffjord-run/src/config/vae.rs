//! What a configuration says of a variational autoencoder.

use super::{DataConfig, ModelKind, ObjectiveConfig, RunConfig};
use serde::{Deserialize, Serialize};

/// A variational autoencoder of images: its networks, its posterior and the bound that it is trained by. What the flow of
/// the posterior is made of (`blocks`, `hidden`, `activation` and the like) stands in `model`.
///
/// ```
/// use ffjord_run::config::{PosteriorKind, Preset, VaeNetworks, resolve};
/// let vae = resolve(&Preset::find("vae-digits-quick")?, &["vae.latent=4".to_string()], None)?.vae.ok_or("a vae")?;
/// assert_eq!((vae.latent, vae.networks, vae.posterior), (4, VaeNetworks::Dense, PosteriorKind::CnfGiven));
/// assert_eq!((vae.beta, vae.samples), (1.0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaeConfig {
    /// D, the dimension of the latent state.
    pub latent: usize,
    /// The networks on both sides of it.
    #[serde(default)]
    pub networks: VaeNetworks,
    /// `dense` networks: the widths of the encoder's hidden layers; the decoder has them in the other order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub widths: Vec<usize>,
    /// `convolutional` networks: what the variances of z₀ are held between; nothing if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance_between: Option<[f64; 2]>,
    /// The flow after the encoder's Gaussian.
    pub posterior: PosteriorKind,
    /// `cnf-low-rank`: the rank of what every observation adds to the layers; 20 unless set.
    #[serde(default = "rank")]
    pub rank: usize,
    /// `sylvester-orthogonal`: the number of orthogonal columns; 8 unless set.
    #[serde(default = "eight")]
    pub columns: usize,
    /// `sylvester-householder`: the number of reflections; 8 unless set.
    #[serde(default = "eight")]
    pub reflections: usize,
    /// The distribution of pixels.
    pub likelihood: LikelihoodKind,
    /// Epochs over which the factor β of the divergence rises, in equal steps, from the first to its full value.
    #[serde(default)]
    pub warm_up_epochs: u64,
    /// β after that; 1 unless set.
    #[serde(default = "one_and_no_more")]
    pub beta: f64,
    /// Nats a latent dimension that the divergence may have without a penalty.
    #[serde(default)]
    pub free_nats: f64,
    /// Latent states an observation in training: with several, the bound of importance weighting; 1 unless set.
    #[serde(default = "one")]
    pub samples: usize,
    /// The estimator of the gradient of that bound.
    #[serde(default)]
    pub gradient: BoundGradient,
    /// The likelihood of test images by importance sampling.
    #[serde(default)]
    pub importance: ImportanceConfig,
}

fn rank() -> usize {
    20
}

fn eight() -> usize {
    8
}

fn one() -> usize {
    1
}

fn one_and_no_more() -> f64 {
    1.0
}

/// The encoder and decoder.
///
/// ```
/// use ffjord_run::config::VaeNetworks;
/// assert_eq!(VaeNetworks::default(), VaeNetworks::Convolutional);
/// assert_eq!(serde_json::from_str::<VaeNetworks>(r#""dense""#)?, VaeNetworks::Dense);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum VaeNetworks {
    /// Gated convolutions, those of the Sylvester and FFJORD papers.
    #[default]
    Convolutional,
    /// Dense layers with softplus.
    Dense,
}

/// The flow from z₀ to z_k.
///
/// ```
/// use ffjord_run::config::PosteriorKind;
/// let kind: PosteriorKind = serde_json::from_str(r#""cnf-low-rank""#)?;
/// assert!(kind == PosteriorKind::CnfLowRank && kind.is_continuous());
/// assert!(!PosteriorKind::Gaussian.is_continuous() && !PosteriorKind::Iaf.is_continuous());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PosteriorKind {
    /// None: the encoder's Gaussian is the posterior.
    Gaussian,
    /// Planar flows, `model.blocks` of them.
    Planar,
    /// Inverse autoregressive flows with masked networks of one width, `model.hidden`.
    Iaf,
    /// Sylvester flows with orthogonal columns.
    SylvesterOrthogonal,
    /// Sylvester flows with Householder reflections.
    SylvesterHouseholder,
    /// Triangular Sylvester flows.
    SylvesterTriangular,
    /// Continuous flows that are the same for all observations.
    Cnf,
    /// Continuous flows that are given the encoder's features as an input.
    CnfGiven,
    /// Continuous flows to whose layers every observation adds biases.
    CnfBias,
    /// Continuous flows to whose layers every observation adds a matrix of low rank and biases.
    CnfLowRank,
    /// Continuous flows whose last layer every observation has for itself.
    CnfLastLayer,
    /// Continuous flows all layers of which every observation has for itself.
    CnfAllLayers,
}

impl PosteriorKind {
    /// Whether an equation is solved.
    pub fn is_continuous(self) -> bool {
        !matches!(
            self,
            Self::Gaussian
                | Self::Planar
                | Self::Iaf
                | Self::SylvesterOrthogonal
                | Self::SylvesterHouseholder
                | Self::SylvesterTriangular
        )
    }
}

/// The distribution of pixels.
///
/// ```
/// use ffjord_run::config::LikelihoodKind;
/// let kind: LikelihoodKind = serde_json::from_str(r#""discretized-logistic""#)?;
/// assert_eq!(kind, LikelihoodKind::DiscretizedLogistic);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LikelihoodKind {
    /// Zeros and ones. Grey images are made binary, those for training anew in every batch: a pixel is 1 with the
    /// probability of its level.
    Bernoulli,
    /// 256 grey levels, each with a probability of its own.
    Categorical,
    /// 256 grey levels that share a smooth distribution.
    DiscretizedLogistic,
}

/// The estimator of the gradient of a bound with several latent states.
///
/// ```
/// use ffjord_run::config::{BoundGradient, Preset, resolve};
/// let vae = resolve(&Preset::find("vae-digits-quick")?, &[], None)?.vae.ok_or("a vae")?;
/// assert_eq!(vae.gradient, BoundGradient::Plain);
/// assert_eq!(serde_json::to_string(&BoundGradient::DoublyReparametrised)?, r#""doubly-reparametrised""#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BoundGradient {
    /// The bound's own.
    #[default]
    Plain,
    /// The doubly reparametrised one, of less variance for the encoder; for posteriors without a flow.
    DoublyReparametrised,
}

/// The likelihood of test images by importance sampling.
///
/// ```
/// use ffjord_run::config::ImportanceConfig;
/// let few: ImportanceConfig = serde_json::from_str(r#"{"samples": 50, "images": 10}"#)?;
/// assert_eq!((few.samples, few.at_a_time, few.images), (50, 500, Some(10)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportanceConfig {
    /// Latent states an image; 0 leaves the estimate out, 500 unless set.
    pub samples: usize,
    /// Latent states that are evaluated together; 500 unless set.
    pub at_a_time: usize,
    /// The first so many test images; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
}

impl Default for ImportanceConfig {
    fn default() -> Self {
        Self {
            samples: 500,
            at_a_time: 500,
            images: None,
        }
    }
}

/// Finds what nothing can be done with in a variational autoencoder, and what says of other models that they are one.
pub(super) fn check(config: &RunConfig) -> Result<(), String> {
    let (is_vae, bound) = (
        config.model.kind == ModelKind::Vae,
        config.objective == ObjectiveConfig::Elbo,
    );
    let vae = match (&config.vae, is_vae) {
        (None, false) if bound => return Err("at `objective`: elbo trains models of kind `vae`".to_string()),
        (None, false) => return Ok(()),
        (Some(_), false) => return Err("at `vae`: only models of kind `vae` have it; leave it out".to_string()),
        (None, true) => return Err("at `vae`: a model of kind `vae` needs this section".to_string()),
        (Some(vae), true) => vae,
    };
    let whole = |key: &str, given: usize| match given {
        0 => Err(format!("at `vae.{key}`: 0 is given: accepted is a whole number from 1")),
        _ => Ok(()),
    };
    if !bound {
        return Err("at `objective`: models of kind `vae` are trained by `elbo`".to_string());
    }
    if !matches!(config.data, DataConfig::Images(_)) {
        return Err("at `data.kind`: models of kind `vae` are of `images`".to_string());
    }
    whole("latent", vae.latent)?;
    whole("rank", vae.rank)?;
    whole("samples", vae.samples)?;
    whole("importance.at_a_time", vae.importance.at_a_time)?;
    if let Some(images) = vae.importance.images {
        whole("importance.images", images)?;
    }
    if (vae.networks == VaeNetworks::Dense) == vae.widths.is_empty() {
        return Err(
            "at `vae.widths`: dense networks have one or more hidden layers, convolutional ones none".to_string(),
        );
    }
    if let Some([least, most]) = vae.variance_between
        && !(0.0 < least && least < most && most.is_finite() && vae.networks == VaeNetworks::Convolutional)
    {
        return Err(
            "at `vae.variance_between`: accepted are two positive numbers, the smaller one first, for convolutional \
             networks"
                .to_string(),
        );
    }
    for (key, given) in [("beta", vae.beta), ("free_nats", vae.free_nats)] {
        if !(given.is_finite() && given >= 0.0) {
            return Err(format!(
                "at `vae.{key}`: {given} is given: accepted is a finite number, not negative"
            ));
        }
    }
    let options = &config.training.options;
    let parts = options.accumulate_rows.is_some() || options.shards.is_some_and(|shards| shards.get() > 1);
    if vae.free_nats > 0.0 && (vae.samples > 1 || parts) {
        return Err(
            "at `vae.free_nats`: they are of the mean divergence of a whole batch with one latent state an observation; \
             set `vae.samples=1` and leave `training.accumulate_rows` and `training.shards` out"
                .to_string(),
        );
    }
    if vae.gradient == BoundGradient::DoublyReparametrised
        && (vae.samples < 2 || vae.posterior != PosteriorKind::Gaussian || vae.beta != 1.0 || vae.warm_up_epochs > 0)
    {
        return Err(
            "at `vae.gradient`: doubly-reparametrised is for `vae.samples` from 2, `vae.posterior=gaussian` and β = 1 \
             without warm-up"
                .to_string(),
        );
    }
    if vae.posterior == PosteriorKind::Iaf && config.model.hidden.len() != 1 {
        return Err("at `model.hidden`: `vae.posterior=iaf` has one width".to_string());
    }
    Ok(())
}
