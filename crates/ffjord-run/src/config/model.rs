//! What a configuration says of the flow.

use super::StartConfig;
use super::image::ImageModelConfig;
use ffjord_nn::{ActivationKind, LayerKind};
use serde::{Deserialize, Serialize};

/// Floating-point precision of a model.
///
/// ```
/// use ffjord_run::config::Precision;
/// let precision: Precision = serde_json::from_str(r#""f64""#)?;
/// assert_eq!((precision, precision.name()), (Precision::F64, "f64"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Precision {
    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

/// The family of flows.
///
/// ```
/// use ffjord_run::config::{ModelKind, Preset, resolve};
/// let kind = |preset: &str| resolve(&Preset::find(preset)?, &[], None).map(|config| config.model.kind);
/// assert_eq!((kind("toy-moons")?, kind("toy-moons-maf")?), (ModelKind::Cnf, ModelKind::Maf));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ModelKind {
    /// A continuous flow; what configurations without a kind describe.
    #[default]
    Cnf,
    /// Real NVP.
    RealNvp,
    /// Glow for vectors.
    Glow,
    /// A masked autoregressive flow.
    Maf,
    /// One autoregressive product of Gaussians.
    Made,
    /// Couplings of rational-quadratic splines.
    Spline,
    /// A variational autoencoder: the section `vae` says more, and what follows is of the flow of its posterior.
    Vae,
}

/// The flow.
///
/// ```
/// use ffjord_run::config::{Preset, resolve};
/// let settings = ["model.hidden=[16]", "model.end_time=2.0"].map(str::to_string);
/// let model = resolve(&Preset::find("toy-moons")?, &settings, None)?.model;
/// assert_eq!((model.blocks, model.hidden, model.end_time), (1, vec![16], Some(2.0)));
/// // What no configuration can mean is refused with its key.
/// let refused = resolve(&Preset::find("toy-moons")?, &["model.end_time=-1.0".to_string()], None).unwrap_err();
/// assert!(refused.to_string().contains("end_time"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The family.
    #[serde(default)]
    pub kind: ModelKind,
    /// Continuous blocks, couplings or autoregressive maps, one after the other.
    pub blocks: usize,
    /// Widths of the networks' hidden layers.
    pub hidden: Vec<usize>,
    /// The nonlinearity between layers.
    #[serde(with = "ffjord_nn::text")]
    pub activation: ActivationKind,
    /// Floating-point precision.
    pub precision: Precision,
    /// Maps before the flow that are fitted to the training rows; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartConfig>,
    /// `cnf`, `vae`: how every layer depends on time; concatsquash if absent.
    #[serde(with = "ffjord_nn::text::option", default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerKind>,
    /// `cnf`, `vae`: whether the field is `f(z, t) − z`.
    #[serde(default)]
    pub residual: bool,
    /// `cnf`: whether fields are zero at the start of training, so that a flow begins as the maps that it starts with; flows of
    /// images have `model.image.zero_last_layer`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_field: bool,
    /// `cnf`: whether moving batch normalisation stands before, between and after the blocks.
    #[serde(default)]
    pub batch_norm: bool,
    /// `cnf`, `vae`: the end time T of every block at the start of training; 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<f64>,
    /// `cnf`, `vae`: whether T is trained.
    #[serde(default)]
    pub learn_end_time: bool,
    /// `cnf`: what flows of images have besides; for data that are images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageModelConfig>,
    /// `spline`: the pieces of a spline; 8 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bins: Option<usize>,
    /// `spline`: half the interval that is transformed; 3 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail_bound: Option<f64>,
}

impl ModelConfig {
    /// A key that is given but belongs to other kinds of flows, and the kind that it belongs to.
    pub(super) fn foreign_key(&self) -> Option<(&'static str, &'static str)> {
        let keys = [
            ("layer", ModelKind::Cnf, "cnf", self.layer.is_some()),
            ("residual", ModelKind::Cnf, "cnf", self.residual),
            ("zero_field", ModelKind::Cnf, "cnf", self.zero_field),
            ("batch_norm", ModelKind::Cnf, "cnf", self.batch_norm),
            ("end_time", ModelKind::Cnf, "cnf", self.end_time.is_some()),
            ("learn_end_time", ModelKind::Cnf, "cnf", self.learn_end_time),
            ("bins", ModelKind::Spline, "spline", self.bins.is_some()),
            ("tail_bound", ModelKind::Spline, "spline", self.tail_bound.is_some()),
        ];
        // A posterior may be a continuous flow.
        let of_posterior =
            |key: &str| self.kind == ModelKind::Vae && !["batch_norm", "image", "zero_field"].contains(&key);
        keys.into_iter()
            .find(|(key, kind, _, given)| {
                let own = *kind == self.kind || (*kind == ModelKind::Cnf && of_posterior(key));
                *given && !own
            })
            .map(|(key, _, name, _)| (key, name))
    }
}
