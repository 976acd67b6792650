//! W x + b.

use super::{Coefficients, EffectiveGradient, Rule, WeightForm, add_scaled};
use crate::Real;
use crate::mlp::architecture::LayerShape;
use crate::simd::SimdLevel;

pub(super) struct Ignore;

impl<T: Real> Rule<T> for Ignore {
    fn parameters(&self, shape: LayerShape) -> Vec<(&'static str, Vec<usize>)> {
        vec![
            ("_layer.weight", vec![shape.outputs, shape.inputs]),
            ("_layer.bias", vec![shape.outputs]),
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
        _t: T,
        coefficients: Coefficients<'_, T>,
    ) {
        coefficients.bias.copy_from_slice(&parameters[shape.weights()..]);
    }

    fn pull_back(
        &self,
        _level: SimdLevel,
        shape: LayerShape,
        _parameters: &[T],
        _t: T,
        effective: EffectiveGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        add_scaled(&mut gradient[shape.weights()..], T::ONE, effective.bias);
        T::ZERO
    }
}
