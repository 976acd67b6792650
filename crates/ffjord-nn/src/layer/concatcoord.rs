//! `W [x, t, row, column] + b` for convolutions.

use super::projection::{Affine, AffineAtTime, Projection};
use super::{TimeLayer, rowwise_bias};
use crate::dual::Dual;
use crate::error::{NnError, Result};
use crate::parameter::ParameterBuilder;
use candle_core::{D, Tensor};

/// Time and the two pixel indices as the last input channels.
#[derive(Debug)]
pub(super) struct ConcatCoord {
    projection: Projection,
    inputs: usize,
    affine: Affine,
}

impl ConcatCoord {
    pub(super) fn new(
        projection: Projection,
        inputs: usize,
        outputs: usize,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        Ok(Self {
            projection,
            inputs,
            affine: Affine::new(projection, inputs + 3, outputs, "_layer", builder)?,
        })
    }
}

impl TimeLayer for ConcatCoord {
    fn at(&self, t: &Dual, image: Option<(usize, usize)>) -> Result<AffineAtTime> {
        let (height, width) = image.ok_or_else(|| NnError::InvalidArchitecture {
            reason: "pixel coordinates need an image input [B, C, H, W]".to_string(),
        })?;
        let plane = (1, 1, height, width);
        let weights = &self.affine.weight;
        let index = |size: usize| Tensor::arange(0u32, size as u32, weights.device())?.to_dtype(weights.dtype());
        let rows = index(height)?.reshape((1, 1, height, 1))?.broadcast_as(plane)?;
        let columns = index(width)?.reshape((1, 1, 1, width))?.broadcast_as(plane)?;
        let time = t.map_linear(|t| Ok(t.reshape((1, 1, 1, 1))?.broadcast_as(plane)?))?;
        let planes = time.map_affine(
            |time| Ok(Tensor::cat(&[time, &rows, &columns], D::Minus(3))?.contiguous()?),
            |rate| Ok(rate.pad_with_zeros(1, 0, 2)?.contiguous()?),
        )?;
        let axis = self.projection.input_axis();
        let plane_weight = weights.narrow(axis, self.inputs, 3)?.contiguous()?;
        let constant = self.projection.along_channels(&self.affine.bias)?;
        let bias = planes.map_affine(
            |planes| Ok(self.projection.apply(&plane_weight, planes)?.broadcast_add(&constant)?),
            |rate| self.projection.apply(&plane_weight, rate),
        )?;
        let weight = weights.narrow(axis, 0, self.inputs)?.contiguous()?;
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
