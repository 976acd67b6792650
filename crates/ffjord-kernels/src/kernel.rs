//! What a solver asks of a compiled vector field, whatever the network behind it.

use crate::mlp::DenseNetwork;
use crate::{KernelError, Real};
use std::fmt;

/// A vector field f(z, t; c, θ) with its present parameters θ, evaluated on plain slices together with tangents.
///
/// States are flat: `[R, D]`, where an image counts as one row of D = C · H · W numbers. Every row has numbers of its
/// own that stay the same through a solve, `given` `[R, G]`: a condition c, or parameters of that row alone. They are no
/// part of the state, so that no step control counts them, and they have a gradient.
///
/// A kernel is only read, so one serves all threads, each with a workspace of its own. The result of a row must not
/// depend on the other rows of a call.
///
/// The kernels of this crate are [`MlpKernel`](crate::mlp::MlpKernel) and
/// [`ConvKernel`](crate::convolution::ConvKernel); a field of your own becomes one by implementing this trait:
///
/// ```
/// use ffjord_kernels::{GradientMut, Kernel, KernelError, Stack, StackMut};
///
/// /// f(z) = θ z, the same θ for every column.
/// #[derive(Debug)]
/// struct Linear { rate: f32, columns: usize }
///
/// impl Kernel<f32> for Linear {
///     type Workspace = ();
///     /// The state and the tangents of the evaluation.
///     type Tape = (Vec<f32>, Vec<f32>);
///
///     fn state_len(&self) -> usize { self.columns }
///     fn parameter_count(&self) -> usize { 1 }
///     fn workspace(&self, _stacked_rows: usize) {}
///     fn tape(&self, _stacked_rows: usize) -> Self::Tape { Default::default() }
///     fn tape_bytes(&self, tape: &Self::Tape) -> usize { 4 * (tape.0.len() + tape.1.len()) }
///
///     fn forward(
///         &self, _t: f64, input: Stack<'_, f32>, _given: &[f32], output: StackMut<'_, f32>, _: &mut (),
///     ) -> Result<(), KernelError> {
///         output.value.iter_mut().zip(input.value).for_each(|(f, z)| *f = self.rate * z);
///         output.tangents.iter_mut().zip(input.tangents).for_each(|(u, e)| *u = self.rate * e);
///         Ok(())
///     }
///
///     fn record(
///         &self, t: f64, input: Stack<'_, f32>, given: &[f32], output: StackMut<'_, f32>, tape: &mut Self::Tape,
///         workspace: &mut (),
///     ) -> Result<(), KernelError> {
///         *tape = (input.value.to_vec(), input.tangents.to_vec());
///         self.forward(t, input, given, output, workspace)
///     }
///
///     fn reverse(
///         &self, tape: &Self::Tape, _given: &[f32], cotangent: Stack<'_, f32>, gradient: GradientMut<'_, f32>, _: &mut (),
///     ) -> Result<f64, KernelError> {
///         gradient.state.iter_mut().zip(cotangent.value).for_each(|(g, v)| *g = self.rate * v);
///         let of_values = tape.0.iter().zip(cotangent.value);
///         let of_tangents = tape.1.iter().zip(cotangent.tangents);
///         gradient.parameters[0] += of_values.chain(of_tangents).map(|(x, v)| x * v).sum::<f32>();
///         Ok(0.0)
///     }
/// }
///
/// let kernel = Linear { rate: 2.0, columns: 2 };
/// let (mut f, mut u) = ([0.0; 2], [0.0; 2]);
/// let input = Stack { value: &[1.0, 3.0], tangents: &[1.0, -1.0] };
/// kernel.forward(0.0, input, &[], StackMut { value: &mut f, tangents: &mut u }, &mut ())?;
/// assert_eq!((f, u), ([2.0, 6.0], [2.0, -2.0]));
/// # Ok::<(), KernelError>(())
/// ```
pub trait Kernel<T: Real>: fmt::Debug + Send + Sync + 'static {
    /// Memory for evaluations, one at a time.
    type Workspace: Send + 'static;

    /// What a recorded evaluation keeps for its reverse pass.
    type Tape: Send + 'static;

    /// D, the numbers of one state.
    fn state_len(&self) -> usize;

    /// G, the numbers that each row is given beside its state; none unless the kernel says so.
    fn given_len(&self) -> usize {
        0
    }

    /// H, the numbers of one tangent: those of the state, but for kernels whose products are those of another matrix, such
    /// as [`Bottleneck`](crate::Bottleneck). Arrays of tangents and products are then `[K, R, H]`.
    fn tangent_len(&self) -> usize {
        self.state_len()
    }

    /// P, the number of parameters.
    fn parameter_count(&self) -> usize;

    /// A workspace for evaluations of up to `stacked_rows` = rows × (1 + tangents).
    fn workspace(&self, stacked_rows: usize) -> Self::Workspace;

    /// A tape for one recorded evaluation of up to `stacked_rows` = rows × (1 + tangents).
    fn tape(&self, stacked_rows: usize) -> Self::Tape;

    /// Bytes of memory that a tape holds.
    fn tape_bytes(&self, tape: &Self::Tape) -> usize;

    /// f(z, t) and, for every tangent e, (∂f/∂z) e: `input` is (z `[R, D]`, e `[K, R, D]`), `given` `[R, G]`, and `output`
    /// (f, u) has the shapes of `input`; K may be zero.
    ///
    /// # Errors
    /// [`KernelError`] if lengths do not fit together, or the workspace is too small or another network's.
    fn forward(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        workspace: &mut Self::Workspace,
    ) -> Result<(), KernelError>;

    /// As [`forward`](Self::forward), bit for bit, keeping on the `tape` what [`reverse`](Self::reverse) needs.
    ///
    /// # Errors
    /// As `forward`, and if the tape is too small or another network's.
    fn record(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        tape: &mut Self::Tape,
        workspace: &mut Self::Workspace,
    ) -> Result<(), KernelError>;

    /// Takes the cotangents (∂L/∂f `[R, D]`, ∂L/∂u `[K, R, D]`) of a recorded evaluation back and returns ∂L/∂t; the
    /// tangents e are constants, and `given` `[R, G]` is what the rows were given then, so that a tape need not keep it.
    ///
    /// # Errors
    /// [`KernelError`] if nothing was recorded, lengths do not fit the recorded rows and tangents, or tape or workspace
    /// belong to another network.
    fn reverse(
        &self,
        tape: &Self::Tape,
        given: &[T],
        cotangent: Stack<'_, T>,
        gradient: GradientMut<'_, T>,
        workspace: &mut Self::Workspace,
    ) -> Result<f64, KernelError>;

    /// Whether [`exact_trace`](Self::exact_trace) applies.
    fn has_exact_trace(&self) -> bool {
        false
    }

    /// f(z, t) `[R, D]` and tr ∂f/∂z `[R]` without any tangents, for networks whose trace has a closed form.
    ///
    /// # Errors
    /// [`KernelError::NoExactTrace`] where [`has_exact_trace`](Self::has_exact_trace) is false; otherwise as
    /// [`forward`](Self::forward).
    fn exact_trace(
        &self,
        t: f64,
        z: &[T],
        given: &[T],
        output: TraceMut<'_, T>,
        workspace: &mut Self::Workspace,
    ) -> Result<(), KernelError> {
        let _ = (t, z, given, output, workspace);
        Err(KernelError::NoExactTrace)
    }

    /// The dense network behind the kernel, for processors that are programmed in another way; none for other networks.
    fn dense(&self) -> Option<DenseNetwork<'_, T>> {
        None
    }
}

/// A value array and K tangents of it, to read: `[R, D]` and `[K, R, D]`.
///
/// Two rows of a linear map with two tangents each:
///
/// ```
/// # use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// # use ffjord_kernels::simd::SimdLevel;
/// # use ffjord_kernels::{ActivationKind, LayerKind};
/// use ffjord_kernels::{Kernel, Stack, StackMut};
/// # // z ↦ (z₂, z₁) as a network of one layer.
/// # let net = MlpArchitecture::new(&[2, 2], LayerKind::Ignore, ActivationKind::Tanh)?;
/// # let swap = MlpKernel::new(SimdLevel::detect(), net, &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0])?;
/// let z = [1.0, 2.0, 3.0, 4.0];
/// let tangents = [1.0, 0.0, 1.0, 0.0, 0.0, 5.0, 0.0, 5.0];            // [K, R, D]
/// let (mut f, mut u) = ([0.0; 4], [0.0; 8]);
/// let input = Stack { value: &z, tangents: &tangents };
/// let output = StackMut { value: &mut f, tangents: &mut u };
/// swap.forward(0.0, input, &[], output, &mut swap.workspace(2 * (1 + 2)))?;
/// assert_eq!(f, [2.0, 1.0, 4.0, 3.0]);
/// assert_eq!(u, [0.0, 1.0, 0.0, 1.0, 5.0, 0.0, 5.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Stack<'a, T> {
    /// `[R, D]`.
    pub value: &'a [T],
    /// `[K, R, D]`; empty without tangents.
    pub tangents: &'a [T],
}

/// A value array and K tangents of it, to write: `[R, D]` and `[K, R, D]`.
///
/// The parts must be as long as those of the input:
///
/// ```
/// # use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// # use ffjord_kernels::simd::SimdLevel;
/// # use ffjord_kernels::{ActivationKind, LayerKind};
/// use ffjord_kernels::{Kernel, Stack, StackMut};
/// # // z ↦ (z₂, z₁) as a network of one layer.
/// # let net = MlpArchitecture::new(&[2, 2], LayerKind::Ignore, ActivationKind::Tanh)?;
/// # let swap = MlpKernel::new(SimdLevel::detect(), net, &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0])?;
/// let input = Stack { value: &[1.0, 3.0], tangents: &[] };
/// let mut workspace = swap.workspace(1);
/// let mut f = [0.0; 2];
/// swap.forward(0.0, input, &[], StackMut { value: &mut f, tangents: &mut [] }, &mut workspace)?;
/// assert_eq!(f, [3.0, 1.0]);
/// let refused = swap.forward(0.0, input, &[], StackMut { value: &mut f[..1], tangents: &mut [] }, &mut workspace);
/// assert!(refused.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StackMut<'a, T> {
    /// `[R, D]`.
    pub value: &'a mut [T],
    /// `[K, R, D]`; empty without tangents.
    pub tangents: &'a mut [T],
}

impl<T> StackMut<'_, T> {
    /// The same arrays for a shorter time.
    pub(crate) fn reborrow(&mut self) -> StackMut<'_, T> {
        StackMut {
            value: &mut *self.value,
            tangents: &mut *self.tangents,
        }
    }
}

/// Where a reverse pass puts gradients.
///
/// ```
/// # use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// # use ffjord_kernels::simd::SimdLevel;
/// # use ffjord_kernels::{ActivationKind, LayerKind};
/// use ffjord_kernels::{GradientMut, Kernel, Stack, StackMut};
/// # // z ↦ (z₂, z₁) as a network of one layer.
/// # let net = MlpArchitecture::new(&[2, 2], LayerKind::Ignore, ActivationKind::Tanh)?;
/// # let swap = MlpKernel::new(SimdLevel::detect(), net, &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0])?;
/// let (mut workspace, mut tape) = (swap.workspace(1), swap.tape(1));
/// let (mut f, input) = ([0.0; 2], Stack { value: &[1.0, 3.0], tangents: &[] });
/// swap.record(0.0, input, &[], StackMut { value: &mut f, tangents: &mut [] }, &mut tape, &mut workspace)?;
///
/// // Of 10 f₁ + f₂ = 10 z₂ + z₁; θ is W row by row, then b, and its gradient is added to what is there.
/// let (mut of_z, mut of_parameters) = ([9.0; 2], [100.0; 6]);
/// let cotangent = Stack { value: &[10.0, 1.0], tangents: &[] };
/// let gradient = GradientMut { state: &mut of_z, parameters: &mut of_parameters, given: &mut [] };
/// swap.reverse(&tape, &[], cotangent, gradient, &mut workspace)?;
/// assert_eq!(of_z, [1.0, 10.0]);
/// assert_eq!(of_parameters, [110.0, 130.0, 101.0, 103.0, 110.0, 101.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GradientMut<'a, T> {
    /// ∂L/∂z `[R, D]`, overwritten.
    pub state: &'a mut [T],
    /// ∂L/∂θ `[P]`, added to.
    pub parameters: &'a mut [T],
    /// ∂L/∂given `[R, G]`, added to.
    pub given: &'a mut [T],
}

/// Where a trace in closed form goes.
///
/// ```
/// use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// use ffjord_kernels::simd::SimdLevel;
/// use ffjord_kernels::{ActivationKind, Kernel, KernelError, LayerKind, TraceMut};
///
/// // Two layers have a trace in closed form: here f(z) = 5 tanh z, with the trace 5 (1 − tanh² z).
/// let net = MlpArchitecture::new(&[1, 1, 1], LayerKind::Ignore, ActivationKind::Tanh)?;
/// let kernel = MlpKernel::new(SimdLevel::detect(), net, &[1.0, 0.0, 5.0, 0.0])?;
/// assert!(kernel.has_exact_trace());
/// let (mut f, mut trace) = ([0.0f64; 2], [0.0; 2]);
/// let output = TraceMut { value: &mut f, trace: &mut trace };
/// kernel.exact_trace(0.0, &[0.0, 0.7], &[], output, &mut kernel.workspace(2))?;
/// assert!(trace[0] == 5.0 && (trace[1] - 5.0 * (1.0 - 0.7f64.tanh().powi(2))).abs() < 1e-12);
/// # Ok::<(), KernelError>(())
/// ```
#[derive(Debug)]
pub struct TraceMut<'a, T> {
    /// f `[R, D]`.
    pub value: &'a mut [T],
    /// tr ∂f/∂z `[R]`.
    pub trace: &'a mut [T],
}
