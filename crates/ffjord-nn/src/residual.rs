//! The residual option: `f(z, t) − z`.

use crate::dual::Dual;
use crate::error::Result;
use crate::field::VectorField;
use crate::fused::FusedField;
use crate::parameter::Parameter;
use candle_core::{DType, Device, Tensor};

/// A vector field minus its state, `g(z, t) = f(z, t) − z`: the trace of its Jacobian is that of f minus D.
#[derive(Debug)]
pub struct Residual<F> {
    inner: F,
}

impl<F: VectorField> Residual<F> {
    /// Subtracts the state from `inner`.
    pub fn new(inner: F) -> Self {
        Self { inner }
    }
}

impl<F: VectorField> VectorField for Residual<F> {
    fn parameters(&self) -> &[Parameter] {
        self.inner.parameters()
    }

    fn dtype(&self) -> DType {
        self.inner.dtype()
    }

    fn device(&self) -> &Device {
        self.inner.device()
    }

    fn state_shape(&self) -> &[usize] {
        self.inner.state_shape()
    }

    fn condition_width(&self) -> usize {
        self.inner.condition_width()
    }

    fn dual(&self, t: &Tensor, z: &Dual) -> Result<Dual> {
        // A condition does not move: nothing is subtracted there.
        self.inner.dual(t, z)?.sub(&z.clear_columns(self.condition_width())?)
    }

    fn total_derivative(&self, t: &Tensor, z: &Tensor, direction: &Tensor) -> Result<Tensor> {
        let moving = Dual::constant(direction.clone()).clear_columns(self.condition_width())?;
        Ok((self.inner.total_derivative(t, z, direction)? - moving.value())?)
    }

    fn fused(&self, residual: bool) -> Result<Option<FusedField>> {
        // The kernels subtract the state once.
        if residual { Ok(None) } else { self.inner.fused(true) }
    }
}
