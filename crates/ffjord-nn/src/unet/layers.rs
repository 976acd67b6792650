//! The layers that a U-Net is made of, on images `[B, H, W, C]`.

use crate::dual::Dual;
use crate::error::Result;
use crate::ops::{self, Function};
use crate::parameter::ParameterBuilder;
use candle_core::{Tensor, Var};

/// A convolution without a bias: the normalisation that follows has one.
#[derive(Debug, Clone)]
pub(super) struct Convolution {
    kernel: Var,
    shape: ConvolutionShape,
}

/// The convolutions of a U-Net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConvolutionShape {
    /// 3×3 pixels.
    Local,
    /// 1×1 pixel.
    Point,
    /// 4×4 pixels with stride 2, to half the size.
    Halve,
    /// Its adjoint, to twice the size.
    Double,
}

impl Convolution {
    /// Entries uniform on ±1/√fan_in, PyTorch's distribution.
    pub(super) fn new(
        name: &str,
        shape: ConvolutionShape,
        (inputs, outputs): (usize, usize),
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let (dims, fan_in) = shape.kernel(inputs, outputs);
        let bound = 1.0 / (fan_in as f64).sqrt();
        let kernel = builder.scoped(name, |builder| builder.uniform("weight", &dims, bound))?;
        Ok(Self { kernel, shape })
    }

    /// A kernel of zeros.
    pub(super) fn zero(
        name: &str,
        shape: ConvolutionShape,
        (inputs, outputs): (usize, usize),
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let (dims, _) = shape.kernel(inputs, outputs);
        let kernel = builder.scoped(name, |builder| builder.constant("weight", &dims, 0.0))?;
        Ok(Self { kernel, shape })
    }

    pub(super) fn apply(&self, x: &Dual) -> Result<Dual> {
        x.map_rows(|rows| {
            Ok(match self.shape {
                ConvolutionShape::Local => ops::conv2d_channels_last(rows, &self.kernel, 1, 1)?,
                ConvolutionShape::Point => ops::conv2d_channels_last(rows, &self.kernel, 0, 1)?,
                ConvolutionShape::Halve => ops::conv2d_channels_last(rows, &self.kernel, 1, 2)?,
                ConvolutionShape::Double => ops::conv_transpose2d_channels_last(rows, &self.kernel, 1, 0, 2)?,
            })
        })
    }
}

impl ConvolutionShape {
    /// The shape of the kernel, and how many numbers each output is a sum over.
    fn kernel(self, inputs: usize, outputs: usize) -> ([usize; 4], usize) {
        match self {
            Self::Local => ([outputs, inputs, 3, 3], 9 * inputs),
            Self::Point => ([outputs, inputs, 1, 1], inputs),
            Self::Halve => ([outputs, inputs, 4, 4], 16 * inputs),
            // Two of four lines and columns of the kernel meet in a pixel.
            Self::Double => ([inputs, outputs, 4, 4], 4 * inputs),
        }
    }
}

/// A group normalisation with a scale and a shift of every channel.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    groups: usize,
    scale: Var,
    shift: Var,
}

impl Norm {
    pub(super) fn new(name: &str, groups: usize, channels: usize, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        builder.scoped(name, |builder| {
            Ok(Self {
                groups,
                scale: builder.constant("weight", channels, 1.0)?,
                shift: builder.constant("bias", channels, 0.0)?,
            })
        })
    }

    pub(super) fn apply(&self, x: &Dual) -> Result<Dual> {
        x.group_norm(self.groups, &self.scale, &self.shift)
    }

    /// The same with further scales and shifts `[R, 2 C]` that time makes, of one row for the batch or one for each image.
    pub(super) fn modulated(&self, x: &Dual, by_time: &Dual) -> Result<Dual> {
        let channels = self.scale.elem_count();
        let part = |first: usize, own: &Var| {
            by_time
                .map_rows(|rows| Ok(rows.narrow(1, first, channels)?.contiguous()?))?
                .shift(&own.reshape((1, channels))?)
        };
        let (scale, shift) = (part(0, &self.scale)?, part(channels, &self.shift)?);
        if by_time.count() == 0 {
            let factors = |dual: &Dual| -> Result<Tensor> {
                let values = dual.value()?;
                Ok(match values.dim(0)? {
                    1 => values.squeeze(0)?,
                    _ => values,
                })
            };
            return x.group_norm(self.groups, &factors(&scale)?, &factors(&shift)?);
        }
        let one = self.scale.ones_like()?;
        let normal = x.group_norm(self.groups, &one, &one.zeros_like()?)?;
        let shape = normal.shape();
        let spread = |dual: &Dual| {
            let (value, tangents) = dual.clone().into_parts()?;
            let wide = |rows: &Tensor| -> Result<Tensor> {
                let rows = rows.reshape((rows.elem_count() / channels, 1, 1, channels))?;
                Ok(rows.broadcast_as(shape.as_slice())?.contiguous()?)
            };
            let tangents = tangents.map(|tangents| -> Result<Tensor> {
                let each = (0..tangents.dim(0)?).map(|index| wide(&tangents.get(index)?));
                Ok(Tensor::stack(&each.collect::<Result<Vec<_>>>()?, 0)?)
            });
            match tangents.transpose()? {
                Some(tangents) => Dual::new(&wide(&value)?, &tangents),
                None => Dual::constant(wide(&value)?),
            }
        };
        normal.mul(&spread(&scale)?)?.add(&spread(&shift)?)
    }
}

/// A dense layer of rows, `[R, i] → [R, o]`.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    weight: Var,
    bias: Var,
}

impl Dense {
    /// PyTorch's initialisation.
    pub(super) fn new(
        name: &str,
        (inputs, outputs): (usize, usize),
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let bound = 1.0 / (inputs as f64).sqrt();
        builder.scoped(name, |builder| {
            Ok(Self {
                weight: builder.uniform("weight", (outputs, inputs), bound)?,
                bias: builder.uniform("bias", outputs, bound)?,
            })
        })
    }

    pub(super) fn apply(&self, x: &Dual) -> Result<Dual> {
        x.linear(&self.weight, &self.bias)
    }
}

/// x σ(x), also known as SiLU: smooth, as a field's tangents need it.
pub(super) fn silu(x: &Dual) -> Result<Dual> {
    x.map(Function::Swish { beta: 1.0 })
}
