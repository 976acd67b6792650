//! (W x + b) σ(g t + c), with or without a shift h t.

use super::{ConvRule, EffectiveGradient};
use crate::Real;
use crate::convolution::architecture::ConvShape;
use crate::mlp::conditioning::{add_scaled, dot};

/// The gate folds into kernel and bias, W' = diag(s) W and b' = s b + h t with s = σ(g t + c).
pub(super) struct Gated {
    /// Whether there is a shift h t.
    pub(super) shift: bool,
}

/// The parameters of a gated layer, each `[outputs]` but for the kernel.
struct Parts<'a, T> {
    weight: &'a [T],
    bias: &'a [T],
    shift: Option<&'a [T]>,
    gate_slope: &'a [T],
    gate_bias: &'a [T],
}

impl<T: Real> Parts<'_, T> {
    fn gate(&self, output: usize, t: T) -> T {
        let argument = self.gate_slope[output] * t + self.gate_bias[output];
        T::ONE / (T::ONE + (-argument).libm_exp())
    }
}

impl Gated {
    fn split<'a, T>(&self, shape: ConvShape, parameters: &'a [T]) -> Parts<'a, T> {
        let (weight, rest) = parameters.split_at(shape.weights());
        let (bias, rest) = rest.split_at(shape.outputs);
        let (shift, rest) = rest.split_at(if self.shift { shape.outputs } else { 0 });
        let (gate_slope, gate_bias) = rest.split_at(shape.outputs);
        Parts {
            weight,
            bias,
            shift: self.shift.then_some(shift),
            gate_slope,
            gate_bias,
        }
    }
}

/// Where the k×k kernels that lead to `output` lie in a kernel `[coarse, fine, k, k]`.
fn kernels_of(shape: ConvShape, output: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let taps = shape.taps();
    let at = move |input| {
        if shape.is_transposed() {
            input * shape.outputs + output
        } else {
            output * shape.inputs + input
        }
    };
    (0..shape.inputs).map(move |input| at(input) * taps..(at(input) + 1) * taps)
}

impl<T: Real> ConvRule<T> for Gated {
    fn parameters(&self, shape: ConvShape) -> Vec<(&'static str, Vec<usize>)> {
        let mut specs = vec![
            ("_layer.weight", shape.weight_shape(shape.inputs)),
            ("_layer.bias", vec![shape.outputs]),
        ];
        let column = vec![shape.outputs, 1];
        if self.shift {
            specs.push(("_hyper_bias.weight", column.clone()));
            specs.push(("_hyper_gate.weight", column));
            specs.push(("_hyper_gate.bias", vec![shape.outputs]));
        } else {
            specs.push(("_hyper.weight", column));
            specs.push(("_hyper.bias", vec![shape.outputs]));
        }
        specs
    }

    fn weight(&self, shape: ConvShape, parameters: &[T], t: T, weight: &mut [T]) {
        let parts = self.split(shape, parameters);
        for output in 0..shape.outputs {
            let gate = parts.gate(output, t);
            for span in kernels_of(shape, output) {
                for (to, &from) in weight[span.clone()].iter_mut().zip(&parts.weight[span]) {
                    *to = gate * from;
                }
            }
        }
    }

    fn bias(&self, shape: ConvShape, parameters: &[T], t: T, bias: &mut [T]) {
        let parts = self.split(shape, parameters);
        for (output, (to, &b)) in bias.iter_mut().zip(parts.bias).enumerate() {
            *to = b * parts.gate(output, t);
        }
        if let Some(shift) = parts.shift {
            add_scaled(bias, t, shift);
        }
    }

    fn pull_back(
        &self,
        shape: ConvShape,
        parameters: &[T],
        t: T,
        effective: EffectiveGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let parts = self.split(shape, parameters);
        let (weight, rest) = gradient.split_at_mut(shape.weights());
        let (bias, rest) = rest.split_at_mut(shape.outputs);
        let (shift, rest) = rest.split_at_mut(if self.shift { shape.outputs } else { 0 });
        let (gate_slope, gate_bias) = rest.split_at_mut(shape.outputs);

        let mut time = T::ZERO;
        for output in 0..shape.outputs {
            let gate = parts.gate(output, t);
            let mut of_gate = effective.bias[output] * parts.bias[output];
            for span in kernels_of(shape, output) {
                of_gate += dot(&effective.weight[span.clone()], &parts.weight[span.clone()]);
                add_scaled(&mut weight[span.clone()], gate, &effective.weight[span]);
            }
            let of_argument = of_gate * gate * (T::ONE - gate);
            bias[output] += gate * effective.bias[output];
            gate_slope[output] += t * of_argument;
            gate_bias[output] += of_argument;
            time += parts.gate_slope[output] * of_argument;
        }
        if let Some(slope) = parts.shift {
            add_scaled(shift, t, effective.bias);
            time += dot(slope, effective.bias);
        }
        time
    }
}
