#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod decoder;
mod doubly_reparametrised;
mod elbo;
mod encoder;
mod error;
mod importance;
mod layers;
pub mod likelihood;
pub mod posterior;
mod vae;

pub use decoder::{ConvDecoder, Decoder, DenseDecoder};
pub use elbo::Elbo;
pub use encoder::{ConvEncoder, DenseEncoder, Encoded, Encoder};
pub use error::{Result, VaeError};
pub use importance::ImportanceEstimate;
pub use likelihood::{Bernoulli, Categorical, DiscretizedLogistic, Likelihood};
pub use posterior::{AmortisedCnf, FlowPosterior, Iaf, NoFlow, Orthogonal, Planar, Posterior, Sylvester};
pub use vae::{Evaluated, Vae};
