//! The narrowest hidden state of an encoder–decoder network.

use crate::error::{NnError, Result};
use crate::stack::Stack;
use candle_core::Tensor;

/// Where a stack of layers is narrowest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bottleneck {
    /// Layers and activations before it.
    steps: usize,
    shape: Vec<usize>,
}

impl Bottleneck {
    /// The first of the narrowest hidden states, given the shapes of all, before its nonlinearity; none unless it has
    /// fewer numbers than the state.
    pub(crate) fn narrowest(hidden: &[Vec<usize>], state: usize) -> Option<Self> {
        let numbers = |shape: &[usize]| shape.iter().product::<usize>();
        hidden
            .iter()
            .enumerate()
            .min_by_key(|(_, shape)| numbers(shape))
            .filter(|(_, shape)| numbers(shape) < state)
            .map(|(index, shape)| Self {
                steps: 2 * index + 1,
                shape: shape.clone(),
            })
    }

    /// The hidden state `index` behind its nonlinearity.
    pub(crate) fn behind(index: usize, shape: &[usize]) -> Self {
        Self {
            steps: 2 * index + 2,
            shape: shape.to_vec(),
        }
    }

    /// Layers and activations before it.
    pub(crate) fn steps(&self) -> usize {
        self.steps
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
        stack.through(place, t, z, given, probes)
    }
}
