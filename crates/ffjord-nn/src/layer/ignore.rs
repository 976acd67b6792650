//! `W x + b`.

use super::TimeLayer;
use super::projection::{Affine, AffineAtTime, Projection};
use crate::dual::Dual;
use crate::error::Result;
use crate::parameter::ParameterBuilder;
use candle_core::Tensor;

/// A layer that does not depend on time.
#[derive(Debug)]
pub(super) struct Ignore {
    projection: Projection,
    affine: Affine,
}

impl Ignore {
    pub(super) fn new(
        projection: Projection,
        inputs: usize,
        outputs: usize,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        Ok(Self {
            projection,
            affine: Affine::new(projection, inputs, outputs, "_layer", builder)?,
        })
    }
}

impl TimeLayer for Ignore {
    fn at(&self, _t: &Dual, _image: Option<(usize, usize)>) -> Result<AffineAtTime> {
        self.affine.present(self.projection)
    }

    fn rowwise(&self, _t: &Tensor, input: &Dual) -> Result<Dual> {
        self.affine.present(self.projection)?.apply(input)
    }
}
