//! Weights that are the outputs of a small network of the time.

use super::projection::{AffineAtTime, Projection};
use super::{TimeLayer, along_rows};
use crate::activation::Activation;
use crate::dual::Dual;
use crate::error::Result;
use crate::ops::{self, Function};
use crate::parameter::ParameterBuilder;
use candle_core::{Tensor, Var};

/// Hidden units of a dense layer's weight network.
const HIDDEN: usize = 8;
/// The original starts the weight networks with zero weights and biases of this standard deviation.
const BIAS_SCALE: f64 = 0.01;

/// A layer whose weights and bias are computed from t.
#[derive(Debug)]
pub(super) struct Hyper {
    projection: Projection,
    inputs: usize,
    outputs: usize,
    /// Whether a convolution's bias is read from the numbers that its kernel begins with, as the released code has it.
    overlapping: bool,
    network: WeightNetwork,
}

/// The network that makes the weights: `A₂ tanh(A₁ t + a₁) + a₂` for dense layers, `A t + a` for convolutions.
#[derive(Debug)]
enum WeightNetwork {
    Dense { hidden: Linear, output: Linear },
    Convolution(Linear),
}

#[derive(Debug)]
struct Linear {
    weight: Var,
    bias: Var,
}

impl Linear {
    fn new(name: &str, inputs: usize, outputs: usize, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        builder.scoped(name, |builder| {
            Ok(Self {
                weight: builder.constant("weight", (outputs, inputs), 0.0)?,
                bias: builder.normal("bias", outputs, BIAS_SCALE)?,
            })
        })
    }

    /// `A x + a` for rows `x` `[n, i]`.
    fn apply(&self, x: &Dual) -> Result<Dual> {
        x.linear(&self.weight, &self.bias)
    }
}

impl Hyper {
    pub(super) fn new(
        projection: Projection,
        inputs: usize,
        outputs: usize,
        overlapping: bool,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let weights: usize = projection.weight_shape(inputs, outputs).iter().product();
        let network = match projection {
            Projection::Dense => builder.scoped("_hypernet", |builder| {
                Ok(WeightNetwork::Dense {
                    hidden: Linear::new("0", 1, HIDDEN, builder)?,
                    output: Linear::new("2", HIDDEN, weights + outputs, builder)?,
                })
            })?,
            Projection::Convolution(_) => {
                WeightNetwork::Convolution(Linear::new("_hypernet", 1, weights + outputs, builder)?)
            }
        };
        Ok(Self {
            projection,
            inputs,
            outputs,
            overlapping,
            network,
        })
    }

    /// The layer whose weights and bias are the entries `made`, `[weights + o]`, of a network's output.
    fn layer_of(&self, made: &Dual) -> Result<AffineAtTime> {
        let shape = self.projection.weight_shape(self.inputs, self.outputs);
        let count = shape.iter().product();
        let (first_weight, first_bias) = match &self.network {
            WeightNetwork::Dense { .. } => (self.outputs, 0),
            WeightNetwork::Convolution(_) if self.overlapping => (0, 0),
            WeightNetwork::Convolution(_) => (0, count),
        };
        let weight = made.map_linear(|made| Ok(made.narrow(0, first_weight, count)?.reshape(shape.as_slice())?))?;
        let bias = made.map_linear(|made| {
            self.projection
                .along_channels(&made.narrow(0, first_bias, self.outputs)?)
        })?;
        Ok(AffineAtTime {
            projection: self.projection,
            weight,
            bias,
        })
    }
}

impl TimeLayer for Hyper {
    fn at(&self, t: &Dual, _image: Option<(usize, usize)>) -> Result<AffineAtTime> {
        let time = t.map_linear(|t| Ok(t.reshape((1, 1))?))?;
        let made = match &self.network {
            WeightNetwork::Dense { hidden, output } => {
                output.apply(&Activation::Fixed(Function::Tanh).apply(&hidden.apply(&time)?)?)?
            }
            WeightNetwork::Convolution(linear) => linear.apply(&time)?,
        };
        self.layer_of(&made.map_linear(|made| Ok(made.flatten_all()?))?)
    }

    fn rowwise(&self, t: &Tensor, input: &Dual) -> Result<Dual> {
        // The made weights are a constant and a combination of columns; for each of these the layer is applied once.
        let (features, output) = match &self.network {
            WeightNetwork::Dense { hidden, output } => {
                let hidden = hidden.apply(&Dual::constant(t.clone())?)?;
                (ops::tanh(&hidden.value()?)?, output)
            }
            WeightNetwork::Convolution(linear) => (t.clone(), linear),
        };
        let mut total = self
            .layer_of(&Dual::constant(output.bias.as_tensor().clone())?)?
            .apply(input)?;
        for index in 0..features.dim(1)? {
            let column = output.weight.narrow(1, index, 1)?.contiguous()?.flatten_all()?;
            let part = self.layer_of(&Dual::constant(column)?)?.apply(input)?;
            let feature = features.narrow(1, index, 1)?.contiguous()?;
            total = total.add(&part.scale(&along_rows(&feature, &part)?)?)?;
        }
        Ok(total)
    }
}
