//! (W x + b) σ(g t + c), with or without a shift h t.

use super::{Coefficients, EffectiveGradient, Rule, WeightForm, add_scaled, dot};
use crate::Real;
use crate::mlp::architecture::LayerShape;

/// The gate folds into weights and bias, W_eff = diag(s) W and b_eff = s b + h t with s = σ(g t + c), so that it costs
/// nothing per row, forward or in reverse.
pub(super) struct Gated {
    /// Whether there is a shift h t.
    pub(super) shift: bool,
}

/// The parameters of a gated layer, each `[outputs]` but for the weight.
struct Parts<'a, T> {
    weight: &'a [T],
    bias: &'a [T],
    shift: Option<&'a [T]>,
    gate_slope: &'a [T],
    gate_bias: &'a [T],
}

impl Gated {
    fn split<'a, T>(&self, shape: LayerShape, parameters: &'a [T]) -> Parts<'a, T> {
        let (weight, rest) = parameters.split_at(shape.weights());
        let (bias, rest) = rest.split_at(shape.outputs);
        let (shift, rest) = rest.split_at(if self.shift { shape.outputs } else { 0 });
        let (gate_slope, gate_bias) = rest.split_at(shape.outputs);
        Parts {
            weight,
            bias,
            shift: self.shift.then_some(shift),
            gate_slope,
            gate_bias,
        }
    }
}

fn gate<T: Real>(slope: T, bias: T, t: T) -> T {
    T::ONE / (T::ONE + (-(slope * t + bias)).libm_exp())
}

impl<T: Real> Rule<T> for Gated {
    fn parameters(&self, shape: LayerShape) -> Vec<(&'static str, Vec<usize>)> {
        let mut specs = vec![
            ("_layer.weight", vec![shape.outputs, shape.inputs]),
            ("_layer.bias", vec![shape.outputs]),
        ];
        let column = vec![shape.outputs, 1];
        if self.shift {
            specs.push(("_hyper_bias.weight", column.clone()));
            specs.push(("_hyper_gate.weight", column));
            specs.push(("_hyper_gate.bias", vec![shape.outputs]));
        } else {
            specs.push(("_hyper.weight", column));
            specs.push(("_hyper.bias", vec![shape.outputs]));
        }
        specs
    }

    fn weight_form(&self, _shape: LayerShape) -> WeightForm {
        WeightForm::Gated
    }

    fn evaluate(&self, shape: LayerShape, parameters: &[T], t: T, coefficients: Coefficients<'_, T>) {
        let parts = self.split(shape, parameters);
        for (j, (s, b)) in coefficients
            .gate
            .iter_mut()
            .zip(coefficients.bias.iter_mut())
            .enumerate()
        {
            *s = gate(parts.gate_slope[j], parts.gate_bias[j], t);
            *b = parts.bias[j] * *s;
        }
        if let Some(shift) = parts.shift {
            add_scaled(coefficients.bias, t, shift);
        }
    }

    fn pull_back(
        &self,
        shape: LayerShape,
        parameters: &[T],
        t: T,
        effective: EffectiveGradient<'_, T>,
        gradient: &mut [T],
    ) -> T {
        let (inputs, outputs) = (shape.inputs, shape.outputs);
        let parts = self.split(shape, parameters);
        let (weight, rest) = gradient.split_at_mut(shape.weights());
        let (bias, rest) = rest.split_at_mut(outputs);
        let (shift, rest) = rest.split_at_mut(if self.shift { outputs } else { 0 });
        let (gate_slope, gate_bias) = rest.split_at_mut(outputs);

        let mut time = T::ZERO;
        for j in 0..outputs {
            let s = gate(parts.gate_slope[j], parts.gate_bias[j], t);
            let row = j * inputs..(j + 1) * inputs;
            let of_gate =
                dot(&effective.weight[row.clone()], &parts.weight[row.clone()]) + effective.bias[j] * parts.bias[j];
            let of_argument = of_gate * s * (T::ONE - s);
            add_scaled(&mut weight[row.clone()], s, &effective.weight[row]);
            bias[j] += s * effective.bias[j];
            gate_slope[j] += t * of_argument;
            gate_bias[j] += of_argument;
            time += parts.gate_slope[j] * of_argument;
        }
        if let Some(slope) = parts.shift {
            add_scaled(shift, t, effective.bias);
            time += dot(slope, effective.bias);
        }
        time
    }
}
