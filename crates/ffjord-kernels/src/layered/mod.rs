//! Networks as stacks of linear layers with one nonlinearity between them: the one driver of all kinds.
//!
//! A network is an [`Architecture`]; what differs between the kinds is the [`Linear`] part of a layer.

mod bottleneck;
mod forward;
mod linear;
mod memory;
mod own;
mod parameters;
mod pixels;
mod reverse;
mod rows;

pub use bottleneck::{Bottleneck, BottleneckTape, BottleneckWorkspace};
pub use linear::{Architecture, Linear, Moment};
pub(crate) use memory::Extent;
pub use memory::{Tape, Workspace};
pub use own::OwnLayer;
pub(crate) use parameters::LayerParameters;
pub use parameters::{ParameterLayout, ParameterSpec};
pub use pixels::Pixels;
pub use rows::RowForm;

use crate::elementwise::Function;
use crate::error::check_length;
use crate::kernel::{GradientMut, Kernel, Stack, StackMut, TraceMut};
use crate::mlp::DenseNetwork;
use crate::simd::SimdLevel;
use crate::{KernelError, Real};

/// A network f(z, t; c, θ) of shape `A` with its present parameters θ, evaluated together with tangents.
///
/// Weights are packed when they are set. The network is then only read, so one serves all threads, each with a
/// [`Workspace`] of its own. The result of a row does not depend on the other rows of a call. Evaluations are those of
/// the trait [`Kernel`]; [`MlpKernel`](crate::mlp::MlpKernel) and [`ConvKernel`](crate::convolution::ConvKernel) are
/// the two kinds, with examples.
///
/// What an optimiser's step changes:
///
/// ```
/// use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// use ffjord_kernels::simd::SimdLevel;
/// use ffjord_kernels::{ActivationKind, Kernel, LayerKind, Layered, Stack, StackMut};
///
/// let net = MlpArchitecture::new(&[2, 2], LayerKind::Ignore, ActivationKind::Tanh)?;
/// let mut network: Layered<MlpArchitecture, f64> = MlpKernel::new(SimdLevel::detect(), net, &[0.0; 6])?;
/// assert_eq!((network.architecture().layers(), network.flops_per_row()), (1, 2 * 4));
/// network.set_parameters(&[0.0, 1.0, 1.0, 0.0, 0.5, 0.0])?;
/// assert_eq!((network.parameters()[4], network.level()), (0.5, SimdLevel::detect()));
///
/// let (mut f, input) = ([0.0; 2], Stack { value: &[1.0, 3.0], tangents: &[] });
/// network.forward(0.0, input, &[], StackMut { value: &mut f, tangents: &mut [] }, &mut network.workspace(1))?;
/// assert_eq!(f, [3.5, 1.0]);
/// assert!(network.set_parameters(&[0.0; 5]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Layered<A: Architecture, T: Real> {
    pub(crate) level: SimdLevel,
    pub(crate) architecture: A,
    parameters: Vec<T>,
    pub(crate) layers: Vec<A::Layer<T>>,
}

impl<A: Architecture, T: Real> Layered<A, T> {
    /// A network with the given flat `parameters`, laid out as the architecture's `parameters` says.
    ///
    /// # Errors
    /// [`KernelError::Length`] if their number is not the architecture's `parameter_count`.
    pub fn new(level: SimdLevel, architecture: A, parameters: &[T]) -> Result<Self, KernelError> {
        let mut network = Self {
            level,
            layers: architecture.layers(level),
            parameters: vec![T::ZERO; architecture.layout().count()],
            architecture,
        };
        network.set_parameters(parameters)?;
        Ok(network)
    }

    /// Replaces all parameters and packs the weights: once an optimiser step.
    ///
    /// # Errors
    /// [`KernelError::Length`] if their number is not the architecture's `parameter_count`.
    pub fn set_parameters(&mut self, parameters: &[T]) -> Result<(), KernelError> {
        check_length("the parameter buffer", parameters.len(), self.parameters.len())?;
        self.parameters.copy_from_slice(parameters);
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.pack(&self.parameters[self.architecture.layout().span(index)]);
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
    pub fn architecture(&self) -> &A {
        &self.architecture
    }

    /// The instruction set the network runs with.
    #[must_use]
    pub fn level(&self) -> SimdLevel {
        self.level
    }

    /// The multiply-add count, times two, of one row through all weights, which convolutions count as if an image had
    /// no border: the unit of achieved speed.
    #[must_use]
    pub fn flops_per_row(&self) -> usize {
        self.layers.iter().map(Linear::flops).sum()
    }

    /// What stands between the layers.
    pub(crate) fn function(&self) -> Function<T> {
        let beta = self.parameters.last().copied().unwrap_or(T::ONE);
        self.architecture.layout().activation().function(beta)
    }

    /// Layer `index` at time `t`.
    pub(crate) fn moment(&self, index: usize, t: T) -> Moment<'_, T> {
        let parameters = &self.parameters[self.architecture.layout().span(index)];
        Moment { parameters, t }
    }
}

impl<A: Architecture, T: Real> Kernel<T> for Layered<A, T> {
    type Workspace = Workspace<A, T>;
    type Tape = Tape<A, T>;

    fn state_len(&self) -> usize {
        self.architecture.input_form().state_len()
    }

    fn given_len(&self) -> usize {
        self.architecture.input_form().given_len() + self.architecture.own_len()
    }

    fn parameter_count(&self) -> usize {
        self.parameters.len()
    }

    fn workspace(&self, stacked_rows: usize) -> Workspace<A, T> {
        Workspace::new(self, stacked_rows)
    }

    fn tape(&self, stacked_rows: usize) -> Tape<A, T> {
        Tape::new(self, stacked_rows)
    }

    fn tape_bytes(&self, tape: &Tape<A, T>) -> usize {
        tape.bytes()
    }

    fn forward(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        workspace: &mut Workspace<A, T>,
    ) -> Result<(), KernelError> {
        self.evaluate(t, (input, given), output, None, workspace)
    }

    fn record(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        tape: &mut Tape<A, T>,
        workspace: &mut Workspace<A, T>,
    ) -> Result<(), KernelError> {
        self.evaluate(t, (input, given), output, Some(tape), workspace)
    }

    fn reverse(
        &self,
        tape: &Tape<A, T>,
        given: &[T],
        cotangent: Stack<'_, T>,
        gradient: GradientMut<'_, T>,
        workspace: &mut Workspace<A, T>,
    ) -> Result<f64, KernelError> {
        self.pull_back((tape, given), cotangent, gradient, workspace)
    }

    fn has_exact_trace(&self) -> bool {
        self.architecture.has_exact_trace()
    }

    fn exact_trace(
        &self,
        t: f64,
        z: &[T],
        given: &[T],
        output: TraceMut<'_, T>,
        workspace: &mut Workspace<A, T>,
    ) -> Result<(), KernelError> {
        A::exact_trace(self, t, (z, given), output, workspace)
    }

    fn dense(&self) -> Option<DenseNetwork<'_, T>> {
        let architecture = self.architecture.as_dense()?;
        Some(DenseNetwork::new(architecture, &self.parameters))
    }
}
