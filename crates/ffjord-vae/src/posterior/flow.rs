//! Any flow of the workspace as a posterior.

use super::Posterior;
use crate::error::{Result, VaeError};
use candle_core::Tensor;
use ffjord_flow::{Bijection, Pass, Transformed};
use ffjord_nn::Parameter;

/// z_k = f(z₀; h) for any bijection of `[D]`: one that depends on a condition is given the encoder's features, one that
/// does not is the same for all observations.
///
/// A conditional [`Cnf`](ffjord_flow::Cnf) here is the posterior that takes the features as an ordinary input of its
/// network, on the fused kernels.
///
/// ```
/// use ffjord_flow::Cnf;
/// use ffjord_vae::{FlowPosterior, Posterior};
///
/// let posterior = FlowPosterior::new(Cnf::builder(8).given(16).hidden([32]).build()?, 16)?;
/// assert_eq!(posterior.parameters()[0].name, "flow.odefunc.diffeq.layers.0._layer.weight");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FlowPosterior<B> {
    flow: B,
    name: String,
}

impl<B: Bijection> FlowPosterior<B> {
    /// The posterior of a bijection of states, for an encoder with so many features; parameters are under `flow`.
    ///
    /// # Errors
    /// [`VaeError::Parts`] if the bijection changes the shape of a state, or is given another number of columns than there
    /// are features.
    pub fn new(flow: B, features: usize) -> Result<Self> {
        if flow.input_shape() != flow.output_shape() {
            return Err(VaeError::Parts {
                reason: format!(
                    "a posterior's flow must keep the shape of a state, but this one makes {:?} of {:?}",
                    flow.output_shape(),
                    flow.input_shape()
                ),
            });
        }
        if flow.given_len() != 0 && flow.given_len() != features {
            return Err(VaeError::Parts {
                reason: format!(
                    "the flow of the posterior is given {} columns, but the encoder has {features} features",
                    flow.given_len()
                ),
            });
        }
        Ok(Self {
            flow,
            name: "flow".to_string(),
        })
    }

    /// The same with its parameters under another name; the released code has `cnf`.
    ///
    /// ```
    /// use ffjord_flow::Cnf;
    /// use ffjord_vae::{FlowPosterior, Posterior};
    /// let posterior = FlowPosterior::new(Cnf::builder(2).hidden([8]).build()?, 16)?.named("cnf");
    /// assert!(posterior.parameters().iter().all(|parameter| parameter.name.starts_with("cnf.")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The flow.
    pub fn flow(&self) -> &B {
        &self.flow
    }
}

impl<B: Bijection> Posterior for FlowPosterior<B> {
    fn transform(&self, z: &Tensor, features: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        let before = pass.condition().cloned();
        pass.set_given((self.flow.given_len() > 0).then(|| features.clone()));
        let image = self.flow.forward(z, pass);
        pass.set_given(before);
        Ok(image?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let parameters = self.flow.parameters().into_iter();
        parameters.map(|parameter| parameter.under(&self.name)).collect()
    }

    fn buffers(&self) -> Vec<Parameter> {
        let buffers = self.flow.buffers().into_iter();
        buffers.map(|buffer| buffer.under(&self.name)).collect()
    }

    fn end_times(&self) -> Vec<f64> {
        self.flow.end_times()
    }
}
