//! Vector fields: a network's value and its Jacobian-vector products.

use crate::dual::Dual;
use crate::error::{NnError, Result, dropped_tangents};
use crate::kernel::FieldKernel;
use crate::linearization::{Linearization, Request};
use crate::parameter::Parameter;
use candle_core::{DType, Device, Tensor};

/// A vector field `f(z, t; c, θ)` on batches of states z `[B, …]`.
///
/// A network implements [`VectorField::dual`] once, in tensor operations that candle differentiates correctly, and gets
/// everything else from it: values, products `J v` with the Jacobian `J = ∂f/∂z` by forward mode, and the reverse mode
/// of values and products together (forward-over-reverse, so no second-order reverse mode is ever needed).
///
/// What rows are given, c `[B, G]`, stays the same through a solve and is no part of the state: the condition of a
/// density p(x | c), or parameters that each row has for itself. It has a gradient.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{Mlp, MlpConfig, VectorField};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = Mlp::new(&MlpConfig::new(2).hidden([16, 16]), &mut rng, DType::F64, &Device::Cpu)?;
/// let z = Tensor::new(&[[0.3, -1.2], [0.5, 0.7]], &Device::Cpu)?;
/// let probes = Tensor::new(&[[[1.0, -1.0], [-1.0, -1.0]]], &Device::Cpu)?; // [K, B, D]
/// let (value, products) = field.jvp(0.25, &z, None, &probes)?;
/// assert_eq!((value.dims(), products.dims()), (&[2, 2][..], &[1, 2, 2][..]));
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
///
/// A field of your own is its parameters, its shapes and one function of values with tangents:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{Dual, Parameter, Result, VectorField, check_field};
///
/// /// f(z) = θ z.
/// #[derive(Debug)]
/// struct Linear { parameters: [Parameter; 1] }
///
/// impl VectorField for Linear {
///     fn parameters(&self) -> &[Parameter] { &self.parameters }
///     fn dtype(&self) -> DType { DType::F64 }
///     fn device(&self) -> &Device { &Device::Cpu }
///     fn state_shape(&self) -> &[usize] { &[2] }
///     fn dual(&self, _t: &Tensor, z: &Dual, _given: Option<&Tensor>) -> Result<Dual> {
///         z.scale(self.parameters[0].var.as_tensor())
///     }
/// }
///
/// let theta = Parameter::constant("theta", 1, 3.0, DType::F64, &Device::Cpu)?;
/// let field = Linear { parameters: [theta] };
/// let z = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
/// assert_eq!(field.value(0.0, &z, None)?.to_vec2::<f64>()?, [[3.0, -6.0]]);
/// check_field(&field, 0.0, &z, None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
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

    /// G, the numbers that each row is given beside its state; none unless the field says so.
    fn given_len(&self) -> usize {
        0
    }

    /// The network on values and tangents, as differentiable tensor operations, at time `t` `[1]`, or `[B, 1]` with a
    /// time for each row; `given` `[B, G]` is there if and only if [`given_len`](Self::given_len) is not 0.
    ///
    /// # Errors
    /// When a tensor operation fails; callers check shapes and types beforehand.
    fn dual(&self, t: &Tensor, z: &Dual, given: Option<&Tensor>) -> Result<Dual>;

    /// The field with its present weights for the compiled CPU kernels; none where there is no kernel for the network,
    /// its device or its number type.
    ///
    /// # Errors
    /// When the weights cannot be read.
    fn kernel(&self) -> Result<Option<FieldKernel>> {
        Ok(None)
    }

    /// The derivative of `f(z, t)` along a direction `[B, …]` of the state and at unit speed in time,
    /// `J direction + ∂f/∂t` `[B, …]`, at time `t` `[1]`, as differentiable tensor operations; with the direction f it is
    /// `d²z/dt²`.
    ///
    /// # Errors
    /// [`NnError::Unsupported`] unless the network implements it; otherwise [`NnError::InputShape`] for a time for each
    /// row, and when a tensor operation fails.
    fn total_derivative(&self, t: &Tensor, z: &Tensor, direction: &Tensor, given: Option<&Tensor>) -> Result<Tensor> {
        let _ = (t, z, direction, given);
        Err(NnError::Unsupported {
            what: "a derivative in time",
            remedy: "implement `VectorField::total_derivative`",
        })
    }

    /// The shape `[H]` or `[C, H, W]` of the narrowest hidden state h of an encoder–decoder network `f = g∘h`; none
    /// where no hidden state has fewer numbers than the state.
    fn bottleneck_shape(&self) -> Option<&[usize]> {
        None
    }

    /// `f(z, t)` `[B, …]` and the products `(∂h/∂z)(∂g/∂h) ε` `[K, B, …]` for probes ε `[K, B, …]` of the shape of
    /// [`bottleneck_shape`](Self::bottleneck_shape), as differentiable tensor operations. The trace of
    /// `(∂h/∂z)(∂g/∂h)` is that of the Jacobian `(∂g/∂h)(∂h/∂z)` (FFJORD, eq. 9).
    ///
    /// # Errors
    /// [`NnError::Unsupported`] unless the network has a bottleneck; otherwise when a tensor operation fails.
    fn through_bottleneck(
        &self,
        t: &Tensor,
        z: &Tensor,
        given: Option<&Tensor>,
        probes: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let _ = (t, z, given, probes);
        Err(NnError::Unsupported {
            what: "a bottleneck",
            remedy: "give it a hidden layer that is narrower than its state, and no residual connection",
        })
    }

    /// The field with its present weights as a kernel whose tangents are probes of the bottleneck, flat, and whose products
    /// are those of [`through_bottleneck`](Self::through_bottleneck); none where there is no such kernel.
    ///
    /// # Errors
    /// When the weights cannot be read.
    fn bottleneck_kernel(&self) -> Result<Option<FieldKernel>> {
        Ok(None)
    }

    /// `f(z, t)` for `z` `[B, …]`; the result has no gradient.
    ///
    /// # Errors
    /// [`NnError::InputShape`] or [`NnError::InputType`] when an input does not fit the field.
    fn value(&self, t: f64, z: &Tensor, given: Option<&Tensor>) -> Result<Tensor> {
        check_inputs(self, z, given)?;
        let dual = self.dual(&time(self, t)?, &Dual::constant(z.detach())?, given)?;
        Ok(dual.value()?.detach())
    }

    /// `f(z, t)` `[B, …]` and the products `J v` `[K, B, …]` for tangents `v` `[K, B, …]`; no gradients.
    ///
    /// # Errors
    /// [`NnError::InputShape`] or [`NnError::InputType`] when an input does not fit the field.
    fn jvp(&self, t: f64, z: &Tensor, given: Option<&Tensor>, tangents: &Tensor) -> Result<(Tensor, Tensor)> {
        check_inputs(self, z, given)?;
        let dual = Dual::new(&z.detach(), &tangents.detach())?;
        let (value, products) = self.dual(&time(self, t)?, &dual, given)?.into_parts()?;
        Ok((value.detach(), products.ok_or_else(dropped_tangents)?.detach()))
    }

    /// The value with everything that is asked for, kept together with what their reverse mode needs.
    ///
    /// # Errors
    /// As [`VectorField::jvp`], and [`NnError::Unsupported`] where the network does not have what is asked for.
    fn linearize(&self, t: f64, z: &Tensor, given: Option<&Tensor>, request: &Request<'_>) -> Result<Linearization> {
        check_inputs(self, z, given)?;
        Linearization::new(self, &time(self, t)?, z, given, request)
    }
}

/// A derivative of the field along its own path.
///
/// ```
/// # use candle_core::{DType, Device, Tensor};
/// # use ffjord_nn::{Dual, Parameter, Result, VectorField};
/// # #[derive(Debug)]
/// # struct Linear { parameters: [Parameter; 1] }
/// # impl VectorField for Linear {
/// #     fn parameters(&self) -> &[Parameter] { &self.parameters }
/// #     fn dtype(&self) -> DType { DType::F64 }
/// #     fn device(&self) -> &Device { &Device::Cpu }
/// #     fn state_shape(&self) -> &[usize] { &[2] }
/// #     fn dual(&self, _t: &Tensor, z: &Dual, _given: Option<&Tensor>) -> Result<Dual> {
/// #         z.scale(self.parameters[0].var.as_tensor())
/// #     }
/// # }
/// # let theta = Parameter::constant("theta", 1, 3.0, DType::F64, &Device::Cpu)?;
/// # let field = Linear { parameters: [theta] };
/// use ffjord_nn::{Along, Request, Tangents};
/// // Along its own path f(z) = θ z changes by J f = θ² z; here θ = 3.
/// let z = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
/// let request = Request { tangents: Tangents::None, along: &[Along::State] };
/// let along = field.linearize(0.0, &z, None, &request)?.along();
/// assert_eq!(along[0].to_vec2::<f64>()?, [[9.0, -18.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// `J f`: one further evaluation with one tangent.
    State,
    /// `J f + ∂f/∂t = d²z/dt²`: the same, by [`VectorField::total_derivative`].
    StateAndTime,
}

/// The time as a network of the field's number type and device has it, `[1]`.
pub(crate) fn time<F: VectorField + ?Sized>(field: &F, t: f64) -> Result<Tensor> {
    Ok(Tensor::new(&[t], field.device())?.to_dtype(field.dtype())?)
}

/// Fails unless `z` is a batch of the field's states and `given` what its rows must be given.
pub(crate) fn check_inputs<F: VectorField + ?Sized>(field: &F, z: &Tensor, given: Option<&Tensor>) -> Result<()> {
    let shape = field.state_shape();
    if z.rank() != shape.len() + 1 || &z.dims()[1..] != shape {
        return Err(NnError::InputShape {
            what: "state",
            given: z.shape().clone(),
            expected: format!("a batch axis followed by {shape:?}"),
        });
    }
    let rows = z.dim(0)?;
    match (given, field.given_len()) {
        (None, 0) => {}
        (Some(given), width) if given.dims() == [rows, width] => {}
        (None, width) => return Err(NnError::NothingGiven { width }),
        (Some(given), width) => {
            return Err(NnError::InputShape {
                what: "condition",
                given: given.shape().clone(),
                expected: match width {
                    0 => "no condition, since the field has none,".to_string(),
                    _ => format!("[{rows}, {width}], one row for each row of the batch,"),
                },
            });
        }
    }
    for (what, tensor) in [("state", Some(z)), ("condition", given)] {
        if let Some(tensor) = tensor
            && tensor.dtype() != field.dtype()
        {
            return Err(NnError::InputType {
                what,
                given: tensor.dtype(),
                expected: field.dtype(),
            });
        }
    }
    Ok(())
}
