//! Packed weights: as given, once per optimiser step, and effective, once per evaluation.

use super::architecture::LayerShape;
use super::conditioning::{Coefficients, Rule, WeightForm};
use crate::Real;
use crate::linalg::{AlignedBuffer, PackedMatrix, PanelLayout};
use crate::simd::SimdLevel;

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
pub(super) struct LayerWeights<T: Real> {
    pub(super) shape: LayerShape,
    /// The padded number of outputs: the row stride of what the layer writes.
    pub(super) stride: usize,
    form: WeightForm,
    /// One pair, two to blend, or none to generate.
    given: Vec<Pair<T>>,
}

impl<T: Real> LayerWeights<T> {
    pub(super) fn zeros(level: SimdLevel, shape: LayerShape, rule: &dyn Rule<T>) -> Self {
        let form = rule.weight_form(shape);
        let count = match form {
            WeightForm::Constant { .. } | WeightForm::Gated => 1,
            WeightForm::Blended { .. } => 2,
            WeightForm::Generated => 0,
        };
        let stride = PanelLayout::new::<T>(level, shape.outputs).padded();
        Self {
            shape,
            stride,
            form,
            given: vec![Pair::zeros(level, shape); count],
        }
    }

    /// Packs the weights among the layer's `parameters`.
    pub(super) fn pack(&mut self, parameters: &[T]) {
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

/// The effective coefficients of one layer at one time: part of a workspace.
#[derive(Clone, Debug)]
pub(super) struct EffectiveLayer<T: Real> {
    level: SimdLevel,
    /// `None` where the weight does not depend on time.
    pair: Option<Pair<T>>,
    /// The gate, after either preparation, padded with zeros.
    pub(super) gate: AlignedBuffer<T>,
    /// b_eff, padded with zeros.
    pub(super) bias: AlignedBuffer<T>,
}

impl<T: Real> EffectiveLayer<T> {
    pub(super) fn new(level: SimdLevel, weights: &LayerWeights<T>) -> Self {
        Self {
            level,
            pair: weights.constant().is_none().then(|| Pair::zeros(level, weights.shape)),
            gate: AlignedBuffer::zeros(weights.stride),
            bias: AlignedBuffer::zeros(weights.stride),
        }
    }

    fn evaluate(&mut self, weights: &LayerWeights<T>, rule: &dyn Rule<T>, parameters: &[T], t: T) {
        let outputs = weights.shape.outputs;
        let coefficients = Coefficients {
            bias: &mut self.bias[..outputs],
            gate: &mut self.gate[..outputs],
        };
        rule.evaluate(self.level, weights.shape, parameters, t, coefficients);
    }

    /// Makes bias and forward weight those of time `t`. `scratch` holds at least one dense weight.
    pub(super) fn prepare_forward(
        &mut self,
        weights: &LayerWeights<T>,
        rule: &dyn Rule<T>,
        parameters: &[T],
        t: T,
        scratch: &mut [T],
    ) {
        self.evaluate(weights, rule, parameters, t);
        let Some(pair) = &mut self.pair else { return };
        match weights.given.as_slice() {
            [given] => pair
                .forward
                .assign_columns_scaled(self.level, &given.forward, &self.gate),
            [first, second] => pair.forward.assign_interpolated(&first.forward, &second.forward, t),
            _ => {
                let scratch = &mut scratch[..weights.shape.weights()];
                rule.generate(weights.shape, parameters, t, scratch);
                pair.forward.fill_with(|i, o| scratch[o * weights.shape.inputs + i]);
            }
        }
    }

    /// Makes the backward weight that of time `t`. `scratch` holds at least one dense weight.
    pub(super) fn prepare_backward(
        &mut self,
        weights: &LayerWeights<T>,
        rule: &dyn Rule<T>,
        parameters: &[T],
        t: T,
        scratch: &mut [T],
    ) {
        if self.pair.is_none() {
            return;
        }
        self.evaluate(weights, rule, parameters, t);
        let Some(pair) = &mut self.pair else { return };
        match weights.given.as_slice() {
            [given] => pair
                .backward
                .assign_rows_scaled(self.level, &given.backward, &self.gate),
            [first, second] => pair.backward.assign_interpolated(&first.backward, &second.backward, t),
            _ => {
                let scratch = &mut scratch[..weights.shape.weights()];
                rule.generate(weights.shape, parameters, t, scratch);
                pair.backward.fill_with(|o, i| scratch[o * weights.shape.inputs + i]);
            }
        }
    }

    /// `[inputs, outputs]`, after [`EffectiveLayer::prepare_forward`].
    pub(super) fn forward<'a>(&'a self, weights: &'a LayerWeights<T>) -> &'a PackedMatrix<T> {
        self.pair
            .as_ref()
            .map_or_else(|| &weights.given[0].forward, |pair| &pair.forward)
    }

    /// `[outputs, inputs]`, after [`EffectiveLayer::prepare_backward`].
    pub(super) fn backward<'a>(&'a self, weights: &'a LayerWeights<T>) -> &'a PackedMatrix<T> {
        self.pair
            .as_ref()
            .map_or_else(|| &weights.given[0].backward, |pair| &pair.backward)
    }
}
