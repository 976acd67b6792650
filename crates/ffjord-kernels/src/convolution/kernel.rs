//! The network with its packed kernels.

use super::architecture::ConvArchitecture;
use super::buffers::{ConvTape, ConvWorkspace};
use super::layer::ConvLayer;
use crate::error::check_length;
use crate::simd::SimdLevel;
use crate::{KernelError, Real};

/// A time-conditioned convolutional network f(t, z; θ), evaluated together with its tangents.
///
/// Kernels are packed when they are set. The network is then only read, so one serves all threads, each with a
/// [`ConvWorkspace`] of its own. The result for an image does not depend on the other images of a call.
///
/// ```
/// use ffjord_kernels::convolution::{ConvArchitecture, ConvConditioning, ConvKernel, ConvStride};
/// use ffjord_kernels::mlp::{Activation, Stack, StackMut};
/// use ffjord_kernels::simd::SimdLevel;
///
/// let strides = [ConvStride::Keep; 2];
/// let net = ConvArchitecture::new(1, (4, 4), &[8], &strides, ConvConditioning::Concat, Activation::Softplus)?;
/// let parameters = vec![0.1f32; net.parameter_count()];
/// let kernel = ConvKernel::new(SimdLevel::detect(), net, &parameters)?;
/// let (mut workspace, mut tape) = (kernel.workspace(3 * 2), kernel.tape(3 * 2));
///
/// // f and u = (∂f/∂z) ε for three images.
/// let (z, probe) = ([0.5; 3 * 16], [1.0; 3 * 16]);
/// let (mut f, mut u) = ([0.0; 3 * 16], [0.0; 3 * 16]);
/// let input = Stack { value: &z, tangents: &probe };
/// kernel.record(0.3, input, StackMut { value: &mut f, tangents: &mut u }, &mut tape, &mut workspace)?;
///
/// // The gradient of Σ f + Σ εᵀu.
/// let (mut grad_z, mut gradient) = ([0.0; 3 * 16], vec![0.0; parameters.len()]);
/// let cotangent = Stack { value: &[1.0; 3 * 16], tangents: &probe };
/// let grad_t = kernel.reverse(&tape, cotangent, &mut grad_z, &mut gradient, &mut workspace)?;
/// assert!(grad_t.is_finite() && gradient.iter().all(|g| *g != 0.0));
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConvKernel<T: Real> {
    pub(super) level: SimdLevel,
    pub(super) architecture: ConvArchitecture,
    pub(super) parameters: Vec<T>,
    pub(super) layers: Vec<ConvLayer<T>>,
}

impl<T: Real> ConvKernel<T> {
    /// A network with the given flat `parameters`, laid out as [`ConvArchitecture::parameters`] says.
    ///
    /// # Errors
    /// [`KernelError::Length`] if their number is not [`ConvArchitecture::parameter_count`].
    pub fn new(level: SimdLevel, architecture: ConvArchitecture, parameters: &[T]) -> Result<Self, KernelError> {
        let rule = architecture.conditioning().rule::<T>();
        let shapes = architecture.shapes().iter();
        let layers = shapes.map(|&shape| ConvLayer::zeros(level, shape, rule)).collect();
        let mut kernel = Self {
            level,
            parameters: vec![T::ZERO; architecture.parameter_count()],
            architecture,
            layers,
        };
        kernel.set_parameters(parameters)?;
        Ok(kernel)
    }

    /// Replaces all parameters and packs the kernels: once per optimiser step.
    ///
    /// # Errors
    /// [`KernelError::Length`] if their number is not [`ConvArchitecture::parameter_count`].
    pub fn set_parameters(&mut self, parameters: &[T]) -> Result<(), KernelError> {
        check_length("the parameter buffer", parameters.len(), self.parameters.len())?;
        self.parameters.copy_from_slice(parameters);
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.pack(&self.parameters[self.architecture.span(index)]);
        }
        Ok(())
    }

    /// The flat parameters.
    #[must_use]
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// The shape of the network.
    #[must_use]
    pub fn architecture(&self) -> &ConvArchitecture {
        &self.architecture
    }

    /// The instruction set the kernel runs with.
    #[must_use]
    pub fn level(&self) -> SimdLevel {
        self.level
    }

    /// A workspace for evaluations of up to `stacked_rows` = images × (1 + tangents).
    #[must_use]
    pub fn workspace(&self, stacked_rows: usize) -> ConvWorkspace<T> {
        ConvWorkspace::new(self.level, &self.architecture, &self.layers, stacked_rows)
    }

    /// A tape for one recorded evaluation of up to `stacked_rows` = images × (1 + tangents).
    #[must_use]
    pub fn tape(&self, stacked_rows: usize) -> ConvTape<T> {
        ConvTape::new(&self.architecture, &self.layers, stacked_rows)
    }

    /// The multiply-add count, times two, of one image through all convolutions, counting borders as the middle: the
    /// unit of achieved speed.
    #[must_use]
    pub fn flops_per_row(&self) -> usize {
        let flops = |layer: &ConvLayer<T>| {
            let (height, width) = layer.shape.grid().coarse;
            2 * layer.shape.weights() * height * width
        };
        self.layers.iter().map(flops).sum()
    }

    pub(super) fn beta(&self) -> T {
        self.parameters.last().copied().unwrap_or(T::ONE)
    }
}
