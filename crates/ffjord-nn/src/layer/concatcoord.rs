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
    fn at(&self, t: &Tensor, image: Option<(usize, usize)>) -> Result<AffineAtTime> {
        let (height, width) = image.ok_or_else(|| NnError::InvalidArchitecture {
            reason: "pixel coordinates need an image input [B, C, H, W]".to_string(),
        })?;
        let plane = (1, 1, height, width);
        let index = |size: usize| Tensor::arange(0u32, size as u32, t.device())?.to_dtype(t.dtype());
        let rows = index(height)?.reshape((1, 1, height, 1))?.broadcast_as(plane)?;
        let columns = index(width)?.reshape((1, 1, 1, width))?.broadcast_as(plane)?;
        let time = t.reshape((1, 1, 1, 1))?.broadcast_as(plane)?;
        let planes = Tensor::cat(&[&time, &rows, &columns], D::Minus(3))?.contiguous()?;
        let axis = self.projection.input_axis();
        let plane_weight = self.affine.weight.narrow(axis, self.inputs, 3)?.contiguous()?;
        let bias = self
            .projection
            .apply(&plane_weight, &planes)?
            .broadcast_add(&self.projection.along_channels(&self.affine.bias)?)?;
        let weight = self.affine.weight.narrow(axis, 0, self.inputs)?.contiguous()?;
        Ok(AffineAtTime {
            projection: self.projection,
            weight,
            bias,
        })
    }

    fn rowwise(&self, t: &Tensor, input: &Dual) -> Result<Dual> {
        rowwise_bias(self, t, input)
    }
}
