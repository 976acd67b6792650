//! A kernel whose type is not known where it is used.

use crate::kernel::{GradientMut, Kernel, Stack, StackMut, TraceMut};
use crate::mlp::DenseNetwork;
use crate::{KernelError, Real};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A workspace or a tape whose type only its kernel knows.
///
/// ```
/// # use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// # use ffjord_kernels::simd::SimdLevel;
/// # use ffjord_kernels::{ActivationKind, LayerKind};
/// use ffjord_kernels::{DynKernel, Opaque, Stack, StackMut};
/// # // z ↦ (z₂, z₁) as a network of one layer.
/// # let net = MlpArchitecture::new(&[2, 2], LayerKind::Ignore, ActivationKind::Tanh)?;
/// # let swap = MlpKernel::new(SimdLevel::detect(), net, &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0])?;
/// let kernel: &dyn DynKernel<f64> = &swap;
/// let mut workspace: Opaque = kernel.workspace(1);
/// let (mut f, input) = ([0.0; 2], Stack { value: &[1.0, 3.0], tangents: &[] });
/// kernel.forward(0.0, input, &[], StackMut { value: &mut f, tangents: &mut [] }, &mut workspace)?;
/// assert_eq!(f, [3.0, 1.0]);
///
/// // A tape is no workspace.
/// let refused = kernel.forward(0.0, input, &[], StackMut { value: &mut f, tangents: &mut [] }, &mut kernel.tape(1));
/// assert!(refused.unwrap_err().to_string().contains("make it with this kernel"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Opaque(Box<dyn Any + Send>);

impl fmt::Debug for Opaque {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Opaque")
    }
}

impl Opaque {
    fn get<M: 'static>(&self, what: &'static str) -> Result<&M, KernelError> {
        self.0.downcast_ref().ok_or(KernelError::Foreign(what))
    }

    fn get_mut<M: 'static>(&mut self, what: &'static str) -> Result<&mut M, KernelError> {
        self.0.downcast_mut().ok_or(KernelError::Foreign(what))
    }
}

/// A kernel of any kind, shared by reference counting: what a solver holds.
pub type SharedKernel<T> = Arc<dyn DynKernel<T>>;

/// [`Kernel`] without its associated types, so that one type stands for kernels of every kind; every kernel is one.
///
/// Workspaces and tapes fit the kind of kernel that made them; others are refused.
///
/// ```
/// use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// use ffjord_kernels::simd::SimdLevel;
/// use ffjord_kernels::{ActivationKind, LayerKind, SharedKernel, Stack, StackMut};
/// use std::sync::Arc;
///
/// let net = MlpArchitecture::new(&[2, 16, 2], LayerKind::Concat, ActivationKind::Tanh)?;
/// let parameters = vec![0.1f32; net.parameter_count()];
/// let kernel: SharedKernel<f32> = Arc::new(MlpKernel::new(SimdLevel::detect(), net, &parameters)?);
/// let (mut f, mut workspace) = ([0.0; 2], kernel.workspace(1));
/// let input = Stack { value: &[0.5, -0.5], tangents: &[] };
/// kernel.forward(0.3, input, &[], StackMut { value: &mut f, tangents: &mut [] }, &mut workspace)?;
/// assert_eq!((kernel.state_len(), f[0]), (2, f[1]));
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
pub trait DynKernel<T: Real>: fmt::Debug + Send + Sync {
    /// [`Kernel::state_len`].
    fn state_len(&self) -> usize;
    /// [`Kernel::tangent_len`].
    fn tangent_len(&self) -> usize;
    /// [`Kernel::given_len`].
    fn given_len(&self) -> usize;
    /// [`Kernel::parameter_count`].
    fn parameter_count(&self) -> usize;
    /// [`Kernel::workspace`].
    fn workspace(&self, stacked_rows: usize) -> Opaque;
    /// [`Kernel::tape`].
    fn tape(&self, stacked_rows: usize) -> Opaque;
    /// [`Kernel::tape_bytes`].
    fn tape_bytes(&self, tape: &Opaque) -> usize;
    /// [`Kernel::forward`].
    ///
    /// # Errors
    /// As there.
    fn forward(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        workspace: &mut Opaque,
    ) -> Result<(), KernelError>;
    /// [`Kernel::record`].
    ///
    /// # Errors
    /// As there.
    fn record(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        tape: &mut Opaque,
        workspace: &mut Opaque,
    ) -> Result<(), KernelError>;
    /// [`Kernel::reverse`].
    ///
    /// # Errors
    /// As there.
    fn reverse(
        &self,
        tape: &Opaque,
        given: &[T],
        cotangent: Stack<'_, T>,
        gradient: GradientMut<'_, T>,
        workspace: &mut Opaque,
    ) -> Result<f64, KernelError>;
    /// [`Kernel::has_exact_trace`].
    fn has_exact_trace(&self) -> bool;
    /// [`Kernel::exact_trace`].
    ///
    /// # Errors
    /// As there.
    fn exact_trace(
        &self,
        t: f64,
        z: &[T],
        given: &[T],
        output: TraceMut<'_, T>,
        workspace: &mut Opaque,
    ) -> Result<(), KernelError>;
    /// [`Kernel::dense`].
    fn dense(&self) -> Option<DenseNetwork<'_, T>>;
}

impl<T: Real, K: Kernel<T>> DynKernel<T> for K {
    fn state_len(&self) -> usize {
        Kernel::state_len(self)
    }

    fn tangent_len(&self) -> usize {
        Kernel::tangent_len(self)
    }

    fn given_len(&self) -> usize {
        Kernel::given_len(self)
    }

    fn parameter_count(&self) -> usize {
        Kernel::parameter_count(self)
    }

    fn workspace(&self, stacked_rows: usize) -> Opaque {
        Opaque(Box::new(Kernel::workspace(self, stacked_rows)))
    }

    fn tape(&self, stacked_rows: usize) -> Opaque {
        Opaque(Box::new(Kernel::tape(self, stacked_rows)))
    }

    fn tape_bytes(&self, tape: &Opaque) -> usize {
        // A tape of another kernel is refused where it is used.
        tape.get("tape").map_or(0, |tape| Kernel::tape_bytes(self, tape))
    }

    fn forward(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        workspace: &mut Opaque,
    ) -> Result<(), KernelError> {
        Kernel::forward(self, t, input, given, output, workspace.get_mut("workspace")?)
    }

    fn record(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        tape: &mut Opaque,
        workspace: &mut Opaque,
    ) -> Result<(), KernelError> {
        let (tape, workspace) = (tape.get_mut("tape")?, workspace.get_mut("workspace")?);
        Kernel::record(self, t, input, given, output, tape, workspace)
    }

    fn reverse(
        &self,
        tape: &Opaque,
        given: &[T],
        cotangent: Stack<'_, T>,
        gradient: GradientMut<'_, T>,
        workspace: &mut Opaque,
    ) -> Result<f64, KernelError> {
        let workspace = workspace.get_mut("workspace")?;
        Kernel::reverse(self, tape.get("tape")?, given, cotangent, gradient, workspace)
    }

    fn has_exact_trace(&self) -> bool {
        Kernel::has_exact_trace(self)
    }

    fn exact_trace(
        &self,
        t: f64,
        z: &[T],
        given: &[T],
        output: TraceMut<'_, T>,
        workspace: &mut Opaque,
    ) -> Result<(), KernelError> {
        Kernel::exact_trace(self, t, z, given, output, workspace.get_mut("workspace")?)
    }

    fn dense(&self) -> Option<DenseNetwork<'_, T>> {
        Kernel::dense(self)
    }
}
