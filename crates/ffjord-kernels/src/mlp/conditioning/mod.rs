//! How a layer's weights and bias depend on time.
//!
//! At a fixed time every conditioned layer is `W_eff x + b_eff`. A [`Rule`] says what these are and takes their
//! gradients back to the layer's own parameters and to time; all else is shared by the conditionings.

mod blend;
mod concat;
mod gated;
mod hyper;
mod ignore;

use super::architecture::LayerShape;
use crate::Real;
use crate::simd::SimdLevel;

/// How a linear layer depends on time t.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conditioning {
    /// W x + b.
    Ignore,
    /// W [t, x] + b: time is the first input.
    Concat,
    /// W x + b + h t.
    ConcatV2,
    /// (W x + b) σ(g t + c).
    Squash,
    /// (W x + b) σ(g t + c) + h t.
    ConcatSquash,
    /// y₀ + (y₁ − y₀) t with yᵢ = Wᵢ x + bᵢ.
    Blend,
    /// b and W are the outputs of a small network of t: A₂ tanh(A₁ t + a₁) + a₂, b first.
    Hyper,
}

impl Conditioning {
    /// All conditionings.
    pub const ALL: [Self; 7] = [
        Self::Ignore,
        Self::Concat,
        Self::ConcatV2,
        Self::Squash,
        Self::ConcatSquash,
        Self::Blend,
        Self::Hyper,
    ];

    pub(crate) fn rule<T: Real>(self) -> &'static dyn Rule<T> {
        match self {
            Self::Ignore => &ignore::Ignore,
            Self::Concat => &concat::Concat,
            Self::ConcatV2 => &concat::ConcatV2,
            Self::Squash => &gated::Gated { shift: false },
            Self::ConcatSquash => &gated::Gated { shift: true },
            Self::Blend => &blend::Blend,
            Self::Hyper => &hyper::Hyper,
        }
    }
}

/// Where the effective weights of a layer come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WeightForm {
    /// `parameters[offset..]`, rows `stride` apart, whatever the time.
    Constant { offset: usize, stride: usize },
    /// The leading weights, each output's row times a gate.
    Gated,
    /// W₀ + t (W₁ − W₀), of two weights that begin at 0 and at `second`.
    Blended { second: usize },
    /// Written row-major by [`Rule::generate`].
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
pub(crate) struct EffectiveGradient<'a, T> {
    /// Of W_eff `[outputs, inputs]`; empty for [`WeightForm::Constant`], whose gradient is accumulated in place.
    pub(crate) weight: &'a [T],
    /// Of b_eff `[outputs]`.
    pub(crate) bias: &'a [T],
    /// The gate `[outputs]` at that time, as [`Rule::evaluate`] wrote it; not a gradient.
    pub(crate) gate: &'a [T],
}

/// The time dependence of one layer. `parameters` and `gradient` are the layer's part of the flat buffers.
pub(crate) trait Rule<T: Real>: Sync {
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
        effective: EffectiveGradient<'_, T>,
        gradient: &mut [T],
    ) -> T;
}

/// to[i] += factor · from[i].
pub(crate) fn add_scaled<T: Real>(to: &mut [T], factor: T, from: &[T]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

/// Σ a[i] b[i].
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    a.iter().zip(b).fold(T::ZERO, |sum, (&a, &b)| sum + a * b)
}
