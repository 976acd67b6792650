//! Forward through h on values, g on values and tangents, and h again on the tangents; and all of it in reverse.
//!
//! A nonlinearity multiplies tangents by its slope, forward and in reverse alike: tangents alone pass it as the
//! cotangents of values do.

use super::Bottleneck;
use super::memory::{BottleneckTape, Common};
use crate::Real;
use crate::elementwise::{Saved, SavedStack};
use crate::kernel::{GradientMut, Stack, StackMut};
use crate::layered::forward::Hidden;
use crate::layered::memory::{Coefficients, Extent, HiddenLayer};
use crate::layered::{Architecture, Layered, Linear, RowForm};
use crate::linalg::AlignedBuffer;

impl<A: Architecture, T: Real> Bottleneck<A, T> {
    /// f and the products, with everything that the reverse pass needs on the tape.
    pub(super) fn evaluate(
        &self,
        (t, extent): (f64, Extent),
        (input, given): (Stack<'_, T>, &[T]),
        StackMut {
            value: f,
            tangents: products,
        }: StackMut<'_, T>,
        BottleneckTape { tape, middle, .. }: &mut BottleneckTape<A, T>,
        common: &mut Common<A, T>,
    ) {
        (tape.time, tape.extent) = (t, extent);
        if extent.rows == 0 {
            return;
        }
        let (network, width) = (&self.network, self.width());
        let (input_form, output_form) = (network.architecture.input_form(), network.architecture.output_form());
        let coefficients = &mut common.workspace.coefficients;
        let values = Extent { tangents: 0, ..extent };
        let state = Stack { tangents: &[], ..input };
        let x = input_form.load(values, state, given, &mut tape.input);
        let nothing = StackMut {
            value: &mut [],
            tangents: &mut [],
        };
        let mut hidden = Hidden {
            layers: &mut tape.hidden,
            record: true,
        };
        network.run(
            0..self.encoder,
            t,
            values,
            (x, &[]),
            nothing,
            hidden.reborrow(),
            coefficients,
        );

        let h = &hidden.layers[self.encoder - 1].stack[..extent.rows * width];
        let decoder_input = extent.stack_mut(middle, width);
        decoder_input.value.copy_from_slice(h);
        spread(self.form(), input.tangents, width, decoder_input.tangents);
        let decoded = extent.stack_mut(&mut common.output, output_form.len());
        let (decoder, middle) = (self.encoder..network.layers.len(), extent.stack(middle, width));
        network.run(decoder, t, extent, (middle, &[]), decoded, hidden, coefficients);

        let decoded = extent.stack(&common.output, output_form.len());
        let to = StackMut {
            value: f,
            tangents: &mut [],
        };
        output_form.store(values, decoded.value, to, &mut []);
        let moved = extent.stack_mut(&mut tape.input, input_form.len()).tangents;
        beside_nothing(input_form, decoded.tangents, moved);
        let before = &mut tape.hidden[..self.encoder];
        self.along(extent, t, (moved, before), coefficients);
        let along_h = extent.stack(&before[self.encoder - 1].stack, width).tangents;
        collect(self.form(), along_h, width, products);
    }

    /// The layers of h on the tangents `x` of its input; its values have passed them.
    fn along(
        &self,
        extent: Extent,
        t: f64,
        (x, hidden): (&[T], &mut [HiddenLayer<T>]),
        coefficients: &mut Coefficients<A, T>,
    ) {
        let network = &self.network;
        let mut input = None;
        for (index, kept) in hidden.iter_mut().enumerate() {
            let layer = &network.layers[index];
            let (moment, len) = (network.moment(index, T::from_f64(t)), layer.output_len());
            let (effective, scratch) = (&mut coefficients.effective[index], &mut coefficients.scratch);
            let x = Stack {
                value: &[],
                tangents: input.unwrap_or(x),
            };
            let HiddenLayer {
                stack,
                slope,
                input: kept_input,
            } = kept;
            let (values, tangents) = stack[..extent.stacked() * len].split_at_mut(extent.rows * len);
            layer.apply(
                moment,
                effective,
                scratch,
                x,
                StackMut {
                    value: &mut [],
                    tangents: &mut *tangents,
                },
            );
            if network.function().saved() == Saved::Input {
                let (values, of_tangents) = kept_input[..extent.stacked() * len].split_at_mut(extent.rows * len);
                of_tangents.copy_from_slice(tangents);
                network.multiply_by_slope((values, slope), tangents);
            } else {
                network.multiply_by_slope((values, slope), tangents);
            }
            input = Some(&*tangents);
        }
    }

    /// Takes the cotangents of f and the products back; returns the gradient of time.
    pub(super) fn pull_back(
        &self,
        BottleneckTape { tape, middle, .. }: &BottleneckTape<A, T>,
        cotangent: Stack<'_, T>,
        gradient: GradientMut<'_, T>,
        common: &mut Common<A, T>,
    ) -> T {
        let (network, extent, width) = (&self.network, tape.extent, self.width());
        let (input_form, output_form) = (network.architecture.input_form(), network.architecture.output_form());
        let values = Extent { tangents: 0, ..extent };
        let (cotangents, coefficients) = (&mut common.workspace.cotangents, &mut common.workspace.coefficients);
        let of_hidden = extent.stack_mut(&mut common.hidden, width);
        spread(self.form(), cotangent.tangents, width, of_hidden.tangents);

        // The cotangents of u, which g wrote: those of the products through h.
        let of_moved = extent.stack_mut(&mut common.input, input_form.len()).tangents;
        self.along_in_reverse(
            (extent, tape.time),
            (of_hidden.tangents, of_moved),
            &tape.hidden,
            (cotangents, coefficients),
        );
        let of_output = extent.stack_mut(&mut common.output, output_form.len());
        without_given(input_form, of_moved, of_output.tangents);
        let state = Stack {
            tangents: &[],
            ..cotangent
        };
        output_form.load(values, state, &[], of_output.value);

        let last = &tape.hidden[self.encoder - 1];
        let middle = extent.stack(middle, width);
        let of_output = extent.stack(&common.output, output_form.len());
        let GradientMut {
            state,
            parameters,
            given,
        } = gradient;
        let into = (&mut *of_hidden.value, &mut *parameters, &mut [][..]);
        let decoder = self.encoder..network.layers.len();
        let mut of_time = network.layers_in_reverse(
            decoder,
            (tape, &[]),
            (middle, of_output),
            into,
            cotangents,
            coefficients,
        );

        let of_hidden = &mut common.hidden[..extent.stacked() * width];
        network.nonlinearity_in_reverse(network.function(), extent.rows * width, last, of_hidden, parameters);
        let of_input = &mut common.input[..extent.rows * input_form.len()];
        let into = (&mut *of_input, parameters, &mut [][..]);
        let (x, y) = (
            extent.stack(&tape.input, input_form.len()),
            extent.stack(&common.hidden, width),
        );
        of_time += network.layers_in_reverse(0..self.encoder, (tape, &[]), (x, y), into, cotangents, coefficients);
        input_form.store(
            values,
            of_input,
            StackMut {
                value: state,
                tangents: &mut [],
            },
            given,
        );
        of_time
    }

    /// The layers of h in reverse on cotangents `y` of tangents, to those of its input's tangents.
    fn along_in_reverse(
        &self,
        (extent, t): (Extent, f64),
        (y, x): (&[T], &mut [T]),
        hidden: &[HiddenLayer<T>],
        (cotangents, coefficients): (&mut [AlignedBuffer<T>; 2], &mut Coefficients<A, T>),
    ) {
        let (network, rows) = (&self.network, extent.tangents * extent.rows);
        cotangents[0][..y.len()].copy_from_slice(y);
        for index in (0..self.encoder).rev() {
            let (layer, kept) = (&network.layers[index], &hidden[index]);
            let moment = network.moment(index, T::from_f64(t));
            let (effective, scratch) = (&mut coefficients.effective[index], &mut coefficients.scratch);
            let [current, next] = &mut *cotangents;
            let y = &mut current[..rows * layer.output_len()];
            let saved = if network.function().saved() == Saved::Input {
                &kept.input
            } else {
                &kept.stack
            };
            network.multiply_by_slope((&saved[..extent.rows * layer.output_len()], &kept.slope), y);
            let x = if index == 0 {
                &mut *x
            } else {
                &mut next[..rows * layer.input_len()]
            };
            let (y, x) = (
                Stack {
                    value: &[],
                    tangents: &*y,
                },
                StackMut {
                    value: &mut [],
                    tangents: x,
                },
            );
            layer.apply_adjoint(moment, effective, scratch, y, x);
            cotangents.swap(0, 1);
        }
    }
}

impl<A: Architecture, T: Real> Layered<A, T> {
    /// Multiplies tangents, or cotangents of tangents, by the slopes of the nonlinearity at the values that were kept.
    fn multiply_by_slope(&self, (stack, slope): (&[T], &[T]), tangents: &mut [T]) {
        for tangent in tangents.chunks_exact_mut(stack.len()) {
            self.function()
                .reverse_stack(self.level, stack.len(), SavedStack { stack, slope }, tangent);
        }
    }
}

/// The caller's rows of a hidden state as the network's, `width` numbers each.
fn spread<T: Real>(form: RowForm, from: &[T], width: usize, to: &mut [T]) {
    if let RowForm::Pixels(pixels) = form {
        return pixels.gather(from, to);
    }
    for (from, to) in from.chunks_exact(form.len()).zip(to.chunks_exact_mut(width)) {
        let (to, padding) = to.split_at_mut(from.len());
        to.copy_from_slice(from);
        padding.fill(T::ZERO);
    }
}

/// The inverse of [`spread`].
fn collect<T: Real>(form: RowForm, from: &[T], width: usize, to: &mut [T]) {
    if let RowForm::Pixels(pixels) = form {
        return pixels.scatter(from, to);
    }
    for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(form.len())) {
        to.copy_from_slice(&from[..to.len()]);
    }
}

/// The last layer's rows as the first layer's, where what the rows are given does not move.
fn beside_nothing<T: Real>(input: RowForm, from: &[T], to: &mut [T]) {
    let state = input.state_len();
    for (from, to) in from.chunks_exact(state).zip(to.chunks_exact_mut(input.len())) {
        let (to, given) = to.split_at_mut(state);
        to.copy_from_slice(from);
        given.fill(T::ZERO);
    }
}

/// The first layer's rows as the last layer's, but for what they are given.
fn without_given<T: Real>(input: RowForm, from: &[T], to: &mut [T]) {
    let state = input.state_len();
    for (from, to) in from.chunks_exact(input.len()).zip(to.chunks_exact_mut(state)) {
        to.copy_from_slice(&from[..state]);
    }
}
