//! A vector field minus its state.

use crate::kernel::{GradientMut, Kernel, Stack, StackMut, TraceMut};
use crate::mlp::DenseNetwork;
use crate::{KernelError, Opaque, Real, SharedKernel};

/// f(z, t) − z for a kernel f, as the residual blocks of the original FFJORD code have it.
///
/// ```
/// use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// use ffjord_kernels::simd::SimdLevel;
/// use ffjord_kernels::{ActivationKind, Kernel, LayerKind, MinusState, Stack, StackMut};
/// use std::sync::Arc;
///
/// let net = MlpArchitecture::new(&[2, 2], LayerKind::Ignore, ActivationKind::Tanh)?;
/// let kernel = MlpKernel::new(SimdLevel::detect(), net, &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0])?;
/// let kernel = MinusState::new(Arc::new(kernel));
/// let (mut f, mut workspace) = ([0.0; 2], kernel.workspace(1));
/// let input = Stack { value: &[1.0, 3.0], tangents: &[] };
/// kernel.forward(0.0, input, &[], StackMut { value: &mut f, tangents: &mut [] }, &mut workspace)?;
/// assert_eq!(f, [3.0 - 1.0, 1.0 - 3.0]);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MinusState<T: Real> {
    kernel: SharedKernel<T>,
}

impl<T: Real> MinusState<T> {
    /// `kernel` minus its state.
    #[must_use]
    pub fn new(kernel: SharedKernel<T>) -> Self {
        Self { kernel }
    }
}

impl<T: Real> Kernel<T> for MinusState<T> {
    type Workspace = Opaque;
    type Tape = Opaque;

    fn state_len(&self) -> usize {
        self.kernel.state_len()
    }

    fn given_len(&self) -> usize {
        self.kernel.given_len()
    }

    fn parameter_count(&self) -> usize {
        self.kernel.parameter_count()
    }

    fn workspace(&self, stacked_rows: usize) -> Opaque {
        self.kernel.workspace(stacked_rows)
    }

    fn tape(&self, stacked_rows: usize) -> Opaque {
        self.kernel.tape(stacked_rows)
    }

    fn tape_bytes(&self, tape: &Opaque) -> usize {
        self.kernel.tape_bytes(tape)
    }

    fn forward(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        mut output: StackMut<'_, T>,
        workspace: &mut Opaque,
    ) -> Result<(), KernelError> {
        self.kernel.forward(t, input, given, output.reborrow(), workspace)?;
        subtract_stack(output, input);
        Ok(())
    }

    fn record(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        mut output: StackMut<'_, T>,
        tape: &mut Opaque,
        workspace: &mut Opaque,
    ) -> Result<(), KernelError> {
        self.kernel
            .record(t, input, given, output.reborrow(), tape, workspace)?;
        subtract_stack(output, input);
        Ok(())
    }

    fn reverse(
        &self,
        tape: &Opaque,
        given: &[T],
        cotangent: Stack<'_, T>,
        gradient: GradientMut<'_, T>,
        workspace: &mut Opaque,
    ) -> Result<f64, KernelError> {
        let inner = GradientMut {
            state: &mut *gradient.state,
            parameters: gradient.parameters,
            given: gradient.given,
        };
        let of_t = self.kernel.reverse(tape, given, cotangent, inner, workspace)?;
        subtract(gradient.state, cotangent.value);
        Ok(of_t)
    }

    fn has_exact_trace(&self) -> bool {
        self.kernel.has_exact_trace()
    }

    fn exact_trace(
        &self,
        t: f64,
        z: &[T],
        given: &[T],
        output: TraceMut<'_, T>,
        workspace: &mut Opaque,
    ) -> Result<(), KernelError> {
        let TraceMut { value, trace } = output;
        let inner = TraceMut {
            value: &mut *value,
            trace: &mut *trace,
        };
        self.kernel.exact_trace(t, z, given, inner, workspace)?;
        subtract(value, z);
        let dimension = T::from_f64(self.kernel.state_len() as f64);
        trace.iter_mut().for_each(|trace| *trace -= dimension);
        Ok(())
    }

    fn dense(&self) -> Option<DenseNetwork<'_, T>> {
        self.kernel.dense().map(DenseNetwork::minus_one_more_state)
    }
}

fn subtract_stack<T: Real>(from: StackMut<'_, T>, what: Stack<'_, T>) {
    let StackMut { value, tangents } = from;
    subtract(value, what.value);
    subtract(tangents, what.tangents);
}

fn subtract<T: Real>(from: &mut [T], what: &[T]) {
    for (from, &what) in from.iter_mut().zip(what) {
        *from -= what;
    }
}
