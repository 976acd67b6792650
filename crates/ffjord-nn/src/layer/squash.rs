//! `(W x + b) ⊙ σ(g t + c)`.

use super::projection::{Affine, AffineAtTime, Projection};
use super::{TimeLayer, along_rows, time_vector};
use crate::dual::Dual;
use crate::error::Result;
use crate::ops;
use crate::parameter::ParameterBuilder;
use candle_core::{Tensor, Var};

/// An affine map with a gate for each output that depends on time.
#[derive(Debug)]
pub(super) struct Squash {
    projection: Projection,
    affine: Affine,
    gate: TimeGate,
}

/// `σ(g t + c)`, `[o]`.
#[derive(Debug)]
pub(super) struct TimeGate {
    weight: Var,
    bias: Var,
}

impl TimeGate {
    pub(super) fn new(outputs: usize, name: &str, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        builder.scoped(name, |builder| {
            Ok(Self {
                weight: builder.uniform("weight", (outputs, 1), 1.0)?,
                bias: builder.uniform("bias", outputs, 1.0)?,
            })
        })
    }

    /// The affine map with its outputs multiplied by the gate.
    pub(super) fn fold(&self, projection: Projection, affine: &Affine, t: &Dual) -> Result<AffineAtTime> {
        let shifted = time_vector(&self.weight, t)?
            .map_affine(|time| Ok((time + self.bias.as_tensor())?), |rate| Ok(rate.clone()))?;
        let open = ops::sigmoid(&shifted.value()?)?;
        let gate = shifted.chain(&open, || Ok((&open * (1.0 - &open)?)?))?;
        Ok(AffineAtTime {
            projection,
            weight: gate.map_linear(|gate| Ok(affine.weight.broadcast_mul(&projection.along_outputs(gate)?)?))?,
            bias: gate.map_linear(|gate| projection.along_channels(&(affine.bias.as_tensor() * gate)?))?,
        })
    }

    /// The affine map's outputs, each row's multiplied by the gate at the row's time `t` `[B, 1]`.
    pub(super) fn rowwise(&self, projection: Projection, affine: &Affine, t: &Tensor, input: &Dual) -> Result<Dual> {
        let gate = ops::sigmoid(&t.broadcast_mul(&self.weight.t()?)?.broadcast_add(&self.bias)?)?;
        let outputs = affine.present(projection)?.apply(input)?;
        outputs.scale(&along_rows(&gate, &outputs)?)
    }
}

impl Squash {
    pub(super) fn new(
        projection: Projection,
        inputs: usize,
        outputs: usize,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let affine = Affine::new(projection, inputs, outputs, "_layer", builder)?;
        let gate = TimeGate::new(outputs, "_hyper", builder)?;
        Ok(Self {
            projection,
            affine,
            gate,
        })
    }
}

impl TimeLayer for Squash {
    fn at(&self, t: &Dual, _image: Option<(usize, usize)>) -> Result<AffineAtTime> {
        self.gate.fold(self.projection, &self.affine, t)
    }

    fn rowwise(&self, t: &Tensor, input: &Dual) -> Result<Dual> {
        self.gate.rowwise(self.projection, &self.affine, t, input)
    }
}
