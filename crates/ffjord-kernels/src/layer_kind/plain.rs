//! Weights that do not depend on time: W x + b, with time as a bias or among the inputs.

use crate::Real;
use crate::convolution::{ConvGradient, ConvRule, ConvShape, Planes, WeightView};
use crate::linalg::{add_scaled, dot};
use crate::mlp::{Coefficients, DenseGradient, DenseRule, LayerShape, WeightForm};
use crate::simd::SimdLevel;

/// W x + b.
pub(super) struct Ignore;
/// W [t, x] + b. The first column of W is a bias that grows with time.
pub(super) struct Concat;
/// W x + b + h t.
pub(super) struct ConcatV2;
/// W [x, t, row, column] + b.
pub(super) struct ConcatCoord;

impl<T: Real> DenseRule<T> for Ignore {
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
        effective: DenseGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        add_scaled(&mut gradient[shape.weights()..], T::ONE, effective.bias);
        T::ZERO
    }
}

impl<T: Real> DenseRule<T> for Concat {
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
        effective: DenseGradient<'_, T>,
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

impl<T: Real> DenseRule<T> for ConcatV2 {
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
        effective: DenseGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let (bias, slope) = gradient[shape.weights()..].split_at_mut(shape.outputs);
        add_scaled(bias, T::ONE, effective.bias);
        add_scaled(slope, t, effective.bias);
        dot(&parameters[shape.weights() + shape.outputs..], effective.bias)
    }
}

fn affine(shape: ConvShape, planes: usize) -> Vec<(&'static str, Vec<usize>)> {
    vec![
        ("_layer.weight", shape.weight_shape(shape.inputs + planes)),
        ("_layer.bias", vec![shape.outputs]),
    ]
}

/// The state's kernel where it has `planes` more input channels, `first` of them before the state's.
fn view(shape: ConvShape, planes: usize, first: usize) -> WeightView {
    let taps = shape.taps();
    if shape.is_transposed() {
        WeightView {
            offset: first * shape.outputs * taps,
            row: shape.outputs * taps,
        }
    } else {
        WeightView {
            offset: first * taps,
            row: (shape.inputs + planes) * taps,
        }
    }
}

/// Adds the gradients of kernel and bias in place, and returns where those of further parameters begin.
fn pull_back_affine<T: Real>(
    shape: ConvShape,
    planes: usize,
    first: usize,
    effective: &ConvGradient<'_, T>,
    gradient: &mut [T],
) -> usize {
    let (view, (_, fine)) = (view(shape, planes, first), shape.coarse_and_fine());
    for (c, row) in effective.weight.chunks_exact(fine * shape.taps()).enumerate() {
        add_scaled(&mut gradient[view.offset + c * view.row..][..row.len()], T::ONE, row);
    }
    let bias = (shape.inputs + planes) * shape.outputs * shape.taps();
    add_scaled(&mut gradient[bias..][..shape.outputs], T::ONE, effective.bias);
    bias + shape.outputs
}

/// The four rules differ in the channels they add to the input, and in a slope of the bias.
macro_rules! plain_rule {
    ($rule:ident, planes: $planes:literal, first: $first:literal, start: $start:expr) => {
        impl<T: Real> ConvRule<T> for $rule {
            fn parameters(&self, shape: ConvShape) -> Vec<(&'static str, Vec<usize>)> {
                affine(shape, $planes)
            }

            fn constant_weight(&self, shape: ConvShape) -> Option<WeightView> {
                Some(view(shape, $planes, $first))
            }

            fn planes(&self, shape: ConvShape) -> Option<Planes> {
                let start: fn(ConvShape) -> usize = $start;
                ($planes > 0).then(|| Planes::new(shape, $planes, start(shape)))
            }

            fn bias(&self, shape: ConvShape, parameters: &[T], _t: T, bias: &mut [T]) {
                let start = (shape.inputs + $planes) * shape.outputs * shape.taps();
                bias.copy_from_slice(&parameters[start..]);
            }

            fn pull_back(
                &self,
                shape: ConvShape,
                _parameters: &[T],
                _t: T,
                effective: ConvGradient<'_, T>,
                gradient: &mut [T],
            ) -> T {
                pull_back_affine(shape, $planes, $first, &effective, gradient);
                T::ZERO
            }
        }
    };
}

plain_rule!(Ignore, planes: 0, first: 0, start: |_| 0);
plain_rule!(Concat, planes: 1, first: 1, start: |_| 0);
plain_rule!(ConcatCoord, planes: 3, first: 0, start: |shape| shape.inputs);

impl<T: Real> ConvRule<T> for ConcatV2 {
    fn parameters(&self, shape: ConvShape) -> Vec<(&'static str, Vec<usize>)> {
        let mut specs = affine(shape, 0);
        specs.push(("_hyper_bias.weight", vec![shape.outputs, 1]));
        specs
    }

    fn constant_weight(&self, shape: ConvShape) -> Option<WeightView> {
        Some(view(shape, 0, 0))
    }

    fn bias(&self, shape: ConvShape, parameters: &[T], t: T, bias: &mut [T]) {
        let (constant, slope) = parameters[shape.weights()..].split_at(shape.outputs);
        bias.copy_from_slice(constant);
        add_scaled(bias, t, slope);
    }

    fn pull_back(
        &self,
        shape: ConvShape,
        parameters: &[T],
        t: T,
        effective: ConvGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let rest = pull_back_affine(shape, 0, 0, &effective, gradient);
        add_scaled(&mut gradient[rest..], t, effective.bias);
        dot(&parameters[rest..], effective.bias)
    }
}
