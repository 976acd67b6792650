//! The reverse pass: gradients of any function of (f, u) with respect to state, given numbers, parameters and time.

use super::forward::strides;
use super::memory::{Coefficients, HiddenLayer};
use super::{Architecture, Layered, Linear, Tape, Workspace};
use crate::elementwise::{Function, Saved, SavedStack};
use crate::error::check_length;
use crate::kernel::{GradientMut, Kernel, Stack, StackMut};
use crate::linalg::AlignedBuffer;
use crate::{KernelError, Real};
use std::ops::Range;

impl<A: Architecture, T: Real> Layered<A, T> {
    /// Takes the cotangents of (f, u) of a recorded evaluation back.
    ///
    /// With h = A x + b and y = φ(h) the rules of a layer are h̄ = φ'(h) ȳ + Σₖ φ''(h) dhₖ dȳₖ and dh̄ₖ = φ'(h) dȳₖ,
    /// then Ā = h̄ xᵀ + Σₖ dh̄ₖ dxₖᵀ, b̄ = Σ h̄, x̄ = Aᵀ h̄ and dx̄ₖ = Aᵀ dh̄ₖ.
    pub(super) fn pull_back(
        &self,
        (tape, given): (&Tape<A, T>, &[T]),
        cotangent: Stack<'_, T>,
        gradient: GradientMut<'_, T>,
        workspace: &mut Workspace<A, T>,
    ) -> Result<f64, KernelError> {
        let extent = tape.extent;
        self.check_tape(extent, tape)?;
        if extent.rows == 0 {
            return Err(KernelError::EmptyTape);
        }
        self.check_workspace(extent, workspace)?;
        let (input_form, output_form) = (self.architecture.input_form(), self.architecture.output_form());
        let values = extent.rows * input_form.state_len();
        let tangents = extent.tangents * values;
        check_length("the cotangent", cotangent.value.len(), values)?;
        check_length("the tangents' cotangent", cotangent.tangents.len(), tangents)?;
        check_length("the state's gradient", gradient.state.len(), values)?;
        check_length(
            "the parameters' gradient",
            gradient.parameters.len(),
            self.parameters.len(),
        )?;
        let numbers = extent.rows * Kernel::given_len(self);
        check_length("what the rows are given", given.len(), numbers)?;
        check_length("the gradient of what the rows are given", gradient.given.len(), numbers)?;

        let cotangent = if output_form.is_callers() {
            cotangent
        } else {
            output_form.load(extent, cotangent, &[], &mut workspace.output)
        };
        let (parameters, cotangents) = (gradient.parameters, &mut workspace.cotangents);
        let (all, x) = (0..self.layers.len(), extent.stack(&tape.input, input_form.len()));
        let coefficients = &mut workspace.coefficients;
        let time = if input_form.is_callers() {
            let into = (gradient.state, parameters, gradient.given);
            self.layers_in_reverse(all, (tape, given), (x, cotangent), into, cotangents, coefficients)
        } else {
            // Such a network has what its rows are given among its inputs, and none of it for itself.
            let of_input = &mut workspace.input[..extent.rows * input_form.len()];
            let into = (&mut *of_input, parameters, &mut [][..]);
            let time = self.layers_in_reverse(all, (tape, &[]), (x, cotangent), into, cotangents, coefficients);
            let to = StackMut {
                value: gradient.state,
                tangents: &mut [],
            };
            input_form.store(extent, of_input, to, gradient.given);
            time
        };
        Ok(time.to_f64())
    }

    /// Some layers from the cotangents of their outputs to that of their input's values, whose tangents are constants;
    /// returns the gradient of time.
    pub(super) fn layers_in_reverse(
        &self,
        layers: Range<usize>,
        (tape, given): (&Tape<A, T>, &[T]),
        (input, cotangent): (Stack<'_, T>, Stack<'_, T>),
        (of_input, gradient, of_given): (&mut [T], &mut [T], &mut [T]),
        cotangents: &mut [AlignedBuffer<T>; 2],
        coefficients: &mut Coefficients<A, T>,
    ) -> T {
        let (extent, t, function) = (tape.extent, T::from_f64(tape.time), self.function());
        let mut of_time = T::ZERO;
        for index in layers.clone().rev() {
            let (layer, is_last) = (&self.layers[index], index + 1 == layers.end);
            let moment = self.moment(index, t);
            let (effective, scratch) = (&mut coefficients.effective[index], &mut coefficients.scratch);
            // The cotangents of this layer's outputs are the caller's, or lie in the first buffer.
            let [current, next] = &mut *cotangents;
            let y = if is_last {
                cotangent
            } else {
                extent.stack(current, layer.output_len())
            };
            let before = (index > layers.start).then(|| &tape.hidden[index - 1]);
            let (y_in, mut to) = match before {
                None => {
                    let values = Stack { tangents: &[], ..y };
                    let to = StackMut {
                        value: &mut *of_input,
                        tangents: &mut [],
                    };
                    (values, to)
                }
                Some(_) => (y, extent.stack_mut(next, layer.input_len())),
            };
            layer.apply_adjoint(moment, effective, scratch, y_in, to.reborrow());
            let x = before.map_or(input, |before| extent.stack(&before.stack, layer.input_len()));
            if let Some(own) = self.architecture.own(index) {
                let numbers = (self.own_rows(given), &mut *of_given);
                let room = &mut coefficients.own;
                own.add_reverse(self.level, extent, numbers, strides(layer), (x, y), to, room);
            }
            let span = self.architecture.layout().span(index);
            of_time += layer.gradient(moment, effective, scratch, x, y, &mut gradient[span]);

            if let Some(before) = before {
                let values = extent.rows * layer.input_len();
                let stacked = &mut next[..extent.stacked() * layer.input_len()];
                self.nonlinearity_in_reverse(function, values, before, stacked, gradient);
                cotangents.swap(0, 1);
            }
        }
        of_time
    }

    /// From the cotangents of a hidden layer's outputs to those of its inputs, in place.
    pub(super) fn nonlinearity_in_reverse(
        &self,
        function: Function<T>,
        values: usize,
        kept: &HiddenLayer<T>,
        cotangents: &mut [T],
        gradient: &mut [T],
    ) {
        let stack = if function.saved() == Saved::Input {
            &kept.input
        } else {
            &kept.stack
        };
        let stack = &stack[..cotangents.len()];
        if let (true, Some(beta)) = (
            self.architecture.layout().activation().has_coefficient(),
            gradient.last_mut(),
        ) {
            *beta += function.parameter_gradient(self.level, values, stack, cotangents);
        }
        let slope = &kept.slope;
        function.reverse_stack(self.level, values, SavedStack { stack, slope }, cotangents);
    }
}
