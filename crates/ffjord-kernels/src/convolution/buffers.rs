//! Memory of evaluations, made once: workspace and tape.

use super::architecture::ConvArchitecture;
use super::conditioning::Planes;
use super::layer::{ConvLayer, EffectiveLayer};
use super::weight_gradient::WeightGradient;
use crate::Real;
use crate::linalg::AlignedBuffer;
use crate::mlp::buffers::HiddenLayer;
use crate::simd::SimdLevel;

/// What a thread needs for evaluations of one network; made by [`ConvKernel::workspace`](super::ConvKernel::workspace).
///
/// Nothing is allocated in an evaluation. A workspace serves any number of images and tangents up to its capacity,
/// with any tape, one evaluation at a time.
#[derive(Clone, Debug)]
pub struct ConvWorkspace<T: Real> {
    pub(super) architecture: ConvArchitecture,
    pub(super) capacity: usize,
    pub(super) effective: Vec<EffectiveLayer<T>>,
    /// The network's input, pixel by pixel.
    pub(super) input: AlignedBuffer<T>,
    /// The network's output or its cotangent, pixel by pixel.
    pub(super) output: AlignedBuffer<T>,
    /// Two buffers in turn, for passes that are not recorded.
    pub(super) hidden: Vec<HiddenLayer<T>>,
    /// Two cotangent stacks in turn.
    pub(super) cotangents: [AlignedBuffer<T>; 2],
    pub(super) scratch: Scratch<T>,
}

/// Small buffers that every layer uses anew.
#[derive(Clone, Debug)]
pub(super) struct Scratch<T: Real> {
    /// Patches of a few image lines.
    pub(super) patches: AlignedBuffer<T>,
    /// One kernel, or the gradient of one.
    pub(super) weight: AlignedBuffer<T>,
    /// The gradient of a kernel as it is summed.
    pub(super) sum: AlignedBuffer<T>,
    /// The gradient of a map of biases.
    pub(super) map: AlignedBuffer<T>,
    /// A bias, or the gradient of one.
    pub(super) bias: AlignedBuffer<T>,
    /// The kernels of the time and position channels.
    pub(super) planes: AlignedBuffer<T>,
}

/// The numbers of one image of each hidden layer.
fn hidden_sizes<T: Real>(layers: &[ConvLayer<T>]) -> impl Iterator<Item = usize> {
    layers.iter().skip(1).map(|layer| layer.shape.input_len())
}

impl<T: Real> ConvWorkspace<T> {
    pub(super) fn new(
        level: SimdLevel,
        architecture: &ConvArchitecture,
        layers: &[ConvLayer<T>],
        capacity: usize,
    ) -> Self {
        let effective: Vec<_> = layers.iter().map(|layer| EffectiveLayer::new(level, layer)).collect();
        let widest = hidden_sizes(layers).max().unwrap_or(0);
        let most = |numbers: &dyn Fn(usize) -> usize| (0..layers.len()).map(numbers).max().unwrap_or(0);
        let buffer = |numbers: &dyn Fn(usize) -> usize| AlignedBuffer::zeros(most(numbers));
        let rule = architecture.conditioning().rule::<T>();
        let planes = |layer: usize| rule.planes(layers[layer].shape);
        let patches = |layer: usize| {
            let gradient = WeightGradient::new(layers[layer].shape).patch_numbers::<T>();
            effective[layer].patch_numbers(&layers[layer]).max(gradient)
        };
        let scratch = Scratch {
            patches: buffer(&patches),
            weight: buffer(&|layer| layers[layer].shape.weights()),
            sum: buffer(&|layer| layers[layer].shape.weights()),
            map: buffer(&|layer| layers[layer].shape.output_len()),
            bias: buffer(&|layer| layers[layer].shape.outputs),
            planes: buffer(&|layer| planes(layer).map_or(0, Planes::kernel_numbers)),
        };
        Self {
            architecture: architecture.clone(),
            capacity,
            effective,
            input: AlignedBuffer::zeros(capacity * architecture.state_len()),
            output: AlignedBuffer::zeros(capacity * architecture.state_len()),
            hidden: vec![HiddenLayer::unrecorded(capacity * widest); 2],
            cotangents: std::array::from_fn(|_| AlignedBuffer::zeros(capacity * widest)),
            scratch,
        }
    }
}

/// What a forward pass keeps for its reverse pass; made by [`ConvKernel::tape`](super::ConvKernel::tape).
///
/// A tape holds one evaluation and can be recorded over.
#[derive(Clone, Debug)]
pub struct ConvTape<T: Real> {
    pub(super) architecture: ConvArchitecture,
    pub(super) capacity: usize,
    pub(super) time: f64,
    pub(super) rows: usize,
    pub(super) tangents: usize,
    /// The network's input (z, e₁, …), pixel by pixel: `[(1 + K) R, H, W, C]`.
    pub(super) input: AlignedBuffer<T>,
    pub(super) hidden: Vec<HiddenLayer<T>>,
}

impl<T: Real> ConvTape<T> {
    pub(super) fn new(architecture: &ConvArchitecture, layers: &[ConvLayer<T>], capacity: usize) -> Self {
        let saved = architecture.activation().function(T::ONE).saved();
        Self {
            architecture: architecture.clone(),
            capacity,
            time: 0.0,
            rows: 0,
            tangents: 0,
            input: AlignedBuffer::zeros(capacity * architecture.state_len()),
            hidden: hidden_sizes(layers)
                .map(|size| HiddenLayer::recorded(capacity * size, saved))
                .collect(),
        }
    }

    /// The number of images that were recorded last; zero for a fresh tape.
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
