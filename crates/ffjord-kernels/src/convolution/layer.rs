//! The linear part of a convolutional layer: convolutions of images with its kernel, and one bias for each pixel.

use super::planes::Planes;
use super::rule::ConvGradient;
use super::weight_gradient::WeightGradient;
use super::weights::{ConvLayer, EffectiveLayer};
use crate::Real;
use crate::kernel::{Stack, StackMut};
use crate::layered::{Linear, Moment};
use crate::linalg::{AlignedBuffer, Rows, add_column_sums, add_scaled};

/// Buffers that every layer uses anew.
#[derive(Clone, Debug)]
pub struct ConvScratch<T: Real> {
    /// Patches of a few image lines, or terms of a few tiles.
    patches: AlignedBuffer<T>,
    /// One kernel, or the gradient of one.
    weight: AlignedBuffer<T>,
    /// The gradient of a kernel as it is summed.
    sum: AlignedBuffer<T>,
    /// The gradient of a map of biases.
    map: AlignedBuffer<T>,
    /// A bias, or the gradient of one.
    bias: AlignedBuffer<T>,
    /// The kernels of the time and position channels.
    planes: AlignedBuffer<T>,
}

impl<T: Real> Linear<T> for ConvLayer<T> {
    type Effective = EffectiveLayer<T>;
    type Scratch = ConvScratch<T>;

    fn input_len(&self) -> usize {
        self.shape.input_len()
    }

    fn output_len(&self) -> usize {
        self.shape.output_len()
    }

    fn flops(&self) -> usize {
        let (height, width) = self.shape.grid().coarse;
        2 * self.shape.weights() * height * width
    }

    fn pack(&mut self, parameters: &[T]) {
        self.pack_weights(parameters);
    }

    fn effective(&self) -> EffectiveLayer<T> {
        EffectiveLayer::new(self)
    }

    fn scratch(layers: &[Self]) -> ConvScratch<T> {
        let buffer = |numbers: &dyn Fn(&Self) -> usize| {
            let most = layers.iter().map(numbers).max().unwrap_or(0);
            AlignedBuffer::zeros(most)
        };
        let patches = |layer: &Self| {
            let gradient = WeightGradient::new(layer.shape).buffer_numbers::<T>();
            layer.buffer_numbers().max(gradient)
        };
        let planes = |layer: &Self| layer.rule().planes(layer.shape).map_or(0, Planes::kernel_numbers);
        ConvScratch {
            patches: buffer(&patches),
            weight: buffer(&|layer| layer.shape.weights()),
            sum: buffer(&|layer| WeightGradient::new(layer.shape).sum_numbers()),
            map: buffer(&|layer| layer.shape.output_len()),
            bias: buffer(&|layer| layer.shape.outputs),
            planes: buffer(&planes),
        }
    }

    fn apply(
        &self,
        moment: Moment<'_, T>,
        effective: &mut EffectiveLayer<T>,
        scratch: &mut ConvScratch<T>,
        x: Stack<'_, T>,
        y: StackMut<'_, T>,
    ) {
        effective.prepare_map(self, moment, (&mut scratch.bias, &mut scratch.planes));
        let operator = effective.forward(self, moment, &mut scratch.weight);
        operator.apply(self.level, x.value, y.value, &mut scratch.patches);
        operator.apply(self.level, x.tangents, y.tangents, &mut scratch.patches);
        for image in y.value.chunks_exact_mut(self.output_len()) {
            add_scaled(image, T::ONE, &effective.map);
        }
    }

    fn apply_adjoint(
        &self,
        moment: Moment<'_, T>,
        effective: &mut EffectiveLayer<T>,
        scratch: &mut ConvScratch<T>,
        y: Stack<'_, T>,
        x: StackMut<'_, T>,
    ) {
        let adjoint = effective.backward(self, moment, &mut scratch.weight);
        adjoint.apply(self.level, y.value, x.value, &mut scratch.patches);
        adjoint.apply(self.level, y.tangents, x.tangents, &mut scratch.patches);
    }

    fn gradient(
        &self,
        moment: Moment<'_, T>,
        _effective: &mut EffectiveLayer<T>,
        scratch: &mut ConvScratch<T>,
        x: Stack<'_, T>,
        y: Stack<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let (shape, rule) = (self.shape, self.rule());
        let weight_gradient = WeightGradient::new(shape);
        let sum = &mut scratch.sum[..weight_gradient.sum_numbers()];
        sum.fill(T::ZERO);
        for (x, y) in [(x.value, y.value), (x.tangents, y.tangents)] {
            weight_gradient.accumulate(self.level, x, y, &mut scratch.patches, sum);
        }
        let weight = &mut scratch.weight[..shape.weights()];
        weight_gradient.unpack(self.level, sum, weight);

        let map = &mut scratch.map[..shape.output_len()];
        map.fill(T::ZERO);
        for image in y.value.chunks_exact(shape.output_len()) {
            add_scaled(map, T::ONE, image);
        }
        let bias = &mut scratch.bias[..shape.outputs];
        bias.fill(T::ZERO);
        let pixels = Rows {
            data: &*map,
            stride: shape.outputs,
        };
        add_column_sums(self.level, pixels, bias);

        let Moment { parameters, t } = moment;
        let of_planes = rule.planes(shape).map_or(T::ZERO, |planes| {
            planes.pull_back(parameters, t, map, &mut scratch.planes, gradient)
        });
        of_planes + rule.pull_back(shape, parameters, t, ConvGradient { weight, bias }, gradient)
    }
}
