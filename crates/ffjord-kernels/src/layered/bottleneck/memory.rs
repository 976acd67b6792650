//! Memory of evaluations of a network cut at a hidden state.

use super::Bottleneck;
use crate::layered::memory::Extent;
use crate::layered::{Architecture, Tape, Workspace};
use crate::linalg::AlignedBuffer;
use crate::{KernelError, Real};

/// What a thread needs for evaluations of one [`Bottleneck`]; made by [`Kernel::workspace`](crate::Kernel::workspace).
///
/// ```
/// use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// use ffjord_kernels::simd::SimdLevel;
/// use ffjord_kernels::{ActivationKind, Bottleneck, BottleneckWorkspace, Kernel, LayerKind, Stack, StackMut};
///
/// let net = MlpArchitecture::new(&[2, 1, 2], LayerKind::Ignore, ActivationKind::Identity)?;
/// // h = z₁ + z₂ and f = (3 h, 4 h): (∂h/∂z)(∂g/∂h) = 7.
/// let network = MlpKernel::new(SimdLevel::detect(), net, &[1.0, 1.0, 0.0, 3.0, 4.0, 0.0, 0.0])?;
/// let narrow = Bottleneck::new(network, 1)?;
/// let mut workspace: BottleneckWorkspace<MlpArchitecture, f64> = narrow.workspace(2);
/// let (mut f, mut product) = ([0.0; 2], [0.0]);
/// let input = Stack { value: &[1.0, 1.0], tangents: &[1.0] };
/// narrow.forward(0.0, input, &[], StackMut { value: &mut f, tangents: &mut product }, &mut workspace)?;
/// assert_eq!((f, product), ([6.0, 8.0], [7.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BottleneckWorkspace<A: Architecture, T: Real> {
    pub(super) common: Common<A, T>,
    /// For evaluations that are not recorded, which need the slopes of the first layers too.
    pub(super) tape: BottleneckTape<A, T>,
}

/// What recorded evaluations, others and reverse passes need.
#[derive(Clone, Debug)]
pub(super) struct Common<A: Architecture, T: Real> {
    encoder: usize,
    pub(super) workspace: Workspace<A, T>,
    /// (f, u), the last layer's outputs with u = (∂g/∂h) ε, or their cotangents.
    pub(super) output: AlignedBuffer<T>,
    /// (x, u), cotangents of the first layer's inputs.
    pub(super) input: AlignedBuffer<T>,
    /// Cotangents of the hidden state and of the products.
    pub(super) hidden: AlignedBuffer<T>,
}

impl<A: Architecture, T: Real> BottleneckWorkspace<A, T> {
    pub(super) fn new(kernel: &Bottleneck<A, T>, capacity: usize) -> Self {
        let architecture = &kernel.network.architecture;
        let buffer = |numbers: usize| AlignedBuffer::zeros(capacity * numbers);
        Self {
            common: Common {
                encoder: kernel.encoder,
                workspace: Workspace::new(&kernel.network, capacity),
                output: buffer(architecture.output_form().len()),
                input: buffer(architecture.input_form().len()),
                hidden: buffer(kernel.width()),
            },
            tape: BottleneckTape::new(kernel, capacity),
        }
    }
}

/// What a forward pass of a [`Bottleneck`] keeps for its reverse pass; made by [`Kernel::tape`](crate::Kernel::tape).
///
/// ```
/// use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// use ffjord_kernels::simd::SimdLevel;
/// use ffjord_kernels::{
///     ActivationKind, Bottleneck, BottleneckTape, GradientMut, Kernel, LayerKind, Stack, StackMut,
/// };
///
/// let net = MlpArchitecture::new(&[2, 1, 2], LayerKind::Ignore, ActivationKind::Identity)?;
/// // h = w₁ z₁ + w₂ z₂ and f = (3 h, 4 h): (∂h/∂z)(∂g/∂h) = 3 w₁ + 4 w₂.
/// let network = MlpKernel::new(SimdLevel::detect(), net, &[1.0, 1.0, 0.0, 3.0, 4.0, 0.0, 0.0])?;
/// let narrow = Bottleneck::new(network, 1)?;
/// let (mut workspace, mut tape) = (narrow.workspace(2), narrow.tape(2));
/// let (mut f, mut product) = ([0.0; 2], [0.0]);
/// let input = Stack { value: &[1.0, 1.0], tangents: &[1.0] };
/// let output = StackMut { value: &mut f, tangents: &mut product };
/// narrow.record(0.0, input, &[], output, &mut tape, &mut workspace)?;
///
/// let recorded: &BottleneckTape<MlpArchitecture, f64> = &tape;
/// let (mut of_z, mut of_parameters) = ([0.0; 2], [0.0; 7]);
/// let cotangent = Stack { value: &[0.0, 0.0], tangents: &[1.0] };
/// let gradient = GradientMut { state: &mut of_z, parameters: &mut of_parameters, given: &mut [] };
/// narrow.reverse(recorded, &[], cotangent, gradient, &mut workspace)?;
/// assert_eq!(of_parameters, [3.0, 4.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BottleneckTape<A: Architecture, T: Real> {
    encoder: usize,
    /// The first layer's input (x, u) and the hidden layers': those of h with tangents along u, the others along ε.
    pub(super) tape: Tape<A, T>,
    /// The decoder's input (h, ε), as rows of the network.
    pub(super) middle: AlignedBuffer<T>,
}

impl<A: Architecture, T: Real> BottleneckTape<A, T> {
    pub(super) fn new(kernel: &Bottleneck<A, T>, capacity: usize) -> Self {
        Self {
            encoder: kernel.encoder,
            tape: Tape::new(&kernel.network, capacity),
            middle: AlignedBuffer::zeros(capacity * kernel.width()),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.tape.bytes() + size_of::<T>() * self.middle.len()
    }

    /// What was recorded last.
    pub(super) fn extent(&self) -> Extent {
        self.tape.extent
    }
}

impl<A: Architecture, T: Real> Bottleneck<A, T> {
    pub(super) fn check_workspace(
        &self,
        extent: Extent,
        workspace: &BottleneckWorkspace<A, T>,
    ) -> Result<(), KernelError> {
        if workspace.common.encoder != self.encoder {
            return Err(KernelError::Foreign("workspace"));
        }
        self.network.check_workspace(extent, &workspace.common.workspace)
    }

    pub(super) fn check_tape(&self, extent: Extent, tape: &BottleneckTape<A, T>) -> Result<(), KernelError> {
        if tape.encoder != self.encoder {
            return Err(KernelError::Foreign("tape"));
        }
        self.network.check_tape(extent, &tape.tape)
    }
}
