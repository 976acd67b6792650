//! Variational autoencoders as runs: their model, data, evaluation and weights.

mod data;
mod evaluation;
mod folder;
mod importance;
mod initial;
mod model;
mod results;

pub use data::VaeData;
pub use evaluation::{Bounds, LatentUnits, bounds, latent_units};
pub use importance::{ImageLikelihoods, importance};
pub use initial::load_vae_weights;
pub use model::{build_vae, elbo};
pub use results::VaeResult;
