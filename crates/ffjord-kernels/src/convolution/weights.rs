//! Packed kernels: constant ones, once per optimiser step, and those that depend on time, once per evaluation.

use super::Stride;
use super::architecture::ConvShape;
use super::operator::{ImageOperator, Method};
use super::rule::{ConvRule, WeightView};
use crate::layered::Moment;
use crate::linalg::AlignedBuffer;
use crate::simd::SimdLevel;
use crate::{LayerKind, Real};

/// A convolution and its adjoint, each with a packed kernel.
#[derive(Clone, Debug)]
struct Operators<T: Real> {
    shape: ConvShape,
    forward: ImageOperator<T>,
    backward: ImageOperator<T>,
}

/// With equal sizes a convolution can be done in any way: with few channels patches are best made of the image that has
/// fewer.
fn method(shape: ConvShape, source: usize, target: usize, forward: bool) -> Method {
    if let Some(taps) = shape.in_terms() {
        return Method::Winograd(taps);
    }
    let gather = match shape.stride {
        Stride::Keep => 2 * target >= source,
        Stride::Halve => forward,
        Stride::Double => !forward,
    };
    if gather { Method::Gather } else { Method::Scatter }
}

impl<T: Real> Operators<T> {
    fn zeros(level: SimdLevel, shape: ConvShape) -> Self {
        let operator = |source, target, forward| {
            let method = method(shape, source, target, forward);
            ImageOperator::zeros(level, method, shape.grid(), source, target)
        };
        Self {
            shape,
            forward: operator(shape.inputs, shape.outputs, true),
            backward: operator(shape.outputs, shape.inputs, false),
        }
    }

    /// Packs the convolution's kernel, which lies at `view` of `weight`.
    fn fill_forward(&mut self, weight: &[T], view: WeightView) {
        let shape = self.shape;
        let turned = self.forward.method == Method::Scatter;
        self.forward
            .fill_with(|input, output, tap| weight[index(shape, view, input, output, turn(shape, turned, tap))]);
    }

    /// Packs the adjoint's kernel, which lies at `view` of `weight`.
    fn fill_backward(&mut self, weight: &[T], view: WeightView) {
        let shape = self.shape;
        let turned = self.backward.method != Method::Scatter;
        self.backward
            .fill_with(|output, input, tap| weight[index(shape, view, input, output, turn(shape, turned, tap))]);
    }
}

/// A 3×3 convolution that scatters, and an adjoint that does not, have the kernel turned by half a turn.
fn turn(shape: ConvShape, turned: bool, tap: usize) -> usize {
    if turned && shape.stride == Stride::Keep {
        shape.taps() - 1 - tap
    } else {
        tap
    }
}

fn index(shape: ConvShape, view: WeightView, input: usize, output: usize, tap: usize) -> usize {
    let (coarse, fine) = if shape.is_transposed() {
        (input, output)
    } else {
        (output, input)
    };
    view.offset + coarse * view.row + fine * shape.taps() + tap
}

/// One layer of a network: shared by all threads, written once per optimiser step.
#[derive(Clone, Debug)]
pub struct ConvLayer<T: Real> {
    pub(super) level: SimdLevel,
    kind: LayerKind,
    pub(super) shape: ConvShape,
    /// Where the kernel does not depend on time.
    constant: Option<(WeightView, Operators<T>)>,
}

impl<T: Real> ConvLayer<T> {
    pub(super) fn zeros(level: SimdLevel, kind: LayerKind, shape: ConvShape) -> Self {
        let constant = kind.convolution_rule::<T>().constant_weight(shape);
        Self {
            level,
            kind,
            shape,
            constant: constant.map(|view| (view, Operators::zeros(level, shape))),
        }
    }

    pub(super) fn rule(&self) -> &'static dyn ConvRule<T> {
        self.kind.convolution_rule()
    }

    /// Packs the kernel among the layer's `parameters`, where it does not depend on time.
    pub(super) fn pack_weights(&mut self, parameters: &[T]) {
        if let Some((view, operators)) = &mut self.constant {
            operators.fill_forward(parameters, *view);
            operators.fill_backward(parameters, *view);
        }
    }

    /// The numbers of the buffer for patches or tiles that convolution and adjoint need.
    pub(super) fn buffer_numbers(&self) -> usize {
        let ConvShape { inputs, outputs, .. } = self.shape;
        let numbers = |source, target, forward| {
            method(self.shape, source, target, forward).buffer_numbers::<T>(self.shape.grid(), source, target)
        };
        numbers(inputs, outputs, true).max(numbers(outputs, inputs, false))
    }

    /// Writes the kernel `[coarse, fine, k, k]` of a moment.
    fn at<'a>(&self, moment: Moment<'_, T>, weight: &'a mut [T]) -> (&'a [T], WeightView) {
        let weight = &mut weight[..self.shape.weights()];
        self.rule().weight(self.shape, moment.parameters, moment.t, weight);
        let (_, fine) = self.shape.coarse_and_fine();
        let row = fine * self.shape.taps();
        (weight, WeightView { offset: 0, row })
    }
}

/// The effective coefficients of one layer at one time: part of a workspace.
#[derive(Clone, Debug)]
pub struct EffectiveLayer<T: Real> {
    /// Where the kernel depends on time.
    operators: Option<Operators<T>>,
    /// The bias of every pixel, `[H', W', outputs]`.
    pub(super) map: AlignedBuffer<T>,
}

impl<T: Real> EffectiveLayer<T> {
    pub(super) fn new(layer: &ConvLayer<T>) -> Self {
        let (level, shape) = (layer.level, layer.shape);
        Self {
            operators: layer.constant.is_none().then(|| Operators::zeros(level, shape)),
            map: AlignedBuffer::zeros(shape.output_len()),
        }
    }

    /// Makes the map of biases that of a moment. `scratch` holds a bias and the planes' kernels.
    pub(super) fn prepare_map(
        &mut self,
        layer: &ConvLayer<T>,
        moment: Moment<'_, T>,
        (bias, planes): (&mut [T], &mut [T]),
    ) {
        let (shape, rule) = (layer.shape, layer.rule());
        let bias = &mut bias[..shape.outputs];
        rule.bias(shape, moment.parameters, moment.t, bias);
        for pixel in self.map.chunks_exact_mut(shape.outputs) {
            pixel.copy_from_slice(bias);
        }
        if let Some(kernels) = rule.planes(shape) {
            kernels.add_to(moment.parameters, moment.t, &mut self.map, planes);
        }
    }

    /// The convolution at a moment; `weight` is scratch for one kernel.
    pub(super) fn forward<'a>(
        &'a mut self,
        layer: &'a ConvLayer<T>,
        moment: Moment<'_, T>,
        weight: &mut [T],
    ) -> &'a ImageOperator<T> {
        match (&layer.constant, &mut self.operators) {
            (None, Some(operators)) => {
                let (weight, view) = layer.at(moment, weight);
                operators.fill_forward(weight, view);
                &operators.forward
            }
            (Some((_, operators)), _) => &operators.forward,
            (None, None) => unreachable!("a kernel that depends on time has a place in the workspace"),
        }
    }

    /// The adjoint at a moment; `weight` is scratch for one kernel.
    pub(super) fn backward<'a>(
        &'a mut self,
        layer: &'a ConvLayer<T>,
        moment: Moment<'_, T>,
        weight: &mut [T],
    ) -> &'a ImageOperator<T> {
        match (&layer.constant, &mut self.operators) {
            (None, Some(operators)) => {
                let (weight, view) = layer.at(moment, weight);
                operators.fill_backward(weight, view);
                &operators.backward
            }
            (Some((_, operators)), _) => &operators.backward,
            (None, None) => unreachable!("a kernel that depends on time has a place in the workspace"),
        }
    }
}
