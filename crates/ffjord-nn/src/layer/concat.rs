//! `W [t, x] + b`.

use super::projection::{Affine, AffineAtTime, Projection};
use super::{TimeLayer, rowwise_bias};
use crate::dual::Dual;
use crate::error::Result;
use crate::parameter::ParameterBuilder;
use candle_core::Tensor;

/// Time as the first input feature or channel.
#[derive(Debug)]
pub(super) struct Concat {
    projection: Projection,
    inputs: usize,
    affine: Affine,
}

impl Concat {
    pub(super) fn new(
        projection: Projection,
        inputs: usize,
        outputs: usize,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        Ok(Self {
            projection,
            inputs,
            affine: Affine::new(projection, inputs + 1, outputs, "_layer", builder)?,
        })
    }
}

impl TimeLayer for Concat {
    fn at(&self, t: &Dual, image: Option<(usize, usize)>) -> Result<AffineAtTime> {
        let axis = self.projection.input_axis();
        // The time's own weights act on one row, not on the batch: at the border of an image their contribution
        // differs from the middle, which a plane of t values shows.
        let time = t.map_linear(|t| {
            Ok(match image {
                None => t.reshape((1, 1))?,
                Some((height, width)) => t
                    .reshape((1, 1, 1, 1))?
                    .broadcast_as((1, 1, height, width))?
                    .contiguous()?,
            })
        })?;
        let time_weight = self.affine.weight.narrow(axis, 0, 1)?.contiguous()?;
        let constant = self.projection.along_channels(&self.affine.bias)?;
        let bias = time.map_affine(
            |time| Ok(self.projection.apply(&time_weight, time)?.broadcast_add(&constant)?),
            |rate| self.projection.apply(&time_weight, rate),
        )?;
        let weight = self.affine.weight.narrow(axis, 1, self.inputs)?.contiguous()?;
        Ok(AffineAtTime {
            projection: self.projection,
            weight: Dual::constant(weight)?,
            bias,
        })
    }

    fn rowwise(&self, t: &Tensor, input: &Dual) -> Result<Dual> {
        rowwise_bias(self, t, input)
    }
}
