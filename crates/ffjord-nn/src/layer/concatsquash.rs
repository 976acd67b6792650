//! `(W x + b) ⊙ σ(g t + c) + h t`.

use super::projection::{Affine, AffineAtTime, Projection};
use super::squash::TimeGate;
use super::{TimeLayer, along_rows, time_vector};
use crate::dual::Dual;
use crate::error::Result;
use crate::parameter::ParameterBuilder;
use candle_core::{Tensor, Var};

/// A gate and a bias for each output that depend on time.
#[derive(Debug)]
pub(super) struct ConcatSquash {
    projection: Projection,
    affine: Affine,
    time_bias: Var,
    gate: TimeGate,
}

impl ConcatSquash {
    pub(super) fn new(
        projection: Projection,
        inputs: usize,
        outputs: usize,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let affine = Affine::new(projection, inputs, outputs, "_layer", builder)?;
        let time_bias = builder.scoped("_hyper_bias", |builder| builder.uniform("weight", (outputs, 1), 1.0))?;
        let gate = TimeGate::new(outputs, "_hyper_gate", builder)?;
        Ok(Self {
            projection,
            affine,
            time_bias,
            gate,
        })
    }
}

impl TimeLayer for ConcatSquash {
    fn at(&self, t: &Dual, _image: Option<(usize, usize)>) -> Result<AffineAtTime> {
        let gated = self.gate.fold(self.projection, &self.affine, t)?;
        let shift = time_vector(&self.time_bias, t)?.map_linear(|shift| self.projection.along_channels(shift))?;
        Ok(AffineAtTime {
            bias: gated.bias.add(&shift)?,
            ..gated
        })
    }

    fn rowwise(&self, t: &Tensor, input: &Dual) -> Result<Dual> {
        let gated = self.gate.rowwise(self.projection, &self.affine, t, input)?;
        let shift = along_rows(&t.broadcast_mul(&self.time_bias.t()?)?, &gated)?;
        gated.shift(&shift)
    }
}
