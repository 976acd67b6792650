//! A vector field evaluated at one point, ready for its reverse mode.

use crate::dual::Dual;
use crate::error::{Result, dropped_tangents};
use crate::field::{Along, VectorField};
use crate::parameter::Parameter;
use candle_core::{DType, Tensor, Var};

/// The products that are asked for beside a value.
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
/// use ffjord_nn::{Request, Tangents};
/// let z = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
/// let v = Tensor::new(&[[[1.0, 0.0]], [[0.0, 1.0]]], &Device::Cpu)?;     // [K, B, D]
/// let both = field.linearize(0.0, &z, None, &Request { tangents: Tangents::State(&v), along: &[] })?;
/// // J = θ I with θ = 3.
/// assert_eq!(both.products().ok_or("asked for")?.to_vec3::<f64>()?, [[[3.0, 0.0]], [[0.0, 3.0]]]);
/// let alone = field.linearize(0.0, &z, None, &Request { tangents: Tangents::None, along: &[] })?;
/// assert!(alone.products().is_none());
/// // This field has no bottleneck.
/// let request = Request { tangents: Tangents::Bottleneck(&v), along: &[] };
/// assert!(field.linearize(0.0, &z, None, &request).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Tangents<'a> {
    /// None.
    None,
    /// `J v` for tangents v `[K, B, …]` of the state.
    State(&'a Tensor),
    /// `(∂h/∂z)(∂g/∂h) ε` for probes ε `[K, B, …]` of the [bottleneck](VectorField::bottleneck_shape).
    Bottleneck(&'a Tensor),
}

/// What is asked for beside a value.
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
/// use ffjord_nn::Request;
/// let z = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
/// let value = field.linearize(0.0, &z, None, &Request::VALUE)?.value();
/// assert_eq!(value.to_vec2::<f64>()?, [[3.0, -6.0]]);
/// let v = Tensor::new(&[[[1.0, 1.0]]], &Device::Cpu)?;
/// let products = field.linearize(0.0, &z, None, &Request::products(&v))?.products();
/// assert_eq!(products.ok_or("asked for")?.to_vec3::<f64>()?, [[[3.0, 3.0]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Products with vectors that do not depend on the state.
    pub tangents: Tangents<'a>,
    /// Derivatives along the path; their gradients know that the direction f depends on state, time and parameters.
    pub along: &'a [Along],
}

impl<'a> Request<'a> {
    /// The value alone.
    pub const VALUE: Self = Self {
        tangents: Tangents::None,
        along: &[],
    };

    /// The value and `J v` for tangents v `[K, B, …]`.
    #[must_use]
    pub fn products(tangents: &'a Tensor) -> Self {
        Self {
            tangents: Tangents::State(tangents),
            along: &[],
        }
    }
}

/// A vector field evaluated at one point, ready for its reverse mode.
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
/// use ffjord_nn::{OutputCotangents, Request};
/// // L = Σ a·f + Σ b·(J v) with f(z) = θ z, J = θ I and θ = 3.
/// let z = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
/// let v = Tensor::new(&[[[1.0, 1.0]]], &Device::Cpu)?;
/// let (a, b) = (Tensor::new(&[[10.0, 1.0]], &Device::Cpu)?, Tensor::new(&[[[1.0, 0.0]]], &Device::Cpu)?);
/// let linearization = field.linearize(0.0, &z, None, &Request::products(&v))?;
/// let cotangents = OutputCotangents { value: &a, products: Some(&b), along: &[] };
/// let gradients = linearization.pullback(field.parameters(), &cotangents)?;
/// assert_eq!(gradients.state.to_vec2::<f64>()?, [[30.0, 3.0]]);           // θ a
/// assert_eq!(gradients.parameters[0].to_vec1::<f64>()?, [8.0 + 1.0]);     // a·z + b·v
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Linearization {
    value: Tensor,
    products: Option<Tensor>,
    along: Vec<Tensor>,
    state: Var,
    given: Option<Var>,
    time: Var,
}

/// Cotangents of everything that a [`Linearization`] has.
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
/// use ffjord_nn::{OutputCotangents, Request};
/// let z = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
/// let linearization = field.linearize(0.0, &z, None, &Request::VALUE)?;
/// // The gradient of the sum of f₁ over all rows.
/// let first = Tensor::new(&[[1.0, 0.0]], &Device::Cpu)?;
/// let cotangents = OutputCotangents { value: &first, products: None, along: &[] };
/// let gradients = linearization.pullback(field.parameters(), &cotangents)?;
/// assert_eq!(gradients.state.to_vec2::<f64>()?, [[3.0, 0.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct OutputCotangents<'a> {
    /// Of the value, `[B, …]`.
    pub value: &'a Tensor,
    /// Of the products, `[K, B, …]`; none counts as zeros.
    pub products: Option<&'a Tensor>,
    /// Of the derivatives along the path, `[B, …]` each, in the order in which they were asked for.
    pub along: &'a [Tensor],
}

/// Gradients of `L = Σ a·f + Σ b·(J v) + Σ c·d` for given cotangents `a`, `b` and `c`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{Mlp, MlpConfig, OutputCotangents, Request, VectorField};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = Mlp::new(&MlpConfig::new(2).given(1).hidden([4]), &mut rng, DType::F64, &Device::Cpu)?;
/// let (z, c) = (Tensor::new(&[[0.3, -0.1]], &Device::Cpu)?, Tensor::new(&[[0.7]], &Device::Cpu)?);
/// let cotangents = OutputCotangents { value: &z.ones_like()?, products: None, along: &[] };
/// let gradients = field.linearize(0.5, &z, Some(&c), &Request::VALUE)?.pullback(field.parameters(), &cotangents)?;
/// assert_eq!(gradients.parameters.len(), field.parameters().len());
/// assert_eq!(gradients.given.ok_or("a row was given something")?.dims(), &[1, 1]);
/// // ∂L/∂t beside a difference of L = f₁ + f₂.
/// let sum = |t| field.value(t, &z, Some(&c)).and_then(|f| Ok(f.sum_all()?.to_scalar::<f64>()?));
/// assert!((gradients.time - (sum(0.5 + 1e-5)? - sum(0.5 - 1e-5)?) / 2e-5).abs() < 1e-8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cotangents {
    /// `∂L/∂z`, `[B, …]`.
    pub state: Tensor,
    /// `∂L/∂c`, `[B, G]`, where rows were given something.
    pub given: Option<Tensor>,
    /// `∂L/∂t`: a number for one time, `[B, 1]` summed.
    pub time: f64,
    /// `∂L/∂θ` in the order of [`VectorField::parameters`].
    pub parameters: Vec<Tensor>,
}

impl Linearization {
    /// The field at time `t`, `[1]` or `[B, 1]`, on inputs that were checked.
    pub(crate) fn new<F: VectorField + ?Sized>(
        field: &F,
        t: &Tensor,
        z: &Tensor,
        given: Option<&Tensor>,
        request: &Request<'_>,
    ) -> Result<Self> {
        let state = Var::from_tensor(&z.detach())?;
        let given = given.map(|given| Var::from_tensor(&given.detach())).transpose()?;
        let time = Var::from_tensor(t)?;
        let condition = given.as_ref().map(Var::as_tensor);
        let dual = |tangents: &Tensor| {
            let dual = Dual::new(&state, tangents)?;
            field.dual(&time, &dual, condition)?.into_parts()
        };
        let (value, products) = match request.tangents {
            Tangents::None => {
                let dual = Dual::constant(state.as_tensor().clone())?;
                (field.dual(&time, &dual, condition)?.value()?, None)
            }
            Tangents::State(tangents) => dual(&tangents.detach())?,
            Tangents::Bottleneck(probes) => {
                let (value, products) = field.through_bottleneck(&time, &state, condition, &probes.detach())?;
                (value, Some(products))
            }
        };
        let along = |along: &Along| match along {
            Along::State => Ok(dual(&value.unsqueeze(0)?)?.1.ok_or_else(dropped_tangents)?.squeeze(0)?),
            Along::StateAndTime => field.total_derivative(&time, &state, &value, condition),
        };
        let along = request.along.iter().map(along).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            value,
            products,
            along,
            state,
            given,
            time,
        })
    }

    /// A field at a time for each row, `times` `[B]`, without tangents.
    ///
    /// # Errors
    /// As [`VectorField::linearize`].
    pub fn at_times<F: VectorField + ?Sized>(
        field: &F,
        times: &[f64],
        z: &Tensor,
        given: Option<&Tensor>,
    ) -> Result<Self> {
        crate::field::check_inputs(field, z, given)?;
        let times = Tensor::from_slice(times, (times.len(), 1), &candle_core::Device::Cpu)?;
        let times = times.to_dtype(field.dtype())?.to_device(field.device())?;
        Self::new(field, &times, z, given, &Request::VALUE)
    }

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

    /// Gradients for the cotangents of everything that was asked for.
    ///
    /// # Errors
    /// When a cotangent's shape differs from that of its value.
    pub fn pullback(self, parameters: &[Parameter], cotangents: &OutputCotangents<'_>) -> Result<Cotangents> {
        let mut contraction = (&self.value * cotangents.value.detach())?.sum_all()?;
        let products = self.products.iter().zip(cotangents.products);
        for (output, cotangent) in products.chain(self.along.iter().zip(cotangents.along)) {
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
            given: self.given.as_ref().map(&gradient).transpose()?,
            time: gradient(&self.time)?.sum_all()?.to_dtype(DType::F64)?.to_scalar()?,
            parameters: parameters
                .iter()
                .map(|parameter| gradient(&parameter.var))
                .collect::<Result<_>>()?,
        })
    }
}
