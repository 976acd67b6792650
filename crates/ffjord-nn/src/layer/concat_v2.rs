//! `W x + b + h t`.

use super::projection::{Affine, AffineAtTime, Projection};
use super::{TimeLayer, rowwise_bias, time_vector};
use crate::dual::Dual;
use crate::error::Result;
use crate::parameter::ParameterBuilder;
use candle_core::{Tensor, Var};

/// A bias that is linear in time.
#[derive(Debug)]
pub(super) struct ConcatV2 {
    projection: Projection,
    affine: Affine,
    time_bias: Var,
}

impl ConcatV2 {
    pub(super) fn new(
        projection: Projection,
        inputs: usize,
        outputs: usize,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let affine = Affine::new(projection, inputs, outputs, "_layer", builder)?;
        let time_bias = builder.scoped("_hyper_bias", |builder| builder.uniform("weight", (outputs, 1), 1.0))?;
        Ok(Self {
            projection,
            affine,
            time_bias,
        })
    }
}

impl TimeLayer for ConcatV2 {
    fn at(&self, t: &Dual, _image: Option<(usize, usize)>) -> Result<AffineAtTime> {
        let shift = time_vector(&self.time_bias, t)?;
        Ok(AffineAtTime {
            projection: self.projection,
            weight: Dual::constant(self.affine.weight.as_tensor().clone())?,
            bias: shift.map_affine(
                |shift| self.projection.along_channels(&(self.affine.bias.as_tensor() + shift)?),
                |rate| self.projection.along_channels(rate),
            )?,
        })
    }

    fn rowwise(&self, t: &Tensor, input: &Dual) -> Result<Dual> {
        rowwise_bias(self, t, input)
    }
}
