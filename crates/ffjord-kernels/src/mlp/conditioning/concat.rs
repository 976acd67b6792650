//! Time as an input: W [t, x] + b, and W x + b + h t.

use super::{Coefficients, EffectiveGradient, Rule, WeightForm, add_scaled, dot};
use crate::Real;
use crate::mlp::architecture::LayerShape;
use crate::simd::SimdLevel;

/// W [t, x] + b. The first column of W is a bias that grows with time.
pub(super) struct Concat;

impl<T: Real> Rule<T> for Concat {
    fn parameters(&self, shape: LayerShape) -> Vec<(&'static str, Vec<usize>)> {
        vec![
            ("_layer.weight", vec![shape.outputs, shape.inputs + 1]),
            ("_layer.bias", vec![shape.outputs]),
        ]
    }

    fn weight_form(&self, shape: LayerShape) -> WeightForm {
        WeightForm::Constant {
            offset: 1,
            stride: shape.inputs + 1,
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
        let stride = shape.inputs + 1;
        let (weight, bias) = parameters.split_at(shape.outputs * stride);
        for ((to, &b), row) in coefficients.bias.iter_mut().zip(bias).zip(weight.chunks_exact(stride)) {
            *to = b + row[0] * t;
        }
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
        let stride = shape.inputs + 1;
        let (weight, bias) = gradient.split_at_mut(shape.outputs * stride);
        add_scaled(bias, T::ONE, effective.bias);
        let mut time = T::ZERO;
        let rows = weight.chunks_exact_mut(stride).zip(parameters.chunks_exact(stride));
        for ((to, row), &b) in rows.zip(effective.bias) {
            to[0] += t * b;
            time += row[0] * b;
        }
        time
    }
}

/// W x + b + h t.
pub(super) struct ConcatV2;

impl<T: Real> Rule<T> for ConcatV2 {
    fn parameters(&self, shape: LayerShape) -> Vec<(&'static str, Vec<usize>)> {
        vec![
            ("_layer.weight", vec![shape.outputs, shape.inputs]),
            ("_layer.bias", vec![shape.outputs]),
            ("_hyper_bias.weight", vec![shape.outputs, 1]),
        ]
    }

    fn weight_form(&self, shape: LayerShape) -> WeightForm {
        WeightForm::Constant {
            offset: 0,
            stride: shape.inputs,
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
        let (bias, slope) = parameters[shape.weights()..].split_at(shape.outputs);
        coefficients.bias.copy_from_slice(bias);
        add_scaled(coefficients.bias, t, slope);
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
        let (bias, slope) = gradient[shape.weights()..].split_at_mut(shape.outputs);
        add_scaled(bias, T::ONE, effective.bias);
        add_scaled(slope, t, effective.bias);
        dot(&parameters[shape.weights() + shape.outputs..], effective.bias)
    }
}
