//! How a convolution's kernel and bias depend on time.
//!
//! At a fixed time every layer is a convolution with one bias for each pixel. A [`ConvRule`] says what these are and takes
//! their gradients back to the layer's own parameters and to time.

use super::architecture::ConvShape;
use super::planes::Planes;
use crate::Real;

/// Where the kernel of the state's channels lies among a layer's parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WeightView {
    /// Its first number.
    pub(crate) offset: usize,
    /// Numbers from one coarse channel to the next.
    pub(crate) row: usize,
}

/// Gradients with respect to the effective coefficients of one layer.
pub(crate) struct ConvGradient<'a, T> {
    /// Of the kernel `[coarse, fine, k, k]`.
    pub(crate) weight: &'a [T],
    /// Of the bias `[outputs]`.
    pub(crate) bias: &'a [T],
}

/// The time dependence of one convolution. `parameters` and `gradient` are the layer's part of the flat buffers.
pub(crate) trait ConvRule<T: Real>: Sync {
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
        effective: ConvGradient<'_, T>,
        gradient: &mut [T],
    ) -> T;
}
