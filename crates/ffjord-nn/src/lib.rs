#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod activation;
mod amortised;
mod bottleneck;
mod check;
mod conv_net;
mod dual;
mod encoder_decoder;
mod error;
mod feed_forward;
mod field;
mod kernel;
mod layer;
mod linearization;
mod mlp;
pub mod ops;
mod parallel;
mod parameter;
mod residual;
mod spectral;
mod stack;
pub mod text;
mod unet;
mod zero_start;

/// The version of `rand` whose generators this crate takes.
pub use rand;

pub use activation::ActivationKind;
pub use amortised::{Amortisation, AmortisedMlp, AmortisedMlpConfig};
pub use check::{FieldCheck, check_field};
pub use conv_net::{ConvNet, ConvNetConfig};
pub use dual::Dual;
pub use encoder_decoder::EncoderDecoder;
pub use error::{NnError, Result};
pub use feed_forward::{AutoregressiveConfig, FeedForward, FeedForwardConfig, ImageFeedForward};
pub use field::{Along, VectorField};
pub use kernel::FieldKernel;
pub use layer::{LayerKind, Stride};
pub use linearization::{Cotangents, Linearization, OutputCotangents, Request, Tangents};
pub use mlp::{Mlp, MlpConfig};
pub use parallel::Parallel;
pub use parameter::{Parameter, ParameterBuilder, load_parameters};
pub use residual::Residual;
pub use spectral::{bound_spectral_norms, spectral_norm};
pub use unet::{UNet, UNetConfig};
pub use zero_start::{zero_field, zero_last_layer};
