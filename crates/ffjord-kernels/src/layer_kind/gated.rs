//! (W x + b) σ(g t + c), with or without a shift h t.

use crate::Real;
use crate::convolution::{ConvGradient, ConvRule, ConvShape};
use crate::elementwise::Function;
use crate::linalg::{add_scaled, dot};
use crate::mlp::{Coefficients, DenseGradient, DenseRule, LayerShape, WeightForm};
use crate::simd::{Isa, Kernel, SimdLevel};

/// The gate folds into weights and bias, W_eff = diag(s) W and b_eff = s b + h t with s = σ(g t + c), so that it costs
/// nothing per row, forward or in reverse.
pub(super) struct Gated {
    /// Whether there is a shift h t.
    pub(super) shift: bool,
}

/// The parameters of a gated layer, each `[outputs]` but for the weight.
struct Parts<'a, T> {
    weight: &'a [T],
    bias: &'a [T],
    shift: Option<&'a [T]>,
    gate_slope: &'a [T],
    gate_bias: &'a [T],
}

impl Gated {
    /// Names and shapes of the parameters, with a weight of the given shape.
    fn parameters(&self, weight: Vec<usize>, outputs: usize) -> Vec<(&'static str, Vec<usize>)> {
        let mut specs = vec![("_layer.weight", weight), ("_layer.bias", vec![outputs])];
        let column = vec![outputs, 1];
        if self.shift {
            specs.push(("_hyper_bias.weight", column.clone()));
            specs.push(("_hyper_gate.weight", column));
            specs.push(("_hyper_gate.bias", vec![outputs]));
        } else {
            specs.push(("_hyper.weight", column));
            specs.push(("_hyper.bias", vec![outputs]));
        }
        specs
    }

    fn split<'a, T>(&self, (weights, outputs): (usize, usize), parameters: &'a [T]) -> Parts<'a, T> {
        let (weight, rest) = parameters.split_at(weights);
        let (bias, rest) = rest.split_at(outputs);
        let (shift, rest) = rest.split_at(if self.shift { outputs } else { 0 });
        let (gate_slope, gate_bias) = rest.split_at(outputs);
        Parts {
            weight,
            bias,
            shift: self.shift.then_some(shift),
            gate_slope,
            gate_bias,
        }
    }
}

impl<T: Real> Parts<'_, T> {
    fn gate(&self, output: usize, t: T) -> T {
        let argument = self.gate_slope[output] * t + self.gate_bias[output];
        T::ONE / (T::ONE + (-argument).libm_exp())
    }
}

impl<T: Real> DenseRule<T> for Gated {
    fn parameters(&self, shape: LayerShape) -> Vec<(&'static str, Vec<usize>)> {
        self.parameters(vec![shape.outputs, shape.inputs], shape.outputs)
    }

    fn weight_form(&self, _shape: LayerShape) -> WeightForm {
        WeightForm::Gated
    }

    fn evaluate(&self, level: SimdLevel, shape: LayerShape, parameters: &[T], t: T, coefficients: Coefficients<'_, T>) {
        let parts = self.split((shape.weights(), shape.outputs), parameters);
        for ((s, &slope), &bias) in coefficients.gate.iter_mut().zip(parts.gate_slope).zip(parts.gate_bias) {
            *s = slope * t + bias;
        }
        Function::Sigmoid.forward_stack(level, shape.outputs, coefficients.gate, &mut []);
        for ((to, &s), &bias) in coefficients
            .bias
            .iter_mut()
            .zip(coefficients.gate.iter())
            .zip(parts.bias)
        {
            *to = bias * s;
        }
        if let Some(shift) = parts.shift {
            add_scaled(coefficients.bias, t, shift);
        }
    }

    fn pull_back(
        &self,
        level: SimdLevel,
        shape: LayerShape,
        parameters: &[T],
        t: T,
        effective: DenseGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let parts = self.split((shape.weights(), shape.outputs), parameters);
        let (weight, rest) = gradient.split_at_mut(shape.weights());
        let (bias, rest) = rest.split_at_mut(shape.outputs);
        let (shift, rest) = rest.split_at_mut(if self.shift { shape.outputs } else { 0 });
        let (gate_slope, gate_bias) = rest.split_at_mut(shape.outputs);

        let mut time = level.dispatch(PullBack {
            inputs: shape.inputs,
            t,
            parts: &parts,
            effective: &effective,
            weight,
            bias,
            gate_slope,
            gate_bias,
        });
        if let Some(slope) = parts.shift {
            add_scaled(shift, t, effective.bias);
            time += dot(slope, effective.bias);
        }
        time
    }
}

/// The gradients of all but the shift; returns their part of that of time.
struct PullBack<'a, T> {
    inputs: usize,
    t: T,
    parts: &'a Parts<'a, T>,
    effective: &'a DenseGradient<'a, T>,
    weight: &'a mut [T],
    bias: &'a mut [T],
    gate_slope: &'a mut [T],
    gate_bias: &'a mut [T],
}

impl<T: Real> Kernel for PullBack<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<S: Isa>(self) -> T {
        let Self { parts, effective, .. } = self;
        let rows = self
            .weight
            .chunks_exact_mut(self.inputs)
            .zip(parts.weight.chunks_exact(self.inputs))
            .zip(effective.weight.chunks_exact(self.inputs));
        let mut time = T::ZERO;
        for (j, ((to, given), g)) in rows.enumerate() {
            let (s, of_bias) = (effective.gate[j], effective.bias[j]);
            let of_gate = add_row_scaled::<T, S>(to, given, g, s) + of_bias * parts.bias[j];
            let of_argument = of_gate * s * (T::ONE - s);
            self.bias[j] += s * of_bias;
            self.gate_slope[j] += self.t * of_argument;
            self.gate_bias[j] += of_argument;
            time += parts.gate_slope[j] * of_argument;
        }
        time
    }
}

/// to[i] += factor · from[i], and Σ weight[i] from[i]: one pass over a row of the weight.
#[inline(always)]
fn add_row_scaled<T: Real, S: Isa>(to: &mut [T], weight: &[T], from: &[T], factor: T) -> T {
    /// Two vectors at most levels: sums that do not wait for each other.
    const LANES: usize = 16;
    let (to_pieces, to_rest) = to.as_chunks_mut::<LANES>();
    let ((weight, weight_rest), (from, from_rest)) = (weight.as_chunks::<LANES>(), from.as_chunks::<LANES>());
    let mut sums = [T::ZERO; LANES];
    for ((to, weight), from) in to_pieces.iter_mut().zip(weight).zip(from) {
        for i in 0..LANES {
            sums[i] = weight[i].fma::<S>(from[i], sums[i]);
            to[i] = factor.fma::<S>(from[i], to[i]);
        }
    }
    let mut sum = sums.iter().fold(T::ZERO, |sum, &lane| sum + lane);
    for ((to, &weight), &from) in to_rest.iter_mut().zip(weight_rest).zip(from_rest) {
        sum = weight.fma::<S>(from, sum);
        *to = factor.fma::<S>(from, *to);
    }
    sum
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
        self.parameters(shape.weight_shape(shape.inputs), shape.outputs)
    }

    fn weight(&self, shape: ConvShape, parameters: &[T], t: T, weight: &mut [T]) {
        let parts = self.split((shape.weights(), shape.outputs), parameters);
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
        let parts = self.split((shape.weights(), shape.outputs), parameters);
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
        effective: ConvGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let parts = self.split((shape.weights(), shape.outputs), parameters);
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
