//! How a convolution's kernel and bias depend on time.
//!
//! At a fixed time every conditioned convolution is one kernel and one map of biases. A [`ConvRule`] says what these
//! are and takes their gradients back to the layer's own parameters and to time.

mod blend;
mod gated;
mod hyper;
mod plain;
mod planes;

pub(super) use planes::Planes;

use super::architecture::ConvShape;
use crate::Real;

/// How a convolution depends on time t.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConvConditioning {
    /// W x + b.
    Ignore,
    /// W [t, x] + b: time is the first channel.
    Concat,
    /// W x + b + h t.
    ConcatV2,
    /// (W x + b) σ(g t + c).
    Squash,
    /// (W x + b) σ(g t + c) + h t.
    ConcatSquash,
    /// y₀ + (y₁ − y₀) t with yᵢ = Wᵢ x + bᵢ.
    Blend,
    /// W and b are read from A t + a, both from its first entry on: they overlap, as in the original.
    Hyper,
    /// W [x, t, row, column] + b: time and the pixel's position are the last channels.
    ConcatCoord,
}

impl ConvConditioning {
    /// All conditionings.
    pub const ALL: [Self; 8] = [
        Self::Ignore,
        Self::Concat,
        Self::ConcatV2,
        Self::Squash,
        Self::ConcatSquash,
        Self::Blend,
        Self::Hyper,
        Self::ConcatCoord,
    ];

    pub(super) fn rule<T: Real>(self) -> &'static dyn ConvRule<T> {
        match self {
            Self::Ignore => &plain::Ignore,
            Self::Concat => &plain::Concat,
            Self::ConcatV2 => &plain::ConcatV2,
            Self::Squash => &gated::Gated { shift: false },
            Self::ConcatSquash => &gated::Gated { shift: true },
            Self::Blend => &blend::Blend,
            Self::Hyper => &hyper::Hyper,
            Self::ConcatCoord => &plain::ConcatCoord,
        }
    }
}

/// Where the kernel of the state's channels lies among a layer's parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightView {
    /// Its first number.
    pub(super) offset: usize,
    /// Numbers from one coarse channel to the next.
    pub(super) row: usize,
}

/// Gradients with respect to the effective coefficients of one layer.
pub(super) struct EffectiveGradient<'a, T> {
    /// Of the kernel `[coarse, fine, k, k]`.
    pub(super) weight: &'a [T],
    /// Of the bias `[outputs]`.
    pub(super) bias: &'a [T],
}

/// The time dependence of one convolution. `parameters` and `gradient` are the layer's part of the flat buffers.
pub(super) trait ConvRule<T: Real>: Sync {
    /// Names and shapes of the parameters, in order.
    fn parameters(&self, shape: ConvShape) -> Vec<(&'static str, Vec<usize>)>;

    /// Where a kernel that does not depend on time lies.
    fn constant_weight(&self, _shape: ConvShape) -> Option<WeightView> {
        None
    }

    /// Writes the kernel `[coarse, fine, k, k]` at time `t`, where it depends on time.
    fn weight(&self, _shape: ConvShape, _parameters: &[T], _t: T, _weight: &mut [T]) {}

    /// Input channels that are the same for all images.
    fn planes(&self, _shape: ConvShape) -> Option<Planes> {
        None
    }

    /// Writes the bias `[outputs]` at time `t`, without what the planes add to it.
    fn bias(&self, shape: ConvShape, parameters: &[T], t: T, bias: &mut [T]);

    /// Adds to the gradient of the layer's parameters, but the planes' kernels, and returns the gradient of t.
    fn pull_back(
        &self,
        shape: ConvShape,
        parameters: &[T],
        t: T,
        effective: EffectiveGradient<'_, T>,
        gradient: &mut [T],
    ) -> T;
}
