//! Vector fields: a network's value, its Jacobian-vector products and its vector-Jacobian products.

use crate::dual::Dual;
use crate::error::{NnError, Result};
use crate::fused::FusedField;
use crate::parameter::Parameter;
use candle_core::{DType, Device, Tensor, Var};

/// A vector field `f(z, t; θ)` on batches `[B, …]`.
///
/// A network implements [`VectorField::dual`] once, in tensor operations that candle differentiates correctly, and gets
/// everything else from it: values, products `J v` with the Jacobian `J = ∂f/∂z` by forward mode, and the reverse mode
/// of values and products together (forward-over-reverse, so no second-order reverse mode is ever needed).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, VectorField};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let config = MlpConfig {
///     dimension: 2,
///     hidden: vec![16, 16],
///     layer: LayerKind::ConcatSquash,
///     activation: ActivationKind::Tanh,
/// };
/// let field = Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
/// let z = Tensor::new(&[[0.3, -1.2], [0.5, 0.7]], &Device::Cpu)?;
/// let probes = Tensor::new(&[[[1.0, -1.0], [-1.0, -1.0]]], &Device::Cpu)?; // [K, B, D]
/// let (value, products) = field.jvp(0.25, &z, &probes)?;
/// assert_eq!((value.dims(), products.dims()), (&[2, 2][..], &[1, 2, 2][..]));
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
pub trait VectorField: std::fmt::Debug + Send + Sync {
    /// The parameters θ, in a fixed order.
    fn parameters(&self) -> &[Parameter];

    /// The floating-point type of states and parameters.
    fn dtype(&self) -> DType;

    /// The device of states and parameters.
    fn device(&self) -> &Device;

    /// The shape of one state, without the batch axis: `[D]` or `[C, H, W]`.
    fn state_shape(&self) -> &[usize];

    /// How many of the last columns of states `[B, D]` are a condition: they are inputs of the network, and the field is
    /// zero there, so that a solve leaves them as they are.
    fn condition_width(&self) -> usize {
        0
    }

    /// The network on values and tangents, as differentiable tensor operations, at time `t` `[1]`, or `[B, 1]` with a
    /// time for each row.
    ///
    /// # Errors
    /// When a tensor operation fails; callers check shapes and types beforehand.
    fn dual(&self, t: &Tensor, z: &Dual) -> Result<Dual>;

    /// The field with its present weights for the fused CPU kernels, minus its state if it is `residual`; none where
    /// there is no kernel for the network, its device or its number type.
    ///
    /// # Errors
    /// When the weights cannot be read.
    fn fused(&self, residual: bool) -> Result<Option<FusedField>> {
        let _ = residual;
        Ok(None)
    }

    /// `f(z, t)` for `z` `[B, …]`; the result has no gradient.
    ///
    /// # Errors
    /// [`NnError::InputShape`] or [`NnError::InputType`] when `z` does not fit the field.
    fn value(&self, t: f64, z: &Tensor) -> Result<Tensor> {
        check_state(self, z)?;
        let (value, _) = self.dual(&time(self, t)?, &Dual::constant(z.detach()))?.into_parts()?;
        Ok(value.detach())
    }

    /// `f(z, t)` `[B, …]` and the products `J v` `[K, B, …]` for tangents `v` `[K, B, …]`; no gradients.
    ///
    /// # Errors
    /// [`NnError::InputShape`] or [`NnError::InputType`] when an input does not fit the field.
    fn jvp(&self, t: f64, z: &Tensor, tangents: &Tensor) -> Result<(Tensor, Tensor)> {
        check_state(self, z)?;
        let dual = Dual::new(z.detach(), &tangents.detach())?;
        match self.dual(&time(self, t)?, &dual)?.into_parts()? {
            (value, Some(products)) => Ok((value.detach(), products.detach())),
            (_, None) => Err(NnError::InvalidArchitecture {
                reason: "the network dropped the tangents: it must apply every operation to the whole dual".to_string(),
            }),
        }
    }

    /// Value and products as [`VectorField::jvp`], kept together with what their reverse mode needs.
    ///
    /// # Errors
    /// As [`VectorField::jvp`].
    fn linearize(&self, t: f64, z: &Tensor, tangents: Option<&Tensor>) -> Result<Linearization> {
        check_state(self, z)?;
        let state = Var::from_tensor(&z.detach())?;
        let time = Var::from_tensor(&time(self, t)?)?;
        let dual = match tangents {
            Some(tangents) => Dual::new(state.as_tensor().clone(), &tangents.detach())?,
            None => Dual::constant(state.as_tensor().clone()),
        };
        let (value, products) = self.dual(&time, &dual)?.into_parts()?;
        Ok(Linearization {
            value,
            products,
            state,
            time,
        })
    }

    /// The reverse mode of value and products in one call; see [`Linearization::pullback`].
    ///
    /// # Errors
    /// As [`VectorField::jvp`].
    fn vjp(
        &self,
        t: f64,
        z: &Tensor,
        tangents: Option<&Tensor>,
        value_cotangent: &Tensor,
        product_cotangent: Option<&Tensor>,
    ) -> Result<Cotangents> {
        self.linearize(t, z, tangents)?
            .pullback(self.parameters(), value_cotangent, product_cotangent)
    }
}

/// A vector field evaluated at one point, ready for its reverse mode.
#[derive(Debug)]
pub struct Linearization {
    value: Tensor,
    products: Option<Tensor>,
    state: Var,
    time: Var,
}

/// Gradients of `L = Σ a·f + Σ b·(J v)` for given cotangents `a` and `b`.
#[derive(Debug, Clone)]
pub struct Cotangents {
    /// `∂L/∂z`, `[B, …]`.
    pub state: Tensor,
    /// `∂L/∂t`.
    pub time: f64,
    /// `∂L/∂θ` in the order of [`VectorField::parameters`].
    pub parameters: Vec<Tensor>,
}

impl Linearization {
    /// `f(z, t)`, `[B, …]`, without gradient.
    #[must_use]
    pub fn value(&self) -> Tensor {
        self.value.detach()
    }

    /// `J v`, `[K, B, …]`, without gradient; none when no tangents were given.
    #[must_use]
    pub fn products(&self) -> Option<Tensor> {
        self.products.as_ref().map(Tensor::detach)
    }

    /// Gradients of `Σ a·f + Σ b·(J v)` for cotangents `a` `[B, …]` and `b` `[K, B, …]`.
    ///
    /// # Errors
    /// When a cotangent's shape differs from that of its value.
    pub fn pullback(
        self,
        parameters: &[Parameter],
        value_cotangent: &Tensor,
        product_cotangent: Option<&Tensor>,
    ) -> Result<Cotangents> {
        let mut contraction = (&self.value * value_cotangent.detach())?.sum_all()?;
        if let (Some(products), Some(cotangent)) = (&self.products, product_cotangent) {
            contraction = (contraction + (products * cotangent.detach())?.sum_all()?)?;
        }
        let gradients = contraction.backward()?;
        let gradient = |var: &Var| -> Result<Tensor> {
            Ok(match gradients.get(var) {
                Some(gradient) => gradient.detach(),
                None => var.zeros_like()?.detach(),
            })
        };
        Ok(Cotangents {
            state: gradient(&self.state)?,
            time: gradient(&self.time)?.sum_all()?.to_dtype(DType::F64)?.to_scalar()?,
            parameters: parameters
                .iter()
                .map(|parameter| gradient(&parameter.var))
                .collect::<Result<_>>()?,
        })
    }
}

fn time<F: VectorField + ?Sized>(field: &F, t: f64) -> Result<Tensor> {
    Ok(Tensor::new(&[t], field.device())?.to_dtype(field.dtype())?)
}

/// Fails unless `z` is a batch of the field's states.
fn check_state<F: VectorField + ?Sized>(field: &F, z: &Tensor) -> Result<()> {
    if z.dtype() != field.dtype() {
        return Err(NnError::InputType {
            what: "state",
            given: z.dtype(),
            expected: field.dtype(),
        });
    }
    if z.rank() != field.state_shape().len() + 1 || &z.dims()[1..] != field.state_shape() {
        return Err(NnError::InputShape {
            what: "state",
            given: z.shape().clone(),
            expected: format!("a batch axis followed by {:?}", field.state_shape()),
        });
    }
    Ok(())
}
