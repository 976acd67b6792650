//! The residual option: `f(z, t) − z`.

use crate::dual::Dual;
use crate::error::Result;
use crate::field::VectorField;
use crate::kernel::FieldKernel;
use crate::parameter::Parameter;
use candle_core::{DType, Device, Tensor};

/// A vector field minus its state, `g(z, t) = f(z, t) − z`: the trace of its Jacobian is that of f minus D.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{Mlp, MlpConfig, Residual, VectorField, zero_last_layer};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let network = Mlp::new(&MlpConfig::new(2).hidden([8]), &mut rng, DType::F64, &Device::Cpu)?;
/// zero_last_layer(network.parameters())?;
/// let field = Residual::new(network); // f(z, t) − z, and f does not depend on z here.
/// let z = Tensor::new(&[[1.0, -2.0], [0.0, 0.0]], &Device::Cpu)?;
/// let value = field.value(0.5, &z, None)?.to_vec2::<f64>()?;
/// assert!((value[0][0] - value[1][0] + 1.0).abs() < 1e-12 && (value[0][1] - value[1][1] - 2.0).abs() < 1e-12);
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
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

    fn given_len(&self) -> usize {
        self.inner.given_len()
    }

    fn dual(&self, t: &Tensor, z: &Dual, given: Option<&Tensor>) -> Result<Dual> {
        self.inner.dual(t, z, given)?.sub(z)
    }

    fn total_derivative(&self, t: &Tensor, z: &Tensor, direction: &Tensor, given: Option<&Tensor>) -> Result<Tensor> {
        Ok((self.inner.total_derivative(t, z, direction, given)? - direction)?)
    }

    fn bottleneck_shape(&self) -> Option<&[usize]> {
        self.inner.bottleneck_shape()
    }

    /// The products of the inner field minus D/H times the probes of width H: their forms then miss D, exactly for probes
    /// of ±1 and for unit vectors, in the mean for others.
    fn through_bottleneck(
        &self,
        t: &Tensor,
        z: &Tensor,
        given: Option<&Tensor>,
        probes: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let (value, products) = self.inner.through_bottleneck(t, z, given, probes)?;
        let numbers = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let width = self.inner.bottleneck_shape().map_or(1.0, numbers);
        let share = numbers(self.inner.state_shape()) / width;
        Ok(((value - z)?, (products - (probes * share)?)?))
    }

    fn kernel(&self) -> Result<Option<FieldKernel>> {
        Ok(self.inner.kernel()?.map(FieldKernel::minus_state))
    }
}
