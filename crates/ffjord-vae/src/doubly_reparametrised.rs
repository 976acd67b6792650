//! The doubly reparametrised gradient of the bound of importance weighting.

use crate::elbo::{log_sum_exp, mean};
use crate::encoder::Encoded;
use crate::error::{Result, VaeError};
use crate::vae::Vae;
use candle_core::{Tensor, Var};
use ffjord_flow::Pass;
use ffjord_train::{Batch, Loss};
use std::f64::consts::PI;

/// The negative bound `−ln 1/S Σ w`, whose gradient is `Σ w̃ ∂ ln w/∂θ` for the decoder and `Σ w̃² ∂ ln w/∂z ∂z/∂φ` for the
/// encoder, with normalised weights w̃ (Tucker et al. 2019, eq. 8).
pub(crate) fn loss(model: &Vae, batch: &Batch, samples: usize, pass: &mut Pass<'_>) -> Result<Loss> {
    if !model.posterior().parameters().is_empty() {
        return Err(VaeError::Parts {
            reason: "the doubly reparametrised gradient is for posteriors without a flow: take the plain one"
                .to_string(),
        });
    }
    let rows = batch.x.dim(0)?;
    let x = Tensor::cat(&vec![&batch.x; samples], 0)?;
    let Encoded {
        mean: centre, variance, ..
    } = model.encoder().encode(&batch.x)?.repeated(samples)?;
    let noise = model.noise(samples * rows, pass)?;
    let z = (&centre + (variance.sqrt()? * &noise)?)?;
    // The weights' own dependence on the encoder is left out: its part of the gradient has the mean 0 or is in the other.
    let (centre, variance) = (centre.detach(), variance.detach());
    let leaf = Var::from_tensor(&z.detach())?;
    let log_likelihood = model
        .likelihood()
        .log_prob(&model.decoder().decode(leaf.as_tensor())?, &x)?;
    let constant = 0.5 * (2.0 * PI).ln();
    let log_prior = ((leaf.sqr()? * -0.5)? - constant)?.sum(1)?;
    let distance = ((leaf.as_tensor() - &centre)?.sqr()? / &variance)?;
    let log_posterior = (((distance + variance.log()?)? * -0.5)? - constant)?.sum(1)?;
    let divergence = (log_posterior - log_prior)?;
    let log_weights = (&log_likelihood - &divergence)?.reshape((samples, rows))?;
    let log_sum = log_sum_exp(&log_weights.detach())?;
    let weights = log_weights.detach().broadcast_sub(&log_sum)?.exp()?;
    let bound = (log_sum - (samples as f64).ln())?.mean_all()?;
    // Its gradient is the decoder's, and at z it is `w̃ ∂ ln w/∂z`.
    let weighted = ((&weights * &log_weights)?.sum_all()? / rows as f64)?;
    let store = weighted.backward()?;
    let surrogate = match store.get(&leaf) {
        Some(slope) => {
            let slope = slope.detach().broadcast_mul(&weights.reshape((samples * rows, 1))?)?;
            (&weighted + (slope * &z)?.sum_all()?)?
        }
        None => weighted,
    };
    // The value is the bound's, the gradient the surrogate's.
    let total = ((surrogate.detach() - &surrogate)? - bound)?;
    let terms = vec![
        ("reconstruction".to_string(), -mean(&log_likelihood)?),
        ("divergence".to_string(), mean(&divergence)?),
        ("beta".to_string(), 1.0),
    ];
    Ok(Loss { total, terms })
}
