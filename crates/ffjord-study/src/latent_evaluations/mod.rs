//! Evaluations of the posterior's vector field during training, for autoencoders of several latent dimensions (figure 5 of
//! the paper).

mod report;

pub use report::{LatentRun, write};
