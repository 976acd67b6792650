//! What a configuration says of images and of flows of them.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A set of images.
///
/// ```
/// use ffjord_run::config::{DataConfig, ImagesConfig, Preset, resolve};
/// let config = resolve(&Preset::find("digits-quick")?, &["data.train_images=100".to_string()], None)?;
/// match config.data {
///     DataConfig::Images(ImagesConfig { set, train_images, flips, .. }) => {
///         assert_eq!((set.as_str(), train_images, flips), ("digits", Some(100), false));
///     }
///     other => return Err(format!("{other:?}").into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagesConfig {
    /// `digits`, which comes with the program, `mnist`, `fashion-mnist`, `cifar10`, `svhn`, `binarized-mnist`, `omniglot`,
    /// `frey-faces`, `caltech101-silhouettes`, or `folder` for PNG and JPEG pictures of one size, of which the last tenth is
    /// for testing and the tenth before it for validation.
    pub set: String,
    /// A folder with the publisher's files, or the pictures; the cache if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The seed of the split of sets that have no published one (`frey-faces`, `omniglot`); 123 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u32>,
    /// Train on the first so many images; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<usize>,
    /// Evaluate on the first so many test images; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_images: Option<usize>,
    /// Whether training images are turned left to right with probability one half.
    #[serde(default)]
    pub flips: bool,
}

/// A flow of images.
///
/// ```
/// use ffjord_run::config::{ImageField, ImageModelConfig};
/// let plain = ImageModelConfig::default();
/// assert_eq!((plain.alpha, plain.multiscale, plain.field), (1e-6, false, ImageField::Convolutional));
/// let net: ImageModelConfig = serde_json::from_str(r#"{"field": "u-net", "attention": true}"#)?;
/// assert!(net.field == ImageField::UNet && net.attention && net.residual_blocks == 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageModelConfig {
    /// The margin of the logit at the beginning; 0 shifts pixels by one half in its place. 1e-6 unless set. A flow with a
    /// `model.start` begins with that and has no logit.
    pub alpha: f64,
    /// Whether half of the channels leaves after every scale, with `blocks` continuous blocks before and after each squeeze.
    pub multiscale: bool,
    /// The vector field.
    pub field: ImageField,
    /// Strides of its convolutions, one a layer: 1, 2 (halves) and −2 (doubles); all 1 if there are none.
    pub strides: Vec<i64>,
    /// The scales of a parallel field; 4 unless set.
    pub scales: usize,
    /// Whether the last layer's weights are zero at the start; those of a U-Net are in any case.
    pub zero_last_layer: bool,
    /// Residual blocks of a U-Net at each resolution on the way down; 2 unless set.
    pub residual_blocks: usize,
    /// Whether the pixels of a U-Net's lowest resolution see each other.
    pub attention: bool,
    /// A flow that draws the noise within levels; uniform noise if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dequantization: Option<DequantizationConfig>,
}

/// The flow of variational dequantisation.
///
/// ```
/// use ffjord_run::config::{DequantizationConfig, ImageModelConfig};
/// let config: ImageModelConfig = serde_json::from_str(r#"{"dequantization": {"couplings": 4, "hidden": [32, 32]}}"#)?;
/// assert_eq!(config.dequantization, Some(DequantizationConfig { couplings: 4, hidden: vec![32, 32] }));
/// // Uniform noise otherwise.
/// assert_eq!(ImageModelConfig::default().dequantization, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DequantizationConfig {
    /// Couplings of checkerboards behind a first map of every pixel by itself.
    pub couplings: usize,
    /// Channels of their networks' hidden layers; the nonlinearity is the model's.
    pub hidden: Vec<usize>,
}

impl Default for ImageModelConfig {
    fn default() -> Self {
        Self {
            alpha: 1e-6,
            multiscale: false,
            field: ImageField::default(),
            strides: Vec::new(),
            scales: 4,
            zero_last_layer: false,
            residual_blocks: 2,
            attention: false,
            dequantization: None,
        }
    }
}

/// The vector field of a flow of images; `model.hidden` are its hidden layers.
///
/// ```
/// use ffjord_run::config::ImageField;
/// assert_eq!(serde_json::from_str::<ImageField>(r#""encoder-decoder""#)?, ImageField::EncoderDecoder);
/// assert_eq!(serde_json::to_string(&ImageField::UNet)?, r#""u-net""#);
/// let refused = serde_json::from_str::<ImageField>(r#""resnet""#).unwrap_err().to_string();
/// assert!(refused.contains("convolutional"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ImageField {
    /// A stack of convolutions.
    #[default]
    Convolutional,
    /// The same cut in two, for traces at the bottleneck.
    EncoderDecoder,
    /// The sum of stacks at several scales.
    Parallel,
    /// Dense layers on all pixels.
    Dense,
    /// A U-Net, with so many channels at each resolution as `model.hidden` says, the images' own first.
    #[serde(rename = "u-net")]
    UNet,
}
