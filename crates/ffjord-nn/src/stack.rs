//! Layers with activations between them: what dense and convolutional networks share.

use crate::activation::Activation;
use crate::bottleneck::Bottleneck;
use crate::dual::Dual;
use crate::error::{NnError, Result, dropped_tangents};
use crate::layer::{TimeLayer, image_size};
use crate::ops;
use candle_core::Tensor;
use std::ops::Range;

/// Layers applied in turn, an activation after each but the last.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) layers: Vec<Box<dyn TimeLayer>>,
    pub(crate) activation: Activation,
    /// How often images are squeezed before the first layer, and put together again behind the last.
    pub(crate) squeezes: usize,
}

impl Stack {
    /// The stack on values and tangents at time `t` `[1]`, or `[B, 1]` with a time for each row.
    pub(crate) fn apply(&self, t: &Tensor, z: &Dual, given: Option<&Tensor>) -> Result<Dual> {
        self.part(&Dual::constant(t.clone())?, &beside(z, given)?, 0..self.steps())
    }

    /// `d/ds` of the stack at `(t + s, z + s·direction)`, t `[1]`, and s = 0, `[B, …]`.
    pub(crate) fn total_derivative(
        &self,
        t: &Tensor,
        z: &Tensor,
        direction: &Tensor,
        given: Option<&Tensor>,
    ) -> Result<Tensor> {
        if t.dims() != [1] {
            return Err(NnError::InputShape {
                what: "time of a total derivative",
                given: t.shape().clone(),
                expected: "[1], one time for the whole batch,".to_string(),
            });
        }
        let time = Dual::new(t, &t.ones_like()?.unsqueeze(0)?)?;
        let moving = Dual::new(z, &direction.unsqueeze(0)?)?;
        let (_, rate) = self
            .part(&time, &beside(&moving, given)?, 0..self.steps())?
            .into_parts()?;
        Ok(rate.ok_or_else(dropped_tangents)?.squeeze(0)?)
    }

    /// The stack's value and `(∂h/∂z)(∂g/∂h) ε` for probes ε `[K, B, …]`, where h is the state at a bottleneck and g what
    /// comes after it.
    pub(crate) fn through(
        &self,
        place: &Bottleneck,
        t: &Tensor,
        z: &Tensor,
        given: Option<&Tensor>,
        probes: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let time = Dual::constant(t.clone())?;
        let state = beside(&Dual::constant(z.clone())?, given)?;
        let middle = self.part(&time, &state, 0..place.steps())?;
        let decoded = Dual::new(&middle.value()?, probes)?;
        let (value, along) = self.part(&time, &decoded, place.steps()..self.steps())?.into_parts()?;
        let moving = Dual::new(z, &along.ok_or_else(dropped_tangents)?)?;
        let encoded = beside(&moving, given)?;
        let (_, products) = self.part(&time, &encoded, 0..place.steps())?.into_parts()?;
        Ok((value, products.ok_or_else(dropped_tangents)?))
    }

    /// Layers and the activations between them, counted together.
    fn steps(&self) -> usize {
        2 * self.layers.len() - 1
    }

    /// Some steps in turn: even ones are layers, odd ones activations.
    fn part(&self, t: &Dual, z: &Dual, steps: Range<usize>) -> Result<Dual> {
        let mut h = z.clone();
        let last = self.steps();
        if steps.start == 0 {
            h = self.squeezed(h, ops::squeeze)?;
        }
        for step in steps.clone() {
            if step % 2 == 1 {
                h = self.activation.apply(&h)?;
                continue;
            }
            let layer = &self.layers[step / 2];
            h = if t.shape().len() == 1 {
                layer.at(t, image_size(&h))?.apply(&h)?
            } else {
                layer.rowwise(&t.value()?, &h)?
            };
        }
        match steps.end == last {
            true => self.squeezed(h, ops::unsqueeze),
            false => Ok(h),
        }
    }

    fn squeezed(&self, mut h: Dual, map: fn(&Tensor, usize) -> candle_core::Result<Tensor>) -> Result<Dual> {
        for _ in 0..self.squeezes {
            h = h.map_rows(|rows| Ok(map(rows, 2)?))?;
        }
        Ok(h)
    }
}

/// The state with what it is given as further columns, which do not move.
fn beside(z: &Dual, given: Option<&Tensor>) -> Result<Dual> {
    match given {
        None => Ok(z.clone()),
        Some(given) => z.beside(given),
    }
}
