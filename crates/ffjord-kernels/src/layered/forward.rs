//! The forward pass: every layer one linear map of the stacked rows and one pass of the nonlinearity.

use super::memory::{Coefficients, Extent, HiddenLayer};
use super::own::{OwnRows, Strides};
use super::{Architecture, Layered, Linear, Tape, Workspace};
use crate::elementwise::Saved;
use crate::error::{check_length, whole_rows};
use crate::kernel::{Kernel, Stack, StackMut};
use crate::{KernelError, Real};
use std::ops::Range;

/// Where a pass puts the activations of the hidden layers.
pub(super) struct Hidden<'a, T: Real> {
    /// A buffer for each layer, or two to use in turn if the pass is not recorded.
    pub(super) layers: &'a mut [HiddenLayer<T>],
    pub(super) record: bool,
}

impl<T: Real> Hidden<'_, T> {
    /// The same for a shorter time.
    pub(super) fn reborrow(&mut self) -> Hidden<'_, T> {
        Hidden {
            layers: &mut *self.layers,
            record: self.record,
        }
    }
}

impl<A: Architecture, T: Real> Layered<A, T> {
    /// A forward pass, recorded if there is a tape.
    pub(super) fn evaluate(
        &self,
        t: f64,
        (input, given): (Stack<'_, T>, &[T]),
        output: StackMut<'_, T>,
        tape: Option<&mut Tape<A, T>>,
        workspace: &mut Workspace<A, T>,
    ) -> Result<(), KernelError> {
        let extent = self.extent(input, given, &output, workspace)?;
        let (input_form, output_form) = (self.architecture.input_form(), self.architecture.output_form());
        let (input, hidden) = match tape {
            Some(tape) => {
                self.check_tape(extent, tape)?;
                (tape.time, tape.extent) = (t, extent);
                let layers = &mut tape.hidden;
                let input = input_form.load(extent, input, given, &mut tape.input);
                (input, Hidden { layers, record: true })
            }
            None => {
                let layers = &mut workspace.hidden;
                let input = if input_form.is_callers() {
                    input
                } else {
                    input_form.load(extent, input, given, &mut workspace.input)
                };
                (input, Hidden { layers, record: false })
            }
        };
        if extent.rows == 0 {
            return Ok(());
        }
        let (all, coefficients) = (0..self.layers.len(), &mut workspace.coefficients);
        if output_form.is_callers() {
            self.run(all, t, extent, (input, given), output, hidden, coefficients);
        } else {
            let len = output_form.len();
            let inner = extent.stack_mut(&mut workspace.output, len);
            self.run(all, t, extent, (input, given), inner, hidden, coefficients);
            output_form.store(extent, &workspace.output[..extent.stacked() * len], output, &mut []);
        }
        Ok(())
    }

    /// What the rows are given, as their own parts of the layers.
    pub(super) fn own_rows<'a>(&self, given: &'a [T]) -> OwnRows<'a, T> {
        OwnRows {
            numbers: given,
            each: self.architecture.own_len().max(1),
        }
    }

    fn extent(
        &self,
        input: Stack<'_, T>,
        given: &[T],
        output: &StackMut<'_, T>,
        workspace: &Workspace<A, T>,
    ) -> Result<Extent, KernelError> {
        let form = self.architecture.input_form();
        let state = form.state_len();
        let rows = whole_rows("the state", input.value.len(), state)?;
        let tangents = if rows == 0 {
            0
        } else {
            whole_rows("the tangents", input.tangents.len(), rows * state)?
        };
        check_length("what the rows are given", given.len(), rows * Kernel::given_len(self))?;
        check_length("the output", output.value.len(), rows * state)?;
        check_length("the tangent output", output.tangents.len(), tangents * rows * state)?;
        let extent = Extent { rows, tangents };
        self.check_workspace(extent, workspace)?;
        Ok(extent)
    }

    /// Some layers, one after another; the output is written by the last layer of the network alone.
    #[expect(clippy::too_many_arguments, reason = "they are the layers' and the evaluation's")]
    pub(super) fn run(
        &self,
        layers: Range<usize>,
        t: f64,
        extent: Extent,
        (input, given): (Stack<'_, T>, &[T]),
        output: StackMut<'_, T>,
        hidden: Hidden<'_, T>,
        coefficients: &mut Coefficients<A, T>,
    ) {
        let (function, t, last) = (self.function(), T::from_f64(t), self.layers.len() - 1);
        let Hidden { layers: hidden, record } = hidden;
        for index in layers.clone() {
            let layer = &self.layers[index];
            let (moment, len) = (self.moment(index, t), layer.output_len());
            let (effective, scratch) = (&mut coefficients.effective[index], &mut coefficients.scratch);
            let (before, next) = neighbours(hidden, index, last);
            let x = match before {
                Some(before) if index > layers.start => extent.stack(&before.stack, layer.input_len()),
                _ => input,
            };
            let room = &mut coefficients.own;
            let mut own = |y: StackMut<'_, T>| {
                if let Some(own) = self.architecture.own(index) {
                    let numbers = (self.own_rows(given), &mut **room);
                    own.add(self.level, extent, numbers, strides(layer), x, y);
                }
            };
            let Some(next) = next else {
                let mut output = output;
                layer.apply(moment, effective, scratch, x, output.reborrow());
                own(output);
                break;
            };
            layer.apply(moment, effective, scratch, x, extent.stack_mut(&mut next.stack, len));
            own(extent.stack_mut(&mut next.stack, len));

            let (values, stack) = (extent.rows * len, &mut next.stack[..extent.stacked() * len]);
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
    }
}

/// Numbers from one row to the next before and behind a layer.
pub(super) fn strides<T: Real>(layer: &impl Linear<T>) -> Strides {
    Strides {
        input: layer.input_len(),
        output: layer.output_len(),
    }
}

/// The buffers of the hidden layers before and after linear layer `layer`, where there are such. Fewer buffers than
/// layers are used in turn.
fn neighbours<T: Real>(
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
