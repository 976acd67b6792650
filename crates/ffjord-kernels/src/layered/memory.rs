//! Memory of evaluations, made once: workspace and tape.

use super::{Architecture, Layered, Linear};
use crate::elementwise::Saved;
use crate::kernel::{Stack, StackMut};
use crate::linalg::AlignedBuffer;
use crate::{KernelError, Real};

/// Rows and tangents of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) rows: usize,
    pub(crate) tangents: usize,
}

impl Extent {
    pub(crate) fn stacked(self) -> usize {
        self.rows * (1 + self.tangents)
    }

    /// Values and tangents in a buffer whose rows are `len` numbers.
    pub(super) fn stack<T>(self, buffer: &[T], len: usize) -> Stack<'_, T> {
        let (value, tangents) = buffer[..self.stacked() * len].split_at(self.rows * len);
        Stack { value, tangents }
    }

    /// As [`Extent::stack`], to write.
    pub(super) fn stack_mut<T>(self, buffer: &mut [T], len: usize) -> StackMut<'_, T> {
        let (value, tangents) = buffer[..self.stacked() * len].split_at_mut(self.rows * len);
        StackMut { value, tangents }
    }

    pub(super) fn check_capacity(self, max_rows: usize) -> Result<(), KernelError> {
        let Extent { rows, tangents } = self;
        if self.stacked() <= max_rows {
            Ok(())
        } else {
            Err(KernelError::Capacity {
                rows,
                tangents,
                max_rows,
            })
        }
    }
}

/// The activations of one hidden layer for `1 + K` stacked row blocks.
#[derive(Clone, Debug)]
pub(crate) struct HiddenLayer<T: Real> {
    /// Outputs (y, dy₁, …).
    pub(crate) stack: AlignedBuffer<T>,
    /// φ'(x), where the activation's reverse needs it.
    pub(crate) slope: AlignedBuffer<T>,
    /// Inputs (x, dx₁, …), where the activation's reverse needs them.
    pub(crate) input: AlignedBuffer<T>,
}

impl<T: Real> HiddenLayer<T> {
    /// Buffers for activations only.
    fn unrecorded(numbers: usize) -> Self {
        Self {
            stack: AlignedBuffer::zeros(numbers),
            slope: AlignedBuffer::zeros(0),
            input: AlignedBuffer::zeros(0),
        }
    }

    fn recorded(numbers: usize, saved: Saved) -> Self {
        let used = |needed: bool| AlignedBuffer::zeros(if needed { numbers } else { 0 });
        Self {
            stack: AlignedBuffer::zeros(numbers),
            slope: used(saved == Saved::OutputAndSlope),
            input: used(saved == Saved::Input),
        }
    }
}

/// What the linear layers need of a workspace.
#[derive(Clone, Debug)]
pub(crate) struct Coefficients<A: Architecture, T: Real> {
    pub(crate) effective: Vec<<A::Layer<T> as Linear<T>>::Effective>,
    pub(crate) scratch: <A::Layer<T> as Linear<T>>::Scratch,
    /// Two numbers for each rank of the rows' own parts.
    pub(super) own: AlignedBuffer<T>,
}

/// What a thread needs for evaluations of one network; made by [`Kernel::workspace`](crate::Kernel::workspace).
///
/// Nothing is allocated in an evaluation. A workspace serves any number of rows and tangents up to its capacity, with
/// any tape, one evaluation at a time.
///
/// It holds up to as many stacked rows as it was made for:
///
/// ```
/// # use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// # use ffjord_kernels::simd::SimdLevel;
/// # use ffjord_kernels::{ActivationKind, LayerKind};
/// use ffjord_kernels::{Kernel, KernelError, Stack, StackMut, Workspace};
/// # // z ↦ (z₂, z₁) as a network of one layer.
/// # let net = MlpArchitecture::new(&[2, 2], LayerKind::Ignore, ActivationKind::Tanh)?;
/// # let swap = MlpKernel::new(SimdLevel::detect(), net, &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0])?;
/// let mut workspace: Workspace<MlpArchitecture, f64> = swap.workspace(2);
/// let mut f = [0.0; 6];
/// let one = Stack { value: &[1.0, 3.0], tangents: &[] };
/// swap.forward(0.0, one, &[], StackMut { value: &mut f[..2], tangents: &mut [] }, &mut workspace)?;
/// assert_eq!(f[..2], [3.0, 1.0]);
/// let three = Stack { value: &[1.0; 6], tangents: &[] };
/// let refused = swap.forward(0.0, three, &[], StackMut { value: &mut f, tangents: &mut [] }, &mut workspace);
/// assert_eq!(refused, Err(KernelError::Capacity { rows: 3, tangents: 0, max_rows: 2 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Workspace<A: Architecture, T: Real> {
    architecture: A,
    capacity: usize,
    pub(crate) coefficients: Coefficients<A, T>,
    /// The first layer's input or its cotangent, where the caller has it in another form.
    pub(crate) input: AlignedBuffer<T>,
    /// The last layer's output or its cotangent, likewise.
    pub(super) output: AlignedBuffer<T>,
    /// Two buffers in turn, for passes that are not recorded.
    pub(super) hidden: Vec<HiddenLayer<T>>,
    /// Two cotangent stacks in turn.
    pub(crate) cotangents: [AlignedBuffer<T>; 2],
}

/// The numbers of a row behind each hidden layer.
fn hidden_lens<A: Architecture, T: Real>(network: &Layered<A, T>) -> impl Iterator<Item = usize> {
    network.layers.iter().skip(1).map(Linear::input_len)
}

impl<A: Architecture, T: Real> Workspace<A, T> {
    pub(super) fn new(network: &Layered<A, T>, capacity: usize) -> Self {
        let architecture = &network.architecture;
        let widest = hidden_lens(network).max().unwrap_or(0);
        let own_ranks = (0..network.layers.len()).filter_map(|layer| Some(architecture.own(layer)?.rank));
        let [input, output] = [architecture.input_form(), architecture.output_form()]
            .map(|form| AlignedBuffer::zeros(if form.is_callers() { 0 } else { capacity * form.len() }));
        Self {
            architecture: architecture.clone(),
            capacity,
            coefficients: Coefficients {
                effective: network.layers.iter().map(Linear::effective).collect(),
                scratch: Linear::scratch(&network.layers),
                own: AlignedBuffer::zeros(2 * own_ranks.max().unwrap_or(0)),
            },
            input,
            output,
            hidden: vec![HiddenLayer::unrecorded(capacity * widest); 2],
            cotangents: std::array::from_fn(|_| AlignedBuffer::zeros(capacity * widest)),
        }
    }
}

/// What a forward pass keeps for its reverse pass; made by [`Kernel::tape`](crate::Kernel::tape).
///
/// A tape holds one evaluation and can be recorded over.
///
/// A fresh one has nothing to take back:
///
/// ```
/// # use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// # use ffjord_kernels::simd::SimdLevel;
/// # use ffjord_kernels::{ActivationKind, LayerKind};
/// use ffjord_kernels::{GradientMut, Kernel, KernelError, Stack, Tape};
/// # // z ↦ (z₂, z₁) as a network of one layer.
/// # let net = MlpArchitecture::new(&[2, 2], LayerKind::Ignore, ActivationKind::Tanh)?;
/// # let swap = MlpKernel::new(SimdLevel::detect(), net, &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0])?;
/// let tape: Tape<MlpArchitecture, f64> = swap.tape(1);
/// let (mut of_z, mut of_parameters) = ([0.0; 2], [0.0; 6]);
/// let gradient = GradientMut { state: &mut of_z, parameters: &mut of_parameters, given: &mut [] };
/// let cotangent = Stack { value: &[1.0, 1.0], tangents: &[] };
/// let refused = swap.reverse(&tape, &[], cotangent, gradient, &mut swap.workspace(1));
/// assert_eq!(refused, Err(KernelError::EmptyTape));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tape<A: Architecture, T: Real> {
    architecture: A,
    capacity: usize,
    pub(super) time: f64,
    /// What was recorded last; no rows on a fresh tape.
    pub(super) extent: Extent,
    /// The first layer's input (x, e₁, …).
    pub(super) input: AlignedBuffer<T>,
    pub(super) hidden: Vec<HiddenLayer<T>>,
}

impl<A: Architecture, T: Real> Tape<A, T> {
    pub(super) fn new(network: &Layered<A, T>, capacity: usize) -> Self {
        let saved = network.function().saved();
        Self {
            architecture: network.architecture.clone(),
            capacity,
            time: 0.0,
            extent: Extent { rows: 0, tangents: 0 },
            input: AlignedBuffer::zeros(capacity * network.architecture.input_form().len()),
            hidden: hidden_lens(network)
                .map(|len| HiddenLayer::recorded(capacity * len, saved))
                .collect(),
        }
    }

    /// Bytes of memory that the tape holds.
    pub(super) fn bytes(&self) -> usize {
        let hidden = |layer: &HiddenLayer<T>| layer.stack.len() + layer.slope.len() + layer.input.len();
        size_of::<T>() * (self.input.len() + self.hidden.iter().map(hidden).sum::<usize>())
    }
}

impl<A: Architecture, T: Real> Layered<A, T> {
    pub(crate) fn check_workspace(&self, extent: Extent, workspace: &Workspace<A, T>) -> Result<(), KernelError> {
        if workspace.architecture != self.architecture {
            return Err(KernelError::Foreign("workspace"));
        }
        extent.check_capacity(workspace.capacity)
    }

    pub(super) fn check_tape(&self, extent: Extent, tape: &Tape<A, T>) -> Result<(), KernelError> {
        if tape.architecture != self.architecture {
            return Err(KernelError::Foreign("tape"));
        }
        extent.check_capacity(tape.capacity)
    }
}
