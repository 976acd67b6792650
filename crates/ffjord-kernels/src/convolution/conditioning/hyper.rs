//! Kernel and bias from a linear map of time.

use super::{ConvRule, EffectiveGradient};
use crate::Real;
use crate::convolution::architecture::ConvShape;
use crate::mlp::conditioning::dot;

/// p = A t + a; the kernel is the head of p and so is the bias: the released code reads both from the first entry on,
/// which is kept so that its checkpoints give its numbers. The last entries of p are not used.
pub(super) struct Hyper;

fn outputs<T: Real>(shape: ConvShape, parameters: &[T], t: T, to: &mut [T]) {
    let (slope, bias) = parameters.split_at(shape.weights() + shape.outputs);
    for (to, (&slope, &bias)) in to.iter_mut().zip(slope.iter().zip(bias)) {
        *to = bias + slope * t;
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
        outputs(shape, parameters, t, weight);
    }

    fn bias(&self, shape: ConvShape, parameters: &[T], t: T, bias: &mut [T]) {
        outputs(shape, parameters, t, bias);
    }

    fn pull_back(
        &self,
        shape: ConvShape,
        parameters: &[T],
        t: T,
        effective: EffectiveGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let (slope, bias) = gradient.split_at_mut(shape.weights() + shape.outputs);
        let mut time = T::ZERO;
        for part in [effective.weight, effective.bias] {
            for ((slope, bias), &g) in slope.iter_mut().zip(bias.iter_mut()).zip(part) {
                *slope += t * g;
                *bias += g;
            }
            time += dot(parameters, part);
        }
        time
    }
}
