//! What the driver asks of an architecture and of the linear part of its layers.

use super::{Layered, OwnLayer, ParameterLayout, RowForm, Workspace};
use crate::kernel::{Stack, StackMut, TraceMut};
use crate::mlp::MlpArchitecture;
use crate::simd::SimdLevel;
use crate::{KernelError, Real};
use std::fmt;

/// The shape of a network.
pub trait Architecture: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// The linear part of its layers.
    type Layer<T: Real>: Linear<T>;

    /// Where the parameters lie, and what stands between the layers.
    fn layout(&self) -> &ParameterLayout;

    /// How a row of the first layer's input lies.
    fn input_form(&self) -> RowForm;

    /// How a row of the last layer's output lies.
    fn output_form(&self) -> RowForm;

    /// How a row behind layer `layer` lies, but for padding.
    fn hidden_form(&self, layer: usize) -> RowForm;

    /// What every row has of layer `layer` for itself; nothing unless the architecture says so.
    fn own(&self, layer: usize) -> Option<OwnLayer> {
        let _ = layer;
        None
    }

    /// The numbers that every row has for itself in all layers.
    fn own_len(&self) -> usize {
        0
    }

    /// The layers, with all parameters zero.
    fn layers<T: Real>(&self, level: SimdLevel) -> Vec<Self::Layer<T>>;

    /// Whether [`exact_trace`](Self::exact_trace) applies.
    fn has_exact_trace(&self) -> bool {
        false
    }

    /// The same shape as that of a dense network whose rows have nothing for themselves; none for others.
    fn as_dense(&self) -> Option<&MlpArchitecture> {
        None
    }

    /// See [`Kernel::exact_trace`](crate::Kernel::exact_trace).
    ///
    /// # Errors
    /// As there.
    fn exact_trace<T: Real>(
        _network: &Layered<Self, T>,
        _t: f64,
        (_z, _given): (&[T], &[T]),
        _output: TraceMut<'_, T>,
        _workspace: &mut Workspace<Self, T>,
    ) -> Result<(), KernelError> {
        Err(KernelError::NoExactTrace)
    }
}

/// The parameters of one layer, and the time at which it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a, T> {
    /// The layer's part of the flat parameters.
    pub parameters: &'a [T],
    /// The time.
    pub t: T,
}

/// The linear part of a layer, y = A(t) x + b(t), with its packed weights: shared by all threads.
///
/// Rows are `input_len` numbers to read and `output_len` to write; values come with the bias, tangents without.
pub trait Linear<T: Real>: Clone + fmt::Debug + Send + Sync + 'static {
    /// The coefficients of one layer at one time: part of a workspace.
    type Effective: Clone + fmt::Debug + Send + 'static;

    /// Small buffers that every layer uses anew.
    type Scratch: Clone + fmt::Debug + Send + 'static;

    /// Numbers of a row of x, padding included.
    fn input_len(&self) -> usize;

    /// Numbers of a row of y, padding included.
    fn output_len(&self) -> usize;

    /// Multiplications and additions of one row.
    fn flops(&self) -> usize;

    /// Packs the weights among the layer's `parameters`.
    fn pack(&mut self, parameters: &[T]);

    /// Room for the coefficients at one time.
    fn effective(&self) -> Self::Effective;

    /// Scratch that is large enough for all `layers`.
    fn scratch(layers: &[Self]) -> Self::Scratch;

    /// y = A x + b of values, y = A x of tangents.
    fn apply(
        &self,
        moment: Moment<'_, T>,
        effective: &mut Self::Effective,
        scratch: &mut Self::Scratch,
        x: Stack<'_, T>,
        y: StackMut<'_, T>,
    );

    /// x̄ = Aᵀ ȳ of values and tangents.
    fn apply_adjoint(
        &self,
        moment: Moment<'_, T>,
        effective: &mut Self::Effective,
        scratch: &mut Self::Scratch,
        y: Stack<'_, T>,
        x: StackMut<'_, T>,
    );

    /// Adds to the `gradient` of the layer's parameters what the inputs `x` and the outputs' cotangents `y` give, and
    /// returns the gradient of t; comes after [`apply_adjoint`](Self::apply_adjoint) at that moment.
    fn gradient(
        &self,
        moment: Moment<'_, T>,
        effective: &mut Self::Effective,
        scratch: &mut Self::Scratch,
        x: Stack<'_, T>,
        y: Stack<'_, T>,
        gradient: &mut [T],
    ) -> T;
}
