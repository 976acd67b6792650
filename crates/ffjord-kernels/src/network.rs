//! Dense and convolutional networks behind one type.

use crate::convolution::{ConvKernel, ConvTape, ConvWorkspace};
use crate::mlp::{MlpKernel, MlpTape, MlpWorkspace, ParameterSpec, Stack, StackMut};
use crate::{KernelError, Real};

/// A network of either kind, for callers that only see flat states: f(t, z; θ) with `[R, D]` states, where an image
/// counts as one row of D = C · H · W numbers.
///
/// ```
/// use ffjord_kernels::mlp::{Activation, Conditioning, MlpArchitecture, MlpKernel, Stack, StackMut};
/// use ffjord_kernels::{NetworkKernel, simd::SimdLevel};
///
/// let net = MlpArchitecture::new(&[2, 16, 2], Conditioning::Concat, Activation::Tanh)?;
/// let parameters = vec![0.1f32; net.parameter_count()];
/// let kernel = NetworkKernel::from(MlpKernel::new(SimdLevel::detect(), net, &parameters)?);
/// let (mut f, mut workspace) = ([0.0; 2], kernel.workspace(1));
/// let input = Stack { value: &[0.5, -0.5], tangents: &[] };
/// kernel.forward(0.3, input, StackMut { value: &mut f, tangents: &mut [] }, &mut workspace)?;
/// assert_eq!((kernel.state_len(), f[0]), (2, f[1]));
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub enum NetworkKernel<T: Real> {
    /// A multilayer perceptron with as many outputs as inputs.
    Dense(MlpKernel<T>),
    /// A stack of convolutions.
    Convolutional(ConvKernel<T>),
}

impl<T: Real> From<MlpKernel<T>> for NetworkKernel<T> {
    fn from(kernel: MlpKernel<T>) -> Self {
        Self::Dense(kernel)
    }
}

impl<T: Real> From<ConvKernel<T>> for NetworkKernel<T> {
    fn from(kernel: ConvKernel<T>) -> Self {
        Self::Convolutional(kernel)
    }
}

/// Memory for evaluations of a [`NetworkKernel`]; see [`MlpWorkspace`] and [`ConvWorkspace`].
#[derive(Clone, Debug)]
pub enum NetworkWorkspace<T: Real> {
    /// Of a dense network.
    Dense(MlpWorkspace<T>),
    /// Of a convolutional network.
    Convolutional(ConvWorkspace<T>),
}

/// What a forward pass of a [`NetworkKernel`] keeps for its reverse pass; see [`MlpTape`] and [`ConvTape`].
#[derive(Clone, Debug)]
pub enum NetworkTape<T: Real> {
    /// Of a dense network.
    Dense(MlpTape<T>),
    /// Of a convolutional network.
    Convolutional(ConvTape<T>),
}

impl<T: Real> NetworkTape<T> {
    /// Bytes of memory that the tape holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Dense(tape) => tape.bytes(),
            Self::Convolutional(tape) => tape.bytes(),
        }
    }
}

impl<T: Real> NetworkKernel<T> {
    /// D, the numbers of one state.
    #[must_use]
    pub fn state_len(&self) -> usize {
        match self {
            Self::Dense(kernel) => kernel.architecture().inputs(),
            Self::Convolutional(kernel) => kernel.architecture().state_shape().iter().product(),
        }
    }

    /// Every parameter tensor in the order of the flat parameters and gradients.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        match self {
            Self::Dense(kernel) => kernel.architecture().parameters(),
            Self::Convolutional(kernel) => kernel.architecture().parameters(),
        }
    }

    /// The number of parameters.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        match self {
            Self::Dense(kernel) => kernel.parameters().len(),
            Self::Convolutional(kernel) => kernel.parameters().len(),
        }
    }

    /// The multiply-add count, times two, of one state through all weights: the unit of achieved speed.
    #[must_use]
    pub fn flops_per_row(&self) -> usize {
        match self {
            Self::Dense(kernel) => kernel.flops_per_row(),
            Self::Convolutional(kernel) => kernel.flops_per_row(),
        }
    }

    /// A workspace for evaluations of up to `stacked_rows` = rows × (1 + tangents).
    #[must_use]
    pub fn workspace(&self, stacked_rows: usize) -> NetworkWorkspace<T> {
        match self {
            Self::Dense(kernel) => NetworkWorkspace::Dense(kernel.workspace(stacked_rows)),
            Self::Convolutional(kernel) => NetworkWorkspace::Convolutional(kernel.workspace(stacked_rows)),
        }
    }

    /// A tape for one recorded evaluation of up to `stacked_rows` = rows × (1 + tangents).
    #[must_use]
    pub fn tape(&self, stacked_rows: usize) -> NetworkTape<T> {
        match self {
            Self::Dense(kernel) => NetworkTape::Dense(kernel.tape(stacked_rows)),
            Self::Convolutional(kernel) => NetworkTape::Convolutional(kernel.tape(stacked_rows)),
        }
    }

    /// f(t, z) and, for every tangent, (∂f/∂z) e.
    ///
    /// # Errors
    /// [`KernelError`] if lengths do not fit together, or the workspace is too small or another network's.
    pub fn forward(
        &self,
        t: f64,
        input: Stack<'_, T>,
        output: StackMut<'_, T>,
        workspace: &mut NetworkWorkspace<T>,
    ) -> Result<(), KernelError> {
        match (self, workspace) {
            (Self::Dense(kernel), NetworkWorkspace::Dense(workspace)) => kernel.forward(t, input, output, workspace),
            (Self::Convolutional(kernel), NetworkWorkspace::Convolutional(workspace)) => {
                kernel.forward(t, input, output, workspace)
            }
            _ => Err(KernelError::Foreign("workspace")),
        }
    }

    /// As [`NetworkKernel::forward`], keeping on the `tape` what [`NetworkKernel::reverse`] needs.
    ///
    /// # Errors
    /// As `forward`, and if the tape is too small or another network's.
    pub fn record(
        &self,
        t: f64,
        input: Stack<'_, T>,
        output: StackMut<'_, T>,
        tape: &mut NetworkTape<T>,
        workspace: &mut NetworkWorkspace<T>,
    ) -> Result<(), KernelError> {
        match (self, tape, workspace) {
            (Self::Dense(kernel), NetworkTape::Dense(tape), NetworkWorkspace::Dense(workspace)) => {
                kernel.record(t, input, output, tape, workspace)
            }
            (
                Self::Convolutional(kernel),
                NetworkTape::Convolutional(tape),
                NetworkWorkspace::Convolutional(workspace),
            ) => kernel.record(t, input, output, tape, workspace),
            _ => Err(KernelError::Foreign("tape or workspace")),
        }
    }

    /// Takes the cotangents of (f, u) of a recorded evaluation back: `grad_z` `[R, D]` is set to that of the state, that
    /// of the parameters is added to the flat `gradient`, and that of time is returned.
    ///
    /// # Errors
    /// [`KernelError`] if nothing was recorded, lengths do not fit the recorded rows and tangents or the parameters, or
    /// tape or workspace belong to another network.
    pub fn reverse(
        &self,
        tape: &NetworkTape<T>,
        cotangent: Stack<'_, T>,
        grad_z: &mut [T],
        gradient: &mut [T],
        workspace: &mut NetworkWorkspace<T>,
    ) -> Result<f64, KernelError> {
        match (self, tape, workspace) {
            (Self::Dense(kernel), NetworkTape::Dense(tape), NetworkWorkspace::Dense(workspace)) => {
                kernel.reverse(tape, cotangent, grad_z, gradient, workspace)
            }
            (
                Self::Convolutional(kernel),
                NetworkTape::Convolutional(tape),
                NetworkWorkspace::Convolutional(workspace),
            ) => kernel.reverse(tape, cotangent, grad_z, gradient, workspace),
            _ => Err(KernelError::Foreign("tape or workspace")),
        }
    }
}
