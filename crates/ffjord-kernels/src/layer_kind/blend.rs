//! y₀ + (y₁ − y₀) t.

use crate::Real;
use crate::convolution::{ConvGradient, ConvRule, ConvShape};
use crate::linalg::{add_scaled, dot};
use crate::mlp::{Coefficients, DenseGradient, DenseRule, LayerShape, WeightForm};
use crate::simd::SimdLevel;

/// Two layers, between which time interpolates.
pub(super) struct Blend;

impl<T: Real> DenseRule<T> for Blend {
    fn parameters(&self, shape: LayerShape) -> Vec<(&'static str, Vec<usize>)> {
        vec![
            ("_layer0.weight", vec![shape.outputs, shape.inputs]),
            ("_layer0.bias", vec![shape.outputs]),
            ("_layer1.weight", vec![shape.outputs, shape.inputs]),
            ("_layer1.bias", vec![shape.outputs]),
        ]
    }

    fn weight_form(&self, shape: LayerShape) -> WeightForm {
        WeightForm::Blended {
            second: shape.weights() + shape.outputs,
        }
    }

    fn evaluate(
        &self,
        _level: SimdLevel,
        shape: LayerShape,
        parameters: &[T],
        t: T,
        coefficients: Coefficients<'_, T>,
    ) {
        let (first, second) = parameters.split_at(shape.weights() + shape.outputs);
        let biases = first[shape.weights()..].iter().zip(&second[shape.weights()..]);
        for (to, (&b0, &b1)) in coefficients.bias.iter_mut().zip(biases) {
            *to = b0 + (b1 - b0) * t;
        }
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
        let (weights, length) = (shape.weights(), shape.weights() + shape.outputs);
        let mut time = T::ZERO;
        for (layer, (to, of_time)) in [(T::ONE - t, -T::ONE), (t, T::ONE)].into_iter().enumerate() {
            let (weight, bias) = parameters[layer * length..][..length].split_at(weights);
            time += of_time * (dot(weight, effective.weight) + dot(bias, effective.bias));
            let (weight, bias) = gradient[layer * length..][..length].split_at_mut(weights);
            add_scaled(weight, to, effective.weight);
            add_scaled(bias, to, effective.bias);
        }
        time
    }
}

fn interpolate<T: Real>(first: &[T], second: &[T], t: T, to: &mut [T]) {
    for (to, (&a, &b)) in to.iter_mut().zip(first.iter().zip(second)) {
        *to = a + (b - a) * t;
    }
}

impl<T: Real> ConvRule<T> for Blend {
    fn parameters(&self, shape: ConvShape) -> Vec<(&'static str, Vec<usize>)> {
        let weight = shape.weight_shape(shape.inputs);
        vec![
            ("_layer0.weight", weight.clone()),
            ("_layer0.bias", vec![shape.outputs]),
            ("_layer1.weight", weight),
            ("_layer1.bias", vec![shape.outputs]),
        ]
    }

    fn weight(&self, shape: ConvShape, parameters: &[T], t: T, weight: &mut [T]) {
        let (first, second) = parameters.split_at(shape.weights() + shape.outputs);
        interpolate(first, second, t, weight);
    }

    fn bias(&self, shape: ConvShape, parameters: &[T], t: T, bias: &mut [T]) {
        let (first, second) = parameters.split_at(shape.weights() + shape.outputs);
        interpolate(&first[shape.weights()..], &second[shape.weights()..], t, bias);
    }

    fn pull_back(
        &self,
        shape: ConvShape,
        parameters: &[T],
        t: T,
        effective: ConvGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let length = shape.weights() + shape.outputs;
        let mut time = T::ZERO;
        for (layer, (to, of_time)) in [(T::ONE - t, -T::ONE), (t, T::ONE)].into_iter().enumerate() {
            let (weight, bias) = parameters[layer * length..][..length].split_at(shape.weights());
            time += of_time * (dot(weight, effective.weight) + dot(bias, effective.bias));
            let (weight, bias) = gradient[layer * length..][..length].split_at_mut(shape.weights());
            add_scaled(weight, to, effective.weight);
            add_scaled(bias, to, effective.bias);
        }
        time
    }
}
