//! Packed weights: as given, once per optimiser step, and effective, once per evaluation.

use super::architecture::LayerShape;
use super::rule::{Coefficients, DenseRule, WeightForm};
use crate::layered::Moment;
use crate::linalg::{AlignedBuffer, PackedMatrix, PanelLayout};
use crate::simd::SimdLevel;
use crate::{LayerKind, Real};

/// A weight, packed for `x Wᵀ` and for `ȳ W`.
#[derive(Clone, Debug)]
struct Pair<T: Real> {
    /// `[inputs, outputs]`.
    forward: PackedMatrix<T>,
    /// `[outputs, inputs]`.
    backward: PackedMatrix<T>,
}

impl<T: Real> Pair<T> {
    fn zeros(level: SimdLevel, shape: LayerShape) -> Self {
        let LayerShape { inputs, outputs } = shape;
        Self {
            forward: PackedMatrix::zeros(level, inputs, outputs),
            backward: PackedMatrix::zeros(level, outputs, inputs),
        }
    }

    fn fill(&mut self, weight: &[T], stride: usize) {
        self.forward.fill_with(|i, o| weight[o * stride + i]);
        self.backward.fill_with(|o, i| weight[o * stride + i]);
    }
}

/// The packed parameters of one layer: shared by all threads, written once per optimiser step.
#[derive(Clone, Debug)]
pub struct DenseLayer<T: Real> {
    pub(super) level: SimdLevel,
    kind: LayerKind,
    pub(super) shape: LayerShape,
    /// Numbers from one row to the next of what the layer reads: padded, but for the first layer.
    pub(super) input_stride: usize,
    /// Numbers from one row to the next of what the layer writes: padded, but for the last layer.
    pub(super) output_stride: usize,
    form: WeightForm,
    /// One pair, two to blend, or none to generate.
    given: Vec<Pair<T>>,
}

impl<T: Real> DenseLayer<T> {
    pub(super) fn zeros(level: SimdLevel, kind: LayerKind, shape: LayerShape, (first, last): (bool, bool)) -> Self {
        let form = kind.dense_rule::<T>().weight_form(shape);
        let count = match form {
            WeightForm::Constant { .. } | WeightForm::Gated => 1,
            WeightForm::Blended { .. } => 2,
            WeightForm::Generated => 0,
        };
        let stride = |columns, at_end| if at_end { columns } else { padded::<T>(level, columns) };
        Self {
            level,
            kind,
            shape,
            input_stride: stride(shape.inputs, first),
            output_stride: stride(shape.outputs, last),
            form,
            given: vec![Pair::zeros(level, shape); count],
        }
    }

    pub(super) fn rule(&self) -> &'static dyn DenseRule<T> {
        self.kind.dense_rule()
    }

    /// Packs the weights among the layer's `parameters`.
    pub(super) fn pack_weights(&mut self, parameters: &[T]) {
        let (starts, stride) = match self.form {
            WeightForm::Constant { offset, stride } => ([offset, offset], stride),
            WeightForm::Blended { second } => ([0, second], self.shape.inputs),
            WeightForm::Gated | WeightForm::Generated => ([0, 0], self.shape.inputs),
        };
        for (pair, start) in self.given.iter_mut().zip(starts) {
            pair.fill(&parameters[start..], stride);
        }
    }

    /// Where the weight gradient is accumulated in place: offset and row stride within the layer's parameters.
    pub(super) fn constant(&self) -> Option<(usize, usize)> {
        match self.form {
            WeightForm::Constant { offset, stride } => Some((offset, stride)),
            _ => None,
        }
    }
}

fn padded<T: Real>(level: SimdLevel, columns: usize) -> usize {
    PanelLayout::new::<T>(level, columns).padded()
}

/// The effective coefficients of one layer at one time: part of a workspace.
#[derive(Clone, Debug)]
pub struct EffectiveLayer<T: Real> {
    /// `None` where the weight does not depend on time.
    pair: Option<Pair<T>>,
    /// The gate, after either preparation, padded with zeros.
    pub(super) gate: AlignedBuffer<T>,
    /// b_eff, padded with zeros.
    pub(super) bias: AlignedBuffer<T>,
}

impl<T: Real> EffectiveLayer<T> {
    pub(super) fn new(layer: &DenseLayer<T>) -> Self {
        let (level, shape) = (layer.level, layer.shape);
        let outputs = padded::<T>(level, shape.outputs);
        Self {
            pair: layer.constant().is_none().then(|| Pair::zeros(level, shape)),
            gate: AlignedBuffer::zeros(outputs),
            bias: AlignedBuffer::zeros(outputs),
        }
    }

    fn evaluate(&mut self, layer: &DenseLayer<T>, moment: Moment<'_, T>) {
        let outputs = layer.shape.outputs;
        let coefficients = Coefficients {
            bias: &mut self.bias[..outputs],
            gate: &mut self.gate[..outputs],
        };
        let Moment { parameters, t } = moment;
        layer
            .rule()
            .evaluate(layer.level, layer.shape, parameters, t, coefficients);
    }

    /// Makes bias and forward weight those of a moment. `scratch` holds at least one dense weight.
    pub(super) fn prepare_forward(&mut self, layer: &DenseLayer<T>, moment: Moment<'_, T>, scratch: &mut [T]) {
        self.evaluate(layer, moment);
        let Some(pair) = &mut self.pair else { return };
        let forward = &mut pair.forward;
        match layer.given.as_slice() {
            [given] => forward.assign_columns_scaled(layer.level, &given.forward, &self.gate),
            [first, second] => forward.assign_interpolated(&first.forward, &second.forward, moment.t),
            _ => {
                let weight = generate(layer, moment, scratch);
                forward.fill_with(|i, o| weight[o * layer.shape.inputs + i]);
            }
        }
    }

    /// Makes the backward weight that of a moment. `scratch` holds at least one dense weight.
    pub(super) fn prepare_backward(&mut self, layer: &DenseLayer<T>, moment: Moment<'_, T>, scratch: &mut [T]) {
        if self.pair.is_none() {
            return;
        }
        self.evaluate(layer, moment);
        let Some(pair) = &mut self.pair else { return };
        let backward = &mut pair.backward;
        match layer.given.as_slice() {
            [given] => backward.assign_rows_scaled(layer.level, &given.backward, &self.gate),
            [first, second] => backward.assign_interpolated(&first.backward, &second.backward, moment.t),
            _ => {
                let weight = generate(layer, moment, scratch);
                backward.fill_with(|o, i| weight[o * layer.shape.inputs + i]);
            }
        }
    }

    /// `[inputs, outputs]`, after [`EffectiveLayer::prepare_forward`].
    pub(super) fn forward<'a>(&'a self, layer: &'a DenseLayer<T>) -> &'a PackedMatrix<T> {
        self.pair
            .as_ref()
            .map_or_else(|| &layer.given[0].forward, |pair| &pair.forward)
    }

    /// `[outputs, inputs]`, after [`EffectiveLayer::prepare_backward`].
    pub(super) fn backward<'a>(&'a self, layer: &'a DenseLayer<T>) -> &'a PackedMatrix<T> {
        self.pair
            .as_ref()
            .map_or_else(|| &layer.given[0].backward, |pair| &pair.backward)
    }
}

/// The dense weight of a layer that generates it.
fn generate<'a, T: Real>(layer: &DenseLayer<T>, moment: Moment<'_, T>, scratch: &'a mut [T]) -> &'a [T] {
    let weight = &mut scratch[..layer.shape.weights()];
    layer.rule().generate(layer.shape, moment.parameters, moment.t, weight);
    weight
}
