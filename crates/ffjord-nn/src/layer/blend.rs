//! `(1 − t) (W₀ x + b₀) + t (W₁ x + b₁)`.

use super::projection::{Affine, AffineAtTime, Projection};
use super::{TimeLayer, along_rows};
use crate::dual::Dual;
use crate::error::Result;
use crate::parameter::ParameterBuilder;
use candle_core::Tensor;

/// A straight line in time between two affine maps.
#[derive(Debug)]
pub(super) struct Blend {
    projection: Projection,
    start: Affine,
    end: Affine,
}

impl Blend {
    pub(super) fn new(
        projection: Projection,
        inputs: usize,
        outputs: usize,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let start = Affine::new(projection, inputs, outputs, "_layer0", builder)?;
        let end = Affine::new(projection, inputs, outputs, "_layer1", builder)?;
        Ok(Self { projection, start, end })
    }
}

impl TimeLayer for Blend {
    fn at(&self, t: &Dual, _image: Option<(usize, usize)>) -> Result<AffineAtTime> {
        let between = |start: &Tensor, end: &Tensor| -> Result<Dual> {
            let way = (end - start)?;
            let moved = |t: &Tensor| Ok(way.broadcast_mul(&t.reshape(vec![1; start.rank()])?)?);
            t.map_affine(|t| Ok((start + moved(t)?)?), moved)
        };
        Ok(AffineAtTime {
            projection: self.projection,
            weight: between(&self.start.weight, &self.end.weight)?,
            bias: between(&self.start.bias, &self.end.bias)?.map_linear(|bias| self.projection.along_channels(bias))?,
        })
    }

    fn rowwise(&self, t: &Tensor, input: &Dual) -> Result<Dual> {
        let start = self.start.present(self.projection)?.apply(input)?;
        let end = self.end.present(self.projection)?.apply(input)?;
        start.add(&end.sub(&start)?.scale(&along_rows(t, &start)?)?)
    }
}
