//! Weights and bias from a small network of time.

use crate::Real;
use crate::convolution::{ConvGradient, ConvRule, ConvShape};
use crate::linalg::{add_scaled, dot};
use crate::mlp::{Coefficients, DenseGradient, DenseRule, LayerShape, WeightForm};
use crate::simd::SimdLevel;

/// Hidden units of the network of time, as in the original.
const HIDDEN: usize = 8;

/// Dense layers: p = A₂ tanh(A₁ t + a₁) + a₂; the bias is the head of p, the weight `[outputs, inputs]` its rest.
///
/// Convolutions: p = A t + a; the kernel is the head of p, the bias its rest.
pub(super) struct Hyper {
    /// Convolutions as the released code has them: it reads the kernel and the bias from the first entry of p on, so that
    /// they overlap, and the last entries of p are not used.
    pub(super) overlapping: bool,
}

struct Parts<'a, T> {
    first_weight: &'a [T],
    first_bias: &'a [T],
    second_weight: &'a [T],
    second_bias: &'a [T],
}

fn split<T>(shape: LayerShape, parameters: &[T]) -> Parts<'_, T> {
    let (first_weight, rest) = parameters.split_at(HIDDEN);
    let (first_bias, rest) = rest.split_at(HIDDEN);
    let (second_weight, second_bias) = rest.split_at(HIDDEN * (shape.weights() + shape.outputs));
    Parts {
        first_weight,
        first_bias,
        second_weight,
        second_bias,
    }
}

impl<T: Real> Parts<'_, T> {
    fn hidden(&self, t: T) -> [T; HIDDEN] {
        std::array::from_fn(|i| (self.first_weight[i] * t + self.first_bias[i]).libm_tanh())
    }

    /// Outputs `from ..` of the network of time.
    fn outputs(&self, t: T, from: usize, to: &mut [T]) {
        let hidden = self.hidden(t);
        let rows = self.second_weight.chunks_exact(HIDDEN).zip(self.second_bias).skip(from);
        for (to, (row, &bias)) in to.iter_mut().zip(rows) {
            *to = bias + dot(row, &hidden);
        }
    }
}

impl<T: Real> DenseRule<T> for Hyper {
    fn parameters(&self, shape: LayerShape) -> Vec<(&'static str, Vec<usize>)> {
        let outputs = shape.weights() + shape.outputs;
        vec![
            ("_hypernet.0.weight", vec![HIDDEN, 1]),
            ("_hypernet.0.bias", vec![HIDDEN]),
            ("_hypernet.2.weight", vec![outputs, HIDDEN]),
            ("_hypernet.2.bias", vec![outputs]),
        ]
    }

    fn weight_form(&self, _shape: LayerShape) -> WeightForm {
        WeightForm::Generated
    }

    fn evaluate(
        &self,
        _level: SimdLevel,
        shape: LayerShape,
        parameters: &[T],
        t: T,
        coefficients: Coefficients<'_, T>,
    ) {
        split(shape, parameters).outputs(t, 0, coefficients.bias);
    }

    fn generate(&self, shape: LayerShape, parameters: &[T], t: T, weight: &mut [T]) {
        split(shape, parameters).outputs(t, shape.outputs, weight);
    }

    fn pull_back(
        &self,
        _level: SimdLevel,
        shape: LayerShape,
        parameters: &[T],
        t: T,
        effective: DenseGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let parts = split(shape, parameters);
        let hidden = parts.hidden(t);
        let (first_weight, rest) = gradient.split_at_mut(HIDDEN);
        let (first_bias, rest) = rest.split_at_mut(HIDDEN);
        let (second_weight, second_bias) = rest.split_at_mut(parts.second_weight.len());

        let mut of_hidden = [T::ZERO; HIDDEN];
        let of_outputs = effective.bias.iter().chain(effective.weight);
        let rows = second_weight
            .chunks_exact_mut(HIDDEN)
            .zip(parts.second_weight.chunks_exact(HIDDEN));
        for ((&g, to_bias), (to_row, row)) in of_outputs.zip(second_bias).zip(rows) {
            *to_bias += g;
            add_scaled(to_row, g, &hidden);
            add_scaled(&mut of_hidden, g, row);
        }
        let mut time = T::ZERO;
        for i in 0..HIDDEN {
            let of_argument = of_hidden[i] * (T::ONE - hidden[i] * hidden[i]);
            first_weight[i] += t * of_argument;
            first_bias[i] += of_argument;
            time += parts.first_weight[i] * of_argument;
        }
        time
    }
}

/// Entries `from ..` of p.
fn outputs<T: Real>(shape: ConvShape, parameters: &[T], t: T, from: usize, to: &mut [T]) {
    let (slope, bias) = parameters.split_at(shape.weights() + shape.outputs);
    for (to, (&slope, &bias)) in to.iter_mut().zip(slope[from..].iter().zip(&bias[from..])) {
        *to = bias + slope * t;
    }
}

impl Hyper {
    /// The entry of p that a convolution's bias begins with.
    fn first_bias(&self, shape: ConvShape) -> usize {
        if self.overlapping { 0 } else { shape.weights() }
    }
}

impl<T: Real> ConvRule<T> for Hyper {
    fn parameters(&self, shape: ConvShape) -> Vec<(&'static str, Vec<usize>)> {
        let outputs = shape.weights() + shape.outputs;
        vec![
            ("_hypernet.weight", vec![outputs, 1]),
            ("_hypernet.bias", vec![outputs]),
        ]
    }

    fn weight(&self, shape: ConvShape, parameters: &[T], t: T, weight: &mut [T]) {
        outputs(shape, parameters, t, 0, weight);
    }

    fn bias(&self, shape: ConvShape, parameters: &[T], t: T, bias: &mut [T]) {
        outputs(shape, parameters, t, self.first_bias(shape), bias);
    }

    fn pull_back(
        &self,
        shape: ConvShape,
        parameters: &[T],
        t: T,
        effective: ConvGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let (slope, bias) = gradient.split_at_mut(shape.weights() + shape.outputs);
        let mut time = T::ZERO;
        for (from, part) in [(0, effective.weight), (self.first_bias(shape), effective.bias)] {
            let (slope, bias) = (&mut slope[from..][..part.len()], &mut bias[from..][..part.len()]);
            add_scaled(slope, t, part);
            add_scaled(bias, T::ONE, part);
            time += dot(&parameters[from..][..part.len()], part);
        }
        time
    }
}
