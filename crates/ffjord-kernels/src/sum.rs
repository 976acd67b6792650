//! The sum of vector fields.

use crate::error::check_length;
use crate::kernel::{GradientMut, Kernel, Stack, StackMut, TraceMut};
use crate::{KernelError, Opaque, Real, SharedKernel};

/// f₁(z, t) + … + fₙ(z, t) for kernels on the same states, each with parameters of its own, one after another.
///
/// ```
/// use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// use ffjord_kernels::simd::SimdLevel;
/// use ffjord_kernels::{ActivationKind, Kernel, LayerKind, SharedKernel, Stack, StackMut, Sum};
/// use std::sync::Arc;
///
/// let net = MlpArchitecture::new(&[2, 2], LayerKind::Ignore, ActivationKind::Tanh)?;
/// let swap = [0.0, 1.0, 1.0, 0.0, 0.0, 0.0];
/// let kernel: SharedKernel<f64> = Arc::new(MlpKernel::new(SimdLevel::detect(), net, &swap)?);
/// let sum = Sum::new(vec![kernel.clone(), kernel])?;
/// let (mut f, mut workspace) = ([0.0; 2], sum.workspace(1));
/// let input = Stack { value: &[1.0, 3.0], tangents: &[] };
/// sum.forward(0.0, input, &[], StackMut { value: &mut f, tangents: &mut [] }, &mut workspace)?;
/// assert_eq!(f, [6.0, 2.0]);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sum<T: Real> {
    kernels: Vec<SharedKernel<T>>,
}

/// The summands' workspaces, and room for the values and tangents, or for the gradients of states, of one of them.
///
/// ```
/// # use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// # use ffjord_kernels::simd::SimdLevel;
/// # use ffjord_kernels::{ActivationKind, LayerKind};
/// use ffjord_kernels::{Kernel, Stack, StackMut, Sum, SumWorkspace};
/// # // z ↦ (z₂, z₁) as a network of one layer.
/// # let net = MlpArchitecture::new(&[2, 2], LayerKind::Ignore, ActivationKind::Tanh)?;
/// # let swap = MlpKernel::new(SimdLevel::detect(), net, &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0])?;
/// let sum = Sum::new(vec![std::sync::Arc::new(swap)])?;
/// let mut workspace: SumWorkspace<f64> = sum.workspace(2);
/// // One for all evaluations of up to two stacked rows.
/// for x in [1.0, 2.0] {
///     let (mut f, input) = ([0.0; 2], Stack { value: &[x, 0.0], tangents: &[] });
///     sum.forward(0.0, input, &[], StackMut { value: &mut f, tangents: &mut [] }, &mut workspace)?;
///     assert_eq!(f, [0.0, x]);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SumWorkspace<T> {
    parts: Vec<Opaque>,
    one: Vec<T>,
}

impl<T: Real> Sum<T> {
    /// The sum of `kernels`.
    ///
    /// # Errors
    /// [`KernelError::Dimensions`] without kernels, [`KernelError::Length`] unless their states and what their rows are
    /// given have the same lengths.
    pub fn new(kernels: Vec<SharedKernel<T>>) -> Result<Self, KernelError> {
        let Some((first, rest)) = kernels.split_first() else {
            return Err(KernelError::Dimensions(Vec::new()));
        };
        for other in rest {
            check_length("the state of a summand", other.state_len(), first.state_len())?;
            check_length("what a summand is given", other.given_len(), first.given_len())?;
        }
        Ok(Self { kernels })
    }

    /// Evaluates every summand with `run` and adds what it writes to `output`.
    fn add_up(
        &self,
        output: StackMut<'_, T>,
        workspace: &mut SumWorkspace<T>,
        mut run: impl FnMut(usize, StackMut<'_, T>, &mut Opaque) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        let StackMut { value, tangents } = output;
        let SumWorkspace { parts, one } = workspace;
        if parts.len() != self.kernels.len() {
            return Err(KernelError::Foreign("workspace"));
        }
        let (values, numbers) = (value.len(), value.len() + tangents.len());
        for (index, part) in parts.iter_mut().enumerate() {
            if index == 0 {
                let first = StackMut {
                    value: &mut *value,
                    tangents: &mut *tangents,
                };
                run(index, first, part)?;
                continue;
            }
            // The first summand has checked that the rows fit its workspace, and so they fit this one.
            let (to_value, to_tangents) = one[..numbers].split_at_mut(values);
            let next = StackMut {
                value: &mut *to_value,
                tangents: &mut *to_tangents,
            };
            run(index, next, part)?;
            add(value, to_value);
            add(tangents, to_tangents);
        }
        Ok(())
    }
}

impl<T: Real> Kernel<T> for Sum<T> {
    type Workspace = SumWorkspace<T>;
    type Tape = Vec<Opaque>;

    fn state_len(&self) -> usize {
        self.kernels[0].state_len()
    }

    fn given_len(&self) -> usize {
        self.kernels[0].given_len()
    }

    fn parameter_count(&self) -> usize {
        self.kernels.iter().map(|kernel| kernel.parameter_count()).sum()
    }

    fn workspace(&self, stacked_rows: usize) -> SumWorkspace<T> {
        SumWorkspace {
            parts: self
                .kernels
                .iter()
                .map(|kernel| kernel.workspace(stacked_rows))
                .collect(),
            one: vec![T::ZERO; stacked_rows * Kernel::state_len(self)],
        }
    }

    fn tape(&self, stacked_rows: usize) -> Vec<Opaque> {
        self.kernels.iter().map(|kernel| kernel.tape(stacked_rows)).collect()
    }

    fn tape_bytes(&self, tape: &Vec<Opaque>) -> usize {
        let parts = self.kernels.iter().zip(tape);
        parts.map(|(kernel, tape)| kernel.tape_bytes(tape)).sum()
    }

    fn forward(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        workspace: &mut SumWorkspace<T>,
    ) -> Result<(), KernelError> {
        self.add_up(output, workspace, |index, output, workspace| {
            self.kernels[index].forward(t, input, given, output, workspace)
        })
    }

    fn record(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        tape: &mut Vec<Opaque>,
        workspace: &mut SumWorkspace<T>,
    ) -> Result<(), KernelError> {
        self.add_up(output, workspace, |index, output, workspace| {
            let tape = tape.get_mut(index).ok_or(KernelError::Foreign("tape"))?;
            self.kernels[index].record(t, input, given, output, tape, workspace)
        })
    }

    fn reverse(
        &self,
        tape: &Vec<Opaque>,
        given: &[T],
        cotangent: Stack<'_, T>,
        gradient: GradientMut<'_, T>,
        workspace: &mut SumWorkspace<T>,
    ) -> Result<f64, KernelError> {
        let GradientMut {
            state,
            parameters,
            given: of_given,
        } = gradient;
        check_length(
            "the parameters' gradient",
            parameters.len(),
            Kernel::parameter_count(self),
        )?;
        let (mut rest, mut of_t) = (parameters, 0.0);
        let output = StackMut {
            value: state,
            tangents: &mut [],
        };
        self.add_up(output, workspace, |index, output, workspace| {
            let kernel = &self.kernels[index];
            let (own, behind) = std::mem::take(&mut rest).split_at_mut(kernel.parameter_count());
            rest = behind;
            let gradient = GradientMut {
                state: output.value,
                parameters: own,
                given: &mut *of_given,
            };
            let tape = tape.get(index).ok_or(KernelError::Foreign("tape"))?;
            of_t += kernel.reverse(tape, given, cotangent, gradient, workspace)?;
            Ok(())
        })?;
        Ok(of_t)
    }

    fn has_exact_trace(&self) -> bool {
        self.kernels.iter().all(|kernel| kernel.has_exact_trace())
    }

    fn exact_trace(
        &self,
        t: f64,
        z: &[T],
        given: &[T],
        output: TraceMut<'_, T>,
        workspace: &mut SumWorkspace<T>,
    ) -> Result<(), KernelError> {
        let TraceMut { value, trace } = output;
        let mut of_one = vec![T::ZERO; trace.len()];
        trace.fill(T::ZERO);
        let output = StackMut {
            value,
            tangents: &mut [],
        };
        self.add_up(output, workspace, |index, output, workspace| {
            let one = TraceMut {
                value: output.value,
                trace: &mut of_one,
            };
            self.kernels[index].exact_trace(t, z, given, one, workspace)?;
            add(trace, &of_one);
            Ok(())
        })
    }
}

fn add<T: Real>(to: &mut [T], what: &[T]) {
    for (to, &what) in to.iter_mut().zip(what) {
        *to += what;
    }
}
