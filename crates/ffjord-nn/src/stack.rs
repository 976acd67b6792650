//! Layers with activations between them: what dense and convolutional networks share.

use crate::activation::Activation;
use crate::dual::Dual;
use crate::error::Result;
use crate::layer::{TimeLayer, image_size};
use candle_core::Tensor;

/// Layers applied in turn, an activation after each but the last.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) layers: Vec<Box<dyn TimeLayer>>,
    pub(crate) activation: Activation,
}

impl Stack {
    /// The stack on values and tangents at time `t` `[1]`, or `[B, 1]` with a time for each row.
    pub(crate) fn apply(&self, t: &Tensor, z: &Dual) -> Result<Dual> {
        let mut h = z.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                h = self.activation.apply(&h)?;
            }
            h = if t.rank() == 1 {
                layer.at(t, image_size(&h))?.apply(&h)?
            } else {
                layer.rowwise(t, &h)?
            };
        }
        Ok(h)
    }
}
