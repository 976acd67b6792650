//! How a dense layer's weights and bias depend on time.
//!
//! At a fixed time every layer is `W_eff x + b_eff`. A [`DenseRule`] says what these are and takes their gradients back to
//! the layer's own parameters and to time; all else is shared by the layer types.

use super::architecture::LayerShape;
use crate::Real;
use crate::simd::SimdLevel;

/// Where the effective weights of a layer come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WeightForm {
    /// `parameters[offset..]`, rows `stride` apart, whatever the time.
    Constant { offset: usize, stride: usize },
    /// The leading weights, each output's row times a gate.
    Gated,
    /// W₀ + t (W₁ − W₀), of two weights that begin at 0 and at `second`.
    Blended { second: usize },
    /// Written row-major by [`DenseRule::generate`].
    Generated,
}

/// Effective coefficients of one layer at one time.
pub(crate) struct Coefficients<'a, T> {
    /// b_eff `[outputs]`.
    pub(crate) bias: &'a mut [T],
    /// The gate `[outputs]`; written by [`WeightForm::Gated`] only.
    pub(crate) gate: &'a mut [T],
}

/// Gradients with respect to the effective coefficients of one layer.
pub(crate) struct DenseGradient<'a, T> {
    /// Of W_eff `[outputs, inputs]`; empty for [`WeightForm::Constant`], whose gradient is accumulated in place.
    pub(crate) weight: &'a [T],
    /// Of b_eff `[outputs]`.
    pub(crate) bias: &'a [T],
    /// The gate `[outputs]` at that time, as [`DenseRule::evaluate`] wrote it; not a gradient.
    pub(crate) gate: &'a [T],
}

/// The time dependence of one layer. `parameters` and `gradient` are the layer's part of the flat buffers.
pub(crate) trait DenseRule<T: Real>: Sync {
    /// Names and shapes of the parameters, in order.
    fn parameters(&self, shape: LayerShape) -> Vec<(&'static str, Vec<usize>)>;

    /// Where the effective weights come from.
    fn weight_form(&self, shape: LayerShape) -> WeightForm;

    /// Writes b_eff and the gate at time `t`.
    fn evaluate(&self, level: SimdLevel, shape: LayerShape, parameters: &[T], t: T, coefficients: Coefficients<'_, T>);

    /// Writes W_eff `[outputs, inputs]` at time `t`, for [`WeightForm::Generated`].
    fn generate(&self, _shape: LayerShape, _parameters: &[T], _t: T, _weight: &mut [T]) {}

    /// Adds to the gradient of the layer's parameters and returns the gradient of t.
    fn pull_back(
        &self,
        level: SimdLevel,
        shape: LayerShape,
        parameters: &[T],
        t: T,
        effective: DenseGradient<'_, T>,
        gradient: &mut [T],
    ) -> T;
}
