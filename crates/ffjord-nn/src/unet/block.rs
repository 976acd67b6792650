//! Residual blocks.

use super::layers::{Convolution, ConvolutionShape, Dense, Norm, silu};
use crate::dual::Dual;
use crate::error::Result;
use crate::parameter::ParameterBuilder;

/// `x + conv(φ(norm(conv(φ(norm x)); t)))`, with a 1×1 convolution of x where the number of channels changes.
#[derive(Debug)]
pub(super) struct ResidualBlock {
    first: (Norm, Convolution),
    second: (Norm, Convolution),
    time: Dense,
    skip: Option<Convolution>,
}

impl ResidualBlock {
    /// A block that hands on its input at the start: its last convolution is zero.
    pub(super) fn new(
        name: String,
        (inputs, outputs): (usize, usize),
        groups: usize,
        embedding: usize,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        builder.scoped(name, |builder| {
            Ok(Self {
                first: (
                    Norm::new("norm0", groups, inputs, builder)?,
                    Convolution::new("conv0", ConvolutionShape::Local, (inputs, outputs), builder)?,
                ),
                time: Dense::new("time", (embedding, 2 * outputs), builder)?,
                second: (
                    Norm::new("norm1", groups, outputs, builder)?,
                    Convolution::zero("conv1", ConvolutionShape::Local, (outputs, outputs), builder)?,
                ),
                skip: match inputs == outputs {
                    true => None,
                    false => Some(Convolution::new(
                        "skip",
                        ConvolutionShape::Point,
                        (inputs, outputs),
                        builder,
                    )?),
                },
            })
        })
    }

    pub(super) fn apply(&self, x: &Dual, embedding: &Dual) -> Result<Dual> {
        let h = self.first.1.apply(&silu(&self.first.0.apply(x)?)?)?;
        let h = self.second.0.modulated(&h, &self.time.apply(embedding)?)?;
        let h = self.second.1.apply(&silu(&h)?)?;
        match &self.skip {
            Some(skip) => skip.apply(x)?.add(&h),
            None => x.add(&h),
        }
    }
}
