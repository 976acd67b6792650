//! Kernels that do not depend on time: W x + b, with time as a bias or among the input channels.

use super::{ConvRule, EffectiveGradient, Planes, WeightView};
use crate::Real;
use crate::convolution::architecture::ConvShape;
use crate::mlp::conditioning::{add_scaled, dot};

/// W x + b.
pub(super) struct Ignore;
/// W [t, x] + b.
pub(super) struct Concat;
/// W x + b + h t.
pub(super) struct ConcatV2;
/// W [x, t, row, column] + b.
pub(super) struct ConcatCoord;

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
    effective: &EffectiveGradient<'_, T>,
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
                effective: EffectiveGradient<'_, T>,
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
        effective: EffectiveGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let rest = pull_back_affine(shape, 0, 0, &effective, gradient);
        add_scaled(&mut gradient[rest..], t, effective.bias);
        dot(&parameters[rest..], effective.bias)
    }
}
