//! The narrowest hidden state of an encoder–decoder network.

use crate::error::{NnError, Result};
use crate::stack::Stack;
use candle_core::Tensor;

/// Where a stack of layers is narrowest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bottleneck {
    /// Layers before it.
    layers: usize,
    shape: Vec<usize>,
}

impl Bottleneck {
    /// The first of the narrowest hidden states, given the shapes of all; none unless it has fewer numbers than the
    /// state.
    pub(crate) fn narrowest(hidden: impl Iterator<Item = Vec<usize>>, state: usize) -> Option<Self> {
        let numbers = |shape: &[usize]| shape.iter().product::<usize>();
        hidden
            .enumerate()
            .min_by_key(|(_, shape)| numbers(shape))
            .filter(|(_, shape)| numbers(shape) < state)
            .map(|(index, shape)| Self {
                layers: index + 1,
                shape,
            })
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// [`Stack::through`] at this place, if there is one.
    pub(crate) fn through(
        place: Option<&Self>,
        stack: &Stack,
        t: &Tensor,
        z: &Tensor,
        given: Option<&Tensor>,
        probes: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let place = place.ok_or(NnError::Unsupported {
            what: "a bottleneck",
            remedy: "give it a hidden layer that is narrower than its state",
        })?;
        stack.through(t, z, given, probes, place.layers)
    }
}
