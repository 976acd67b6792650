//! The network with its packed weights.

use super::architecture::MlpArchitecture;
use super::buffers::{MlpTape, MlpWorkspace};
use super::weights::LayerWeights;
use crate::error::check_length;
use crate::simd::SimdLevel;
use crate::{KernelError, Real};

/// A value array and K tangents of it, to read: `[R, D]` and `[K, R, D]`.
#[derive(Clone, Copy, Debug)]
pub struct Stack<'a, T> {
    /// `[R, D]`.
    pub value: &'a [T],
    /// `[K, R, D]`; empty without tangents.
    pub tangents: &'a [T],
}

/// A value array and K tangents of it, to write: `[R, D]` and `[K, R, D]`.
#[derive(Debug)]
pub struct StackMut<'a, T> {
    /// `[R, D]`.
    pub value: &'a mut [T],
    /// `[K, R, D]`; empty without tangents.
    pub tangents: &'a mut [T],
}

/// A time-conditioned multilayer perceptron f(t, z; θ), evaluated together with its tangents.
///
/// Weights are packed when they are set. The kernel is then only read, so one serves all threads, each with a
/// [`MlpWorkspace`] of its own. The result for a row does not depend on the other rows of a call.
///
/// ```
/// use ffjord_kernels::mlp::{Activation, Conditioning, MlpArchitecture, MlpKernel, Stack, StackMut};
/// use ffjord_kernels::simd::SimdLevel;
///
/// let net = MlpArchitecture::new(&[2, 16, 2], Conditioning::ConcatSquash, Activation::Tanh)?;
/// let parameters = vec![0.1f32; net.parameter_count()];
/// let kernel = MlpKernel::new(SimdLevel::detect(), net, &parameters)?;
/// let (mut workspace, mut tape) = (kernel.workspace(3 * 2), kernel.tape(3 * 2));
///
/// // f and u = (∂f/∂z) ε for three rows.
/// let (z, probe) = ([0.5, -0.5, 1.0, 0.0, 0.2, 0.3], [1.0, -1.0, 1.0, 1.0, -1.0, 1.0]);
/// let (mut f, mut u) = ([0.0; 6], [0.0; 6]);
/// let input = Stack { value: &z, tangents: &probe };
/// kernel.record(0.3, input, StackMut { value: &mut f, tangents: &mut u }, &mut tape, &mut workspace)?;
///
/// // The gradient of Σ f + Σ εᵀu.
/// let (mut grad_z, mut gradient) = ([0.0; 6], vec![0.0; parameters.len()]);
/// let cotangent = Stack { value: &[1.0; 6], tangents: &probe };
/// let grad_t = kernel.reverse(&tape, cotangent, &mut grad_z, &mut gradient, &mut workspace)?;
/// assert!(grad_t.is_finite() && gradient.iter().any(|g| *g != 0.0));
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MlpKernel<T: Real> {
    pub(super) level: SimdLevel,
    pub(super) architecture: MlpArchitecture,
    pub(super) parameters: Vec<T>,
    pub(super) layers: Vec<LayerWeights<T>>,
}

impl<T: Real> MlpKernel<T> {
    /// A network with the given flat `parameters`, laid out as [`MlpArchitecture::parameters`] says.
    ///
    /// # Errors
    /// [`KernelError::Length`] if their number is not [`MlpArchitecture::parameter_count`].
    pub fn new(level: SimdLevel, architecture: MlpArchitecture, parameters: &[T]) -> Result<Self, KernelError> {
        let layers = architecture
            .conditionings()
            .iter()
            .enumerate()
            .map(|(layer, conditioning)| {
                LayerWeights::zeros(level, architecture.shape(layer), conditioning.rule::<T>())
            })
            .collect();
        let mut kernel = Self {
            level,
            architecture,
            parameters: Vec::new(),
            layers,
        };
        kernel.parameters = vec![T::ZERO; kernel.architecture.parameter_count()];
        kernel.set_parameters(parameters)?;
        Ok(kernel)
    }

    /// Replaces all parameters and packs the weights: once per optimiser step.
    ///
    /// # Errors
    /// [`KernelError::Length`] if their number is not [`MlpArchitecture::parameter_count`].
    pub fn set_parameters(&mut self, parameters: &[T]) -> Result<(), KernelError> {
        check_length("the parameter buffer", parameters.len(), self.parameters.len())?;
        self.parameters.copy_from_slice(parameters);
        for (layer, weights) in self.layers.iter_mut().enumerate() {
            weights.pack(&self.parameters[self.architecture.span(layer)]);
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
    pub fn architecture(&self) -> &MlpArchitecture {
        &self.architecture
    }

    /// The instruction set the kernel runs with.
    #[must_use]
    pub fn level(&self) -> SimdLevel {
        self.level
    }

    /// A workspace for evaluations of up to `stacked_rows` = rows × (1 + tangents).
    #[must_use]
    pub fn workspace(&self, stacked_rows: usize) -> MlpWorkspace<T> {
        MlpWorkspace::new(self.level, &self.architecture, &self.layers, stacked_rows)
    }

    /// A tape for one recorded evaluation of up to `stacked_rows` = rows × (1 + tangents).
    #[must_use]
    pub fn tape(&self, stacked_rows: usize) -> MlpTape<T> {
        MlpTape::new(&self.architecture, &self.layers, stacked_rows)
    }

    /// The flat multiply-add count, times two, of one row through all weight matrices: the unit of achieved speed.
    #[must_use]
    pub fn flops_per_row(&self) -> usize {
        2 * self.layers.iter().map(|layer| layer.shape.weights()).sum::<usize>()
    }

    pub(super) fn beta(&self) -> T {
        self.parameters.last().copied().unwrap_or(T::ONE)
    }
}
