//! Vector fields: a network's value, its Jacobian-vector products and its vector-Jacobian products.

use crate::dual::Dual;
use crate::error::{NnError, Result, dropped_tangents};
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

    /// The derivative of `f(z, t)` along a direction `[B, …]` of the state and at unit speed in time,
    /// `J direction + ∂f/∂t` `[B, …]`, at time `t` `[1]`, as differentiable tensor operations; with the direction f it is
    /// `d²z/dt²`.
    ///
    /// # Errors
    /// [`NnError::Unsupported`] unless the network implements it; otherwise [`NnError::InputShape`] for a time for each
    /// row, and when a tensor operation fails.
    fn total_derivative(&self, t: &Tensor, z: &Tensor, direction: &Tensor) -> Result<Tensor> {
        let _ = (t, z, direction);
        Err(NnError::Unsupported {
            what: "a derivative in time",
            remedy: "implement `VectorField::total_derivative`",
        })
    }

    /// The shape `[H]` or `[C, H, W]` of the narrowest hidden state h of an encoder–decoder network `f = g∘h`; none
    /// where no hidden state has fewer numbers than the state, or where there is a condition.
    fn bottleneck_shape(&self) -> Option<&[usize]> {
        None
    }

    /// `f(z, t)` `[B, …]` and the products `(∂h/∂z)(∂g/∂h) ε` `[K, B, …]` for probes ε `[K, B, …]` of the shape of
    /// [`bottleneck_shape`](Self::bottleneck_shape), as differentiable tensor operations. The trace of
    /// `(∂h/∂z)(∂g/∂h)` is that of the Jacobian `(∂g/∂h)(∂h/∂z)` (FFJORD, eq. 9).
    ///
    /// # Errors
    /// [`NnError::Unsupported`] unless the network has a bottleneck; otherwise when a tensor operation fails.
    fn through_bottleneck(&self, t: &Tensor, z: &Tensor, probes: &Tensor) -> Result<(Tensor, Tensor)> {
        let _ = (t, z, probes);
        Err(NnError::Unsupported {
            what: "a bottleneck",
            remedy: "give it a hidden layer that is narrower than its state, no residual connection and no condition",
        })
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
        let (value, products) = self.dual(&time(self, t)?, &dual)?.into_parts()?;
        Ok((value.detach(), products.ok_or_else(dropped_tangents)?.detach()))
    }

    /// Value and products as [`VectorField::jvp`], kept together with what their reverse mode needs.
    ///
    /// # Errors
    /// As [`VectorField::jvp`].
    fn linearize(&self, t: f64, z: &Tensor, tangents: Option<&Tensor>) -> Result<Linearization> {
        let request = Request {
            tangents: tangents.map_or(Tangents::None, Tangents::State),
            along: &[],
        };
        self.linearize_for(t, z, &request)
    }

    /// The value with everything that is asked for, kept together with what their reverse mode needs.
    ///
    /// # Errors
    /// As [`VectorField::jvp`], and [`NnError::Unsupported`] where the network does not have what is asked for.
    fn linearize_for(&self, t: f64, z: &Tensor, request: &Request<'_>) -> Result<Linearization> {
        check_state(self, z)?;
        let state = Var::from_tensor(&z.detach())?;
        let time = Var::from_tensor(&time(self, t)?)?;
        let dual = |tangents: &Tensor| {
            self.dual(&time, &Dual::new(state.as_tensor().clone(), tangents)?)?
                .into_parts()
        };
        let (value, products) = match request.tangents {
            Tangents::None => (
                self.dual(&time, &Dual::constant(state.as_tensor().clone()))?
                    .into_parts()?
                    .0,
                None,
            ),
            Tangents::State(tangents) => dual(&tangents.detach())?,
            Tangents::Bottleneck(probes) => {
                let (value, products) = self.through_bottleneck(&time, &state, &probes.detach())?;
                (value, Some(products))
            }
        };
        let along = |along: &Along| match along {
            Along::State => Ok(dual(&value.unsqueeze(0)?)?.1.ok_or_else(dropped_tangents)?.squeeze(0)?),
            Along::StateAndTime => self.total_derivative(&time, &state, &value),
        };
        let along = request.along.iter().map(along).collect::<Result<Vec<_>>>()?;
        Ok(Linearization {
            value,
            products,
            along,
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

/// The products that are asked for beside a value.
#[derive(Debug, Clone, Copy)]
pub enum Tangents<'a> {
    /// None.
    None,
    /// `J v` for tangents v `[K, B, …]` of the state.
    State(&'a Tensor),
    /// `(∂h/∂z)(∂g/∂h) ε` for probes ε `[K, B, …]` of the [bottleneck](VectorField::bottleneck_shape).
    Bottleneck(&'a Tensor),
}

/// A derivative of the field along its own path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// `J f`: one further evaluation with one tangent.
    State,
    /// `J f + ∂f/∂t = d²z/dt²`: the same, by [`VectorField::total_derivative`].
    StateAndTime,
}

/// What is asked for beside a value.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Products with vectors that do not depend on the state.
    pub tangents: Tangents<'a>,
    /// Derivatives along the path; their gradients know that the direction f depends on state, time and parameters.
    pub along: &'a [Along],
}

/// A vector field evaluated at one point, ready for its reverse mode.
#[derive(Debug)]
pub struct Linearization {
    value: Tensor,
    products: Option<Tensor>,
    along: Vec<Tensor>,
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

    /// The derivatives along the path that were asked for, `[B, …]` each, without gradient.
    #[must_use]
    pub fn along(&self) -> Vec<Tensor> {
        self.along.iter().map(Tensor::detach).collect()
    }

    /// The products, `[K, B, …]`, without gradient; none when no probes were given.
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
        self.pullback_for(parameters, value_cotangent, product_cotangent, &[])
    }

    /// As [`pullback`](Self::pullback), with `Σ c·d` added for cotangents `c` `[B, …]` of the derivatives along the path,
    /// in the order in which they were asked for; none counts as zeros.
    ///
    /// # Errors
    /// As [`pullback`](Self::pullback).
    pub fn pullback_for(
        self,
        parameters: &[Parameter],
        value_cotangent: &Tensor,
        product_cotangent: Option<&Tensor>,
        along_cotangents: &[Tensor],
    ) -> Result<Cotangents> {
        let mut contraction = (&self.value * value_cotangent.detach())?.sum_all()?;
        let products = self.products.iter().zip(product_cotangent);
        for (output, cotangent) in products.chain(self.along.iter().zip(along_cotangents)) {
            contraction = (contraction + (output * cotangent.detach())?.sum_all()?)?;
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
