//! Memory of evaluations, made once: workspace and tape.

use super::architecture::MlpArchitecture;
use super::weights::{EffectiveLayer, LayerWeights};
use crate::Real;
use crate::elementwise::Saved;
use crate::linalg::AlignedBuffer;
use crate::simd::SimdLevel;

/// The activations of one hidden layer for `1 + K` stacked row blocks.
#[derive(Clone, Debug)]
pub(crate) struct HiddenLayer<T: Real> {
    /// Outputs (y, dy₁, …): `[(1 + K) R, stride]`, the stride being the padded width.
    pub(crate) stack: AlignedBuffer<T>,
    /// φ'(x), where the activation's reverse needs it.
    pub(crate) slope: AlignedBuffer<T>,
    /// Inputs (x, dx₁, …), where the activation's reverse needs them.
    pub(crate) input: AlignedBuffer<T>,
}

impl<T: Real> HiddenLayer<T> {
    /// Buffers for activations only.
    pub(crate) fn unrecorded(numbers: usize) -> Self {
        Self {
            stack: AlignedBuffer::zeros(numbers),
            slope: AlignedBuffer::zeros(0),
            input: AlignedBuffer::zeros(0),
        }
    }

    pub(crate) fn recorded(numbers: usize, saved: Saved) -> Self {
        let used = |needed: bool| AlignedBuffer::zeros(if needed { numbers } else { 0 });
        Self {
            stack: AlignedBuffer::zeros(numbers),
            slope: used(saved == Saved::OutputAndSlope),
            input: used(saved == Saved::Input),
        }
    }
}

/// The row strides of the hidden layers.
fn hidden_strides<T: Real>(weights: &[LayerWeights<T>]) -> impl Iterator<Item = usize> {
    weights.iter().rev().skip(1).rev().map(|layer| layer.stride)
}

/// What a thread needs for evaluations of one network; made by [`MlpKernel::workspace`](super::MlpKernel::workspace).
///
/// Nothing is allocated in an evaluation. A workspace serves any number of rows and tangents up to its capacity, with
/// any tape, one evaluation at a time.
#[derive(Clone, Debug)]
pub struct MlpWorkspace<T: Real> {
    pub(super) architecture: MlpArchitecture,
    pub(super) capacity: usize,
    pub(super) effective: Vec<EffectiveLayer<T>>,
    /// Two buffers in turn, for passes that are not recorded.
    pub(super) hidden: Vec<HiddenLayer<T>>,
    /// Two cotangent stacks in turn.
    pub(super) cotangents: [AlignedBuffer<T>; 2],
    /// One dense weight: a generated weight, or a gradient of an effective one.
    pub(super) weight: AlignedBuffer<T>,
    /// The gradient of an effective weight with few columns, transposed.
    pub(super) transposed: AlignedBuffer<T>,
    /// The gradient of an effective bias.
    pub(super) bias: AlignedBuffer<T>,
}

impl<T: Real> MlpWorkspace<T> {
    pub(super) fn new(
        level: SimdLevel,
        architecture: &MlpArchitecture,
        weights: &[LayerWeights<T>],
        capacity: usize,
    ) -> Self {
        let widest = hidden_strides(weights).max().unwrap_or(0);
        let largest = weights.iter().map(|layer| layer.shape.weights()).max().unwrap_or(0);
        let most = weights.iter().map(|layer| layer.stride).max().unwrap_or(0);
        Self {
            architecture: architecture.clone(),
            capacity,
            effective: weights.iter().map(|layer| EffectiveLayer::new(level, layer)).collect(),
            hidden: vec![HiddenLayer::unrecorded(capacity * widest); 2],
            cotangents: std::array::from_fn(|_| AlignedBuffer::zeros(capacity * widest)),
            weight: AlignedBuffer::zeros(largest),
            transposed: AlignedBuffer::zeros(largest),
            bias: AlignedBuffer::zeros(most),
        }
    }
}

/// What a forward pass keeps for its reverse pass; made by [`MlpKernel::tape`](super::MlpKernel::tape).
///
/// A tape holds one evaluation and can be recorded over.
#[derive(Clone, Debug)]
pub struct MlpTape<T: Real> {
    pub(super) architecture: MlpArchitecture,
    pub(super) capacity: usize,
    pub(super) time: f64,
    pub(super) rows: usize,
    pub(super) tangents: usize,
    /// The network's input (z, e₁, …): `[(1 + K) R, D]`.
    pub(super) input: AlignedBuffer<T>,
    pub(super) hidden: Vec<HiddenLayer<T>>,
}

impl<T: Real> MlpTape<T> {
    pub(super) fn new(architecture: &MlpArchitecture, weights: &[LayerWeights<T>], capacity: usize) -> Self {
        let saved = architecture.activation().function(T::ONE).saved();
        Self {
            architecture: architecture.clone(),
            capacity,
            time: 0.0,
            rows: 0,
            tangents: 0,
            input: AlignedBuffer::zeros(capacity * architecture.inputs()),
            hidden: hidden_strides(weights)
                .map(|stride| HiddenLayer::recorded(capacity * stride, saved))
                .collect(),
        }
    }

    /// The number of rows that were recorded last; zero for a fresh tape.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of tangents that were recorded last.
    #[must_use]
    pub fn tangents(&self) -> usize {
        self.tangents
    }

    /// The time that was recorded last.
    #[must_use]
    pub fn time(&self) -> f64 {
        self.time
    }

    /// Bytes of memory that the tape holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let hidden = |layer: &HiddenLayer<T>| layer.stack.len() + layer.slope.len() + layer.input.len();
        size_of::<T>() * (self.input.len() + self.hidden.iter().map(hidden).sum::<usize>())
    }
}
