//! Memory of evaluations of a network cut at a hidden state.

use super::Bottleneck;
use crate::layered::memory::Extent;
use crate::layered::{Architecture, Tape, Workspace};
use crate::linalg::AlignedBuffer;
use crate::{KernelError, Real};

/// What a thread needs for evaluations of one [`Bottleneck`]; made by [`Kernel::workspace`](crate::Kernel::workspace).
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
