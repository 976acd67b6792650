//! The linear part of a dense layer: products of rows with its weights.

use super::rule::DenseGradient;
use super::weights::{DenseLayer, EffectiveLayer};
use crate::Real;
use crate::kernel::{Stack, StackMut};
use crate::layered::{Linear, Moment};
use crate::linalg::{AlignedBuffer, Rows, RowsMut, accumulate_outer, add_column_sums, multiply};

/// Where a weight has fewer columns than this, its gradient is summed transposed, in longer rows.
const FEW_COLUMNS: usize = 16;

/// Buffers that every layer uses anew.
#[derive(Clone, Debug)]
pub struct DenseScratch<T: Real> {
    /// One dense weight: a generated weight, or a gradient of an effective one.
    pub(super) weight: AlignedBuffer<T>,
    /// The gradient of an effective weight with few columns, transposed.
    transposed: AlignedBuffer<T>,
    /// The gradient of an effective bias.
    pub(super) bias: AlignedBuffer<T>,
}

impl<T: Real> Linear<T> for DenseLayer<T> {
    type Effective = EffectiveLayer<T>;
    type Scratch = DenseScratch<T>;

    fn input_len(&self) -> usize {
        self.input_stride
    }

    fn output_len(&self) -> usize {
        self.output_stride
    }

    fn flops(&self) -> usize {
        2 * self.shape.weights()
    }

    fn pack(&mut self, parameters: &[T]) {
        self.pack_weights(parameters);
    }

    fn effective(&self) -> EffectiveLayer<T> {
        EffectiveLayer::new(self)
    }

    fn scratch(layers: &[Self]) -> DenseScratch<T> {
        let largest = layers.iter().map(|layer| layer.shape.weights()).max().unwrap_or(0);
        let widest = layers.iter().map(|layer| layer.output_stride).max().unwrap_or(0);
        DenseScratch {
            weight: AlignedBuffer::zeros(largest),
            transposed: AlignedBuffer::zeros(largest),
            bias: AlignedBuffer::zeros(widest),
        }
    }

    fn apply(
        &self,
        moment: Moment<'_, T>,
        effective: &mut EffectiveLayer<T>,
        scratch: &mut DenseScratch<T>,
        x: Stack<'_, T>,
        y: StackMut<'_, T>,
    ) {
        effective.prepare_forward(self, moment, &mut scratch.weight);
        let weight = effective.forward(self);
        let product = |x, bias: &[T], y| {
            let (x, y) = (rows(x, self.input_stride), rows_mut(y, self.output_stride));
            multiply(self.level, x, weight, bias, y);
        };
        product(x.value, &effective.bias, y.value);
        product(x.tangents, &[], y.tangents);
    }

    fn apply_adjoint(
        &self,
        moment: Moment<'_, T>,
        effective: &mut EffectiveLayer<T>,
        scratch: &mut DenseScratch<T>,
        y: Stack<'_, T>,
        x: StackMut<'_, T>,
    ) {
        effective.prepare_backward(self, moment, &mut scratch.weight);
        let weight = effective.backward(self);
        for (y, x) in [(y.value, x.value), (y.tangents, x.tangents)] {
            let (y, x) = (rows(y, self.output_stride), rows_mut(x, self.input_stride));
            multiply(self.level, y, weight, &[], x);
        }
    }

    fn gradient(
        &self,
        moment: Moment<'_, T>,
        effective: &mut EffectiveLayer<T>,
        scratch: &mut DenseScratch<T>,
        x: Stack<'_, T>,
        y: Stack<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let (shape, in_place) = (self.shape, self.constant());
        let bias = &mut scratch.bias[..self.output_stride];
        bias.fill(T::ZERO);
        add_column_sums(self.level, rows(y.value, self.output_stride), bias);
        let weight = &mut scratch.weight[..shape.weights()];
        match in_place {
            Some((offset, stride)) => {
                self.add_weight_gradient(x, y, &mut scratch.transposed, &mut gradient[offset..], stride);
            }
            None => {
                weight.fill(T::ZERO);
                self.add_weight_gradient(x, y, &mut scratch.transposed, weight, shape.inputs);
            }
        }
        let effective = DenseGradient {
            weight: if in_place.is_some() { &[] } else { weight },
            bias: &bias[..shape.outputs],
            gate: &effective.gate,
        };
        let Moment { parameters, t } = moment;
        self.rule()
            .pull_back(self.level, shape, parameters, t, effective, gradient)
    }
}

impl<T: Real> DenseLayer<T> {
    /// Adds Σ ȳᵀ x over values and tangents to `target`, rows `stride` apart.
    fn add_weight_gradient(
        &self,
        x: Stack<'_, T>,
        y: Stack<'_, T>,
        transposed: &mut [T],
        target: &mut [T],
        stride: usize,
    ) {
        let shape = self.shape;
        let pairs = [(y.value, x.value), (y.tangents, x.tangents)]
            .map(|(y, x)| (rows(y, self.output_stride), rows(x, self.input_stride)));
        if shape.inputs < FEW_COLUMNS && shape.outputs > shape.inputs {
            let transposed = &mut transposed[..shape.weights()];
            transposed.fill(T::ZERO);
            for (y, x) in pairs {
                let sums = rows_mut(&mut *transposed, shape.outputs);
                accumulate_outer(self.level, (shape.inputs, shape.outputs), x, y, sums);
            }
            for (row, output) in target.chunks_mut(stride).zip(0..shape.outputs) {
                let column = transposed[output..].iter().step_by(shape.outputs);
                for (to, from) in row[..shape.inputs].iter_mut().zip(column) {
                    *to += *from;
                }
            }
        } else {
            for (y, x) in pairs {
                let sums = rows_mut(&mut *target, stride);
                accumulate_outer(self.level, (shape.outputs, shape.inputs), y, x, sums);
            }
        }
    }
}

fn rows<T>(data: &[T], stride: usize) -> Rows<'_, T> {
    Rows { data, stride }
}

fn rows_mut<T>(data: &mut [T], stride: usize) -> RowsMut<'_, T> {
    RowsMut { data, stride }
}
