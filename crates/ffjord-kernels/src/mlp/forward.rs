//! The forward pass: every layer one product over the stacked rows and one pass of the nonlinearity.

use super::buffers::{HiddenLayer, MlpTape, MlpWorkspace};
use super::kernel::{MlpKernel, Stack, StackMut};
use crate::elementwise::Saved;
use crate::error::{check_length, whole_rows};
use crate::linalg::{Rows, RowsMut, multiply};
use crate::{KernelError, Real};

/// Rows and tangents of one call.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) rows: usize,
    pub(crate) tangents: usize,
}

impl Extent {
    pub(crate) fn stacked(self) -> usize {
        self.rows * (1 + self.tangents)
    }
}

/// Where a pass puts the activations of the hidden layers.
struct Hidden<'a, T: Real> {
    /// A buffer for each layer, or some to use in turn if the pass is not recorded.
    layers: &'a mut [HiddenLayer<T>],
    record: bool,
}

impl<T: Real> MlpKernel<T> {
    /// f(t, z) and, for every tangent, (∂f/∂z) e.
    ///
    /// `input` is (z `[R, D]`, e `[K, R, D]`), `output` is (f `[R, D']`, u `[K, R, D']`); K may be zero.
    ///
    /// # Errors
    /// [`KernelError`] if lengths do not fit together, or the workspace is too small or another network's.
    pub fn forward(
        &self,
        t: f64,
        input: Stack<'_, T>,
        output: StackMut<'_, T>,
        workspace: &mut MlpWorkspace<T>,
    ) -> Result<(), KernelError> {
        let extent = self.extent(input, &output, workspace)?;
        let mut hidden = std::mem::take(&mut workspace.hidden);
        self.run(
            t,
            extent,
            input,
            output,
            Hidden {
                layers: &mut hidden,
                record: false,
            },
            workspace,
        );
        workspace.hidden = hidden;
        Ok(())
    }

    /// As [`MlpKernel::forward`], keeping on the `tape` what [`MlpKernel::reverse`] needs.
    ///
    /// # Errors
    /// As `forward`, and if the tape is too small or another network's.
    pub fn record(
        &self,
        t: f64,
        input: Stack<'_, T>,
        output: StackMut<'_, T>,
        tape: &mut MlpTape<T>,
        workspace: &mut MlpWorkspace<T>,
    ) -> Result<(), KernelError> {
        let extent = self.extent(input, &output, workspace)?;
        if tape.architecture != self.architecture {
            return Err(KernelError::Foreign("tape"));
        }
        check_capacity(extent, tape.capacity)?;
        (tape.time, tape.rows, tape.tangents) = (t, extent.rows, extent.tangents);
        let kept = &mut tape.input[..extent.stacked() * self.architecture.inputs()];
        let (value, tangents) = kept.split_at_mut(input.value.len());
        value.copy_from_slice(input.value);
        tangents.copy_from_slice(input.tangents);
        self.run(
            t,
            extent,
            input,
            output,
            Hidden {
                layers: &mut tape.hidden,
                record: true,
            },
            workspace,
        );
        Ok(())
    }

    fn extent(
        &self,
        input: Stack<'_, T>,
        output: &StackMut<'_, T>,
        workspace: &MlpWorkspace<T>,
    ) -> Result<Extent, KernelError> {
        let (inputs, outputs) = (self.architecture.inputs(), self.architecture.outputs());
        let rows = whole_rows("the state", input.value.len(), inputs)?;
        let tangents = if rows == 0 {
            0
        } else {
            whole_rows("the tangents", input.tangents.len(), rows * inputs)?
        };
        check_length("the output", output.value.len(), rows * outputs)?;
        check_length("the tangent output", output.tangents.len(), tangents * rows * outputs)?;
        let extent = Extent { rows, tangents };
        self.check_workspace(extent, workspace)?;
        Ok(extent)
    }

    pub(super) fn check_workspace(&self, extent: Extent, workspace: &MlpWorkspace<T>) -> Result<(), KernelError> {
        if workspace.architecture != self.architecture {
            return Err(KernelError::Foreign("workspace"));
        }
        check_capacity(extent, workspace.capacity)
    }

    /// The pass itself.
    fn run(
        &self,
        t: f64,
        extent: Extent,
        input: Stack<'_, T>,
        output: StackMut<'_, T>,
        hidden: Hidden<'_, T>,
        workspace: &mut MlpWorkspace<T>,
    ) {
        if extent.rows == 0 {
            return;
        }
        let (StackMut { value: f, tangents: u }, Hidden { layers: hidden, record }) = (output, hidden);
        let time = T::from_f64(t);
        let function = self.architecture.activation().function(self.beta());
        let last = self.layers.len() - 1;
        for layer in 0..=last {
            self.prepare_forward(layer, time, workspace);
            let effective = &workspace.effective[layer];
            let (weight, bias) = (effective.forward(&self.layers[layer]), &effective.bias);
            let product = |x: Rows<'_, T>, bias: &[T], y: RowsMut<'_, T>| multiply(self.level, x, weight, bias, y);

            let (done, next) = neighbours(hidden, layer, last);
            let (value, tangents, from_stride) = match done {
                None => (input.value, input.tangents, self.architecture.inputs()),
                Some(done) => {
                    let stride = self.layers[layer - 1].stride;
                    let (value, tangents) = done.stack[..extent.stacked() * stride].split_at(extent.rows * stride);
                    (value, tangents, stride)
                }
            };
            let (value, tangents) = (
                Rows {
                    data: value,
                    stride: from_stride,
                },
                Rows {
                    data: tangents,
                    stride: from_stride,
                },
            );
            let Some(next) = next else {
                let stride = self.architecture.outputs();
                product(value, bias, RowsMut { data: f, stride });
                product(tangents, &[], RowsMut { data: u, stride });
                break;
            };
            let stride = self.layers[layer].stride;
            let values = extent.rows * stride;
            let stack = &mut next.stack[..extent.stacked() * stride];
            let (to_value, to_tangents) = stack.split_at_mut(values);
            product(value, bias, RowsMut { data: to_value, stride });
            product(
                tangents,
                &[],
                RowsMut {
                    data: to_tangents,
                    stride,
                },
            );
            if record && function.saved() == Saved::Input {
                next.input[..stack.len()].copy_from_slice(stack);
            }
            let keep = if record && function.saved() == Saved::OutputAndSlope {
                values
            } else {
                0
            };
            function.forward_stack(self.level, values, stack, &mut next.slope[..keep]);
        }
        if self.architecture.is_residual() {
            subtract(f, input.value);
            subtract(u, input.tangents);
        }
    }

    pub(super) fn prepare_forward(&self, layer: usize, t: T, workspace: &mut MlpWorkspace<T>) {
        let rule = self.architecture.conditionings()[layer].rule::<T>();
        let parameters = &self.parameters[self.architecture.span(layer)];
        let effective = &mut workspace.effective[layer];
        effective.prepare_forward(&self.layers[layer], rule, parameters, t, &mut workspace.weight);
    }
}

/// The buffers of the hidden layers before and after linear layer `layer`, where there are such. Fewer buffers than
/// layers are used in turn.
pub(crate) fn neighbours<T: Real>(
    hidden: &mut [HiddenLayer<T>],
    layer: usize,
    last: usize,
) -> (Option<&HiddenLayer<T>>, Option<&mut HiddenLayer<T>>) {
    let count = hidden.len();
    match (layer.checked_sub(1), layer < last) {
        (None, false) => (None, None),
        (None, true) => (None, hidden.first_mut()),
        (Some(before), false) => (hidden.get(before % count), None),
        (Some(before), true) => match hidden.get_disjoint_mut([before % count, layer % count]) {
            Ok([done, next]) => (Some(done), Some(next)),
            Err(_) => unreachable!("two neighbouring layers never share a buffer"),
        },
    }
}

pub(crate) fn check_capacity(extent: Extent, max_rows: usize) -> Result<(), KernelError> {
    let Extent { rows, tangents } = extent;
    if extent.stacked() <= max_rows {
        Ok(())
    } else {
        Err(KernelError::Capacity {
            rows,
            tangents,
            max_rows,
        })
    }
}

pub(crate) fn subtract<T: Real>(from: &mut [T], what: &[T]) {
    for (from, &what) in from.iter_mut().zip(what) {
        *from -= what;
    }
}
