//! The linear part of a layer: a dense matrix or a convolution, in PyTorch's weight layout.

use crate::dual::Dual;
use crate::error::Result;
use crate::ops;
use crate::parameter::ParameterBuilder;
use candle_core::{Tensor, Var};
use ffjord_kernels::Stride;

/// The linear part of a layer, without its weights.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Projection {
    /// `x Wᵀ` on `[B, i]`, W `[o, i]`.
    Dense,
    /// A convolution on `[B, i, H, W]`, kernel `[o, i, k, k]` (transposed: `[i, o, k, k]`).
    Convolution(Stride),
}

impl Projection {
    /// The weights' shape for `inputs` and `outputs` features or channels.
    pub(crate) fn weight_shape(self, inputs: usize, outputs: usize) -> Vec<usize> {
        match self {
            Self::Dense => vec![outputs, inputs],
            Self::Convolution(stride) => {
                let k = stride.kernel_size();
                match stride {
                    Stride::Double => vec![inputs, outputs, k, k],
                    Stride::Keep | Stride::Halve => vec![outputs, inputs, k, k],
                }
            }
        }
    }

    /// The weights' axis that counts inputs.
    pub(crate) fn input_axis(self) -> usize {
        match self {
            Self::Convolution(Stride::Double) => 0,
            Self::Dense | Self::Convolution(_) => 1,
        }
    }

    /// Reshapes a vector `[o]` so that it multiplies the weights' output axis.
    pub(crate) fn along_outputs(self, vector: &Tensor) -> Result<Tensor> {
        let outputs = vector.elem_count();
        Ok(match self {
            Self::Dense => vector.reshape((outputs, 1))?,
            Self::Convolution(Stride::Double) => vector.reshape((1, outputs, 1, 1))?,
            Self::Convolution(_) => vector.reshape((outputs, 1, 1, 1))?,
        })
    }

    /// Reshapes a vector `[o]` so that it is added to every row or pixel.
    pub(crate) fn along_channels(self, vector: &Tensor) -> Result<Tensor> {
        let outputs = vector.elem_count();
        Ok(match self {
            Self::Dense => vector.reshape((1, outputs))?,
            Self::Convolution(_) => vector.reshape((1, outputs, 1, 1))?,
        })
    }

    /// The product of `weight` with `x`.
    pub(crate) fn apply(self, weight: &Tensor, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Dense => ops::linear(x, weight, &Tensor::zeros(weight.dim(0)?, x.dtype(), x.device())?, 0)?,
            Self::Convolution(Stride::Keep) => ops::conv2d(x, weight, 1, 1)?,
            Self::Convolution(Stride::Halve) => ops::conv2d(x, weight, 1, 2)?,
            Self::Convolution(Stride::Double) => ops::conv_transpose2d(x, weight, 1, 0, 2)?,
        })
    }
}

/// Weight and bias of one projection with PyTorch's default initialisation.
#[derive(Debug, Clone)]
pub(crate) struct Affine {
    pub(crate) weight: Var,
    pub(crate) bias: Var,
}

impl Affine {
    /// Creates `name.weight` and `name.bias`, both uniform on ±1/√fan_in.
    ///
    /// PyTorch takes fan_in from the weights' second axis, which for a transposed convolution counts outputs.
    pub(crate) fn new(
        projection: Projection,
        inputs: usize,
        outputs: usize,
        name: &str,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let shape = projection.weight_shape(inputs, outputs);
        let fan_in: usize = shape[1..].iter().product();
        let bound = 1.0 / (fan_in as f64).sqrt();
        builder.scoped(name, |builder| {
            Ok(Self {
                weight: builder.uniform("weight", shape, bound)?,
                bias: builder.uniform("bias", outputs, bound)?,
            })
        })
    }

    /// The map as it is now, for layers whose weights do not depend on time.
    pub(crate) fn present(&self, projection: Projection) -> Result<AffineAtTime> {
        Ok(AffineAtTime {
            projection,
            weight: Dual::constant(self.weight.as_tensor().clone())?,
            bias: Dual::constant(projection.along_channels(&self.bias)?)?,
        })
    }

    /// Creates `name.weight` and `name.bias`, both zero.
    pub(crate) fn zero(
        projection: Projection,
        inputs: usize,
        outputs: usize,
        name: &str,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        builder.scoped(name, |builder| {
            Ok(Self {
                weight: builder.constant("weight", projection.weight_shape(inputs, outputs), 0.0)?,
                bias: builder.constant("bias", outputs, 0.0)?,
            })
        })
    }
}

/// A layer at one time: every layer type is `x ↦ W(t) x + b(t)`, so gates and time-dependent biases are folded into
/// the weights once per evaluation instead of being applied to every row.
///
/// The tangents of weight and bias, where time has one, are their rates of change.
#[derive(Debug, Clone)]
pub(crate) struct AffineAtTime {
    pub(crate) projection: Projection,
    pub(crate) weight: Dual,
    /// `[1, o]`, `[1, o, 1, 1]` or `[1, o, H, W]`.
    pub(crate) bias: Dual,
}

impl AffineAtTime {
    /// `W x + b` on the values, `W x' + W' x + b'` on the tangents; W' and b' are 0 unless time moves along the one
    /// tangent that there is then.
    pub(crate) fn apply(&self, input: &Dual) -> Result<Dual> {
        let (weight, bias) = (self.weight.value()?, self.bias.value()?);
        if self.weight.count() == 0 && self.bias.count() == 0 {
            return match self.projection {
                Projection::Dense => input.linear(&weight, &bias.flatten_all()?),
                Projection::Convolution(_) => input.map_rows(|x| self.projection.apply(&weight, x))?.shift(&bias),
            };
        }
        let value = input.value()?;
        input.map_affine(
            |x| Ok(self.projection.apply(&weight, x)?.broadcast_add(&bias)?),
            |tangents| {
                let mut moved = self.projection.apply(&weight, tangents)?;
                if let Some(rate) = self.weight.tangents()? {
                    moved = (moved + self.projection.apply(&rate, &value)?)?;
                }
                match self.bias.tangents()? {
                    Some(rate) => Ok(moved.broadcast_add(&rate)?),
                    None => Ok(moved),
                }
            },
        )
    }
}
