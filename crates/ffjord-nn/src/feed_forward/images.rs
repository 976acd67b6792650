//! Convolutional networks without time: what coupling flows of images compute their parameters with.

use crate::activation::Activation;
use crate::dual::Dual;
use crate::error::{NnError, Result};
use crate::feed_forward::FeedForwardConfig;
use crate::ops;
use crate::parameter::ParameterBuilder;
use candle_core::{Tensor, Var};

/// Convolutions `[B, i, H, W] → [B, o, H, W]`: of 3×3 pixels first and last, of one pixel between (Kingma and Dhariwal 2018,
/// section 3.3), with no activation after the last, which begins with zeros, so that a flow built on it begins as the
/// identity.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{ActivationKind, FeedForwardConfig, ImageFeedForward, ParameterBuilder};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut builder = ParameterBuilder::new(&mut rng, DType::F32, &Device::Cpu);
/// // Inputs, widths and outputs are channels.
/// let config = FeedForwardConfig { inputs: 2, hidden: vec![8, 8], outputs: 4, activation: ActivationKind::Relu };
/// let network = ImageFeedForward::new(&config, &mut builder)?;
/// let x = Tensor::zeros((5, 2, 6, 7), DType::F32, &Device::Cpu)?;
/// assert_eq!(network.apply(&x)?.dims(), &[5, 4, 6, 7]);
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
#[derive(Debug)]
pub struct ImageFeedForward {
    inputs: usize,
    layers: Vec<Layer>,
    activation: Activation,
}

#[derive(Debug)]
struct Layer {
    /// `[o, i, k, k]`.
    kernel: Var,
    /// `[1, o, 1, 1]`.
    bias: Var,
    padding: usize,
}

impl ImageFeedForward {
    /// A network of these channels; names `layers.<i>.weight` and `layers.<i>.bias`.
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] when a number of channels is 0.
    pub fn new(config: &FeedForwardConfig, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        let channels = [&[config.inputs], config.hidden.as_slice(), &[config.outputs]].concat();
        if channels.contains(&0) {
            return Err(NnError::InvalidArchitecture {
                reason: format!("a convolutional network of channels {channels:?}: every number must be at least 1"),
            });
        }
        let last = channels.len() - 2;
        let layers = channels.windows(2).enumerate().map(|(index, pair)| {
            let side = if index == 0 || index == last { 3 } else { 1 };
            let shape = [pair[1], pair[0], side, side];
            let bound = match index == last {
                true => 0.0,
                false => 1.0 / ((pair[0] * side * side) as f64).sqrt(),
            };
            builder.scoped(format!("layers.{index}"), |builder| {
                Ok(Layer {
                    kernel: builder.uniform("weight", &shape, bound)?,
                    bias: builder.uniform("bias", (1, pair[1], 1, 1), bound)?,
                    padding: side / 2,
                })
            })
        });
        Ok(Self {
            inputs: config.inputs,
            layers: layers.collect::<Result<_>>()?,
            activation: Activation::new(config.activation, builder)?,
        })
    }

    /// The outputs `[B, o, H, W]` of images `[B, i, H, W]`, differentiable in the images and the parameters.
    ///
    /// # Errors
    /// [`NnError::InputShape`] when the images do not fit.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if x.rank() != 4 || x.dim(1)? != self.inputs {
            return Err(NnError::InputShape {
                what: "network input",
                given: x.shape().clone(),
                expected: format!("[B, {}, H, W]", self.inputs),
            });
        }
        let mut h = x.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                h = self.activation.apply(&Dual::constant(h)?)?.value()?;
            }
            h = ops::conv2d(&h, &layer.kernel, layer.padding, 1)?.broadcast_add(&layer.bias)?;
        }
        Ok(h)
    }
}
