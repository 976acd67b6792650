//! Variational autoencoders as runs: their model, data, evaluation and weights.

mod data;
mod evaluation;
mod folder;
mod importance;
mod initial;
mod model;
mod results;

pub use data::VaeData;
pub use evaluation::{Bounds, LatentUnits, bounds, bounds_together, latent_units};
pub use importance::{ImageLikelihoods, importance, importance_together};
pub use initial::load_vae_weights;
pub use model::{build_vae, elbo};
pub use results::VaeResult;
