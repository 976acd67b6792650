//! Weights and bias from a small network of time.

use super::{Coefficients, EffectiveGradient, Rule, WeightForm, add_scaled, dot};
use crate::Real;
use crate::mlp::architecture::LayerShape;
use crate::simd::SimdLevel;

/// Hidden units of the network of time, as in the original.
const HIDDEN: usize = 8;

/// p = A₂ tanh(A₁ t + a₁) + a₂; the bias is the head of p, the weight `[outputs, inputs]` its rest.
pub(super) struct Hyper;

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

impl<T: Real> Rule<T> for Hyper {
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
        effective: EffectiveGradient<'_, T>,
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
