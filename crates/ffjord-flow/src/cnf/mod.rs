//! Continuous normalizing flows.

mod builder;
mod node;
mod solve;

pub use builder::CnfBuilder;

use crate::backend::{Backend, CpuBackend};
use crate::bijection::{Bijection, Transformed, check_rows};
use crate::error::{FlowError, Result};
use crate::pass::Pass;
use crate::path::ContinuousPath;
use crate::solve::CnfSettings;
use candle_core::{DType, Tensor, Var};
use ffjord_nn::{Parameter, VectorField};
use solve::Direction;
use std::sync::Arc;

/// A continuous normalizing flow: the solution of `dz/dt = f(z, t; c, θ)` from 0 to T, and its log-determinant
/// `∫₀ᵀ tr(∂f/∂z) dt` (FFJORD, eq. 2 and 3).
///
/// `forward` (data to noise) solves from 0 to T, `inverse` from T to 0. In training passes the whole solve is one node
/// of candle's autograd graph whose reverse mode is the chosen adjoint, so that `loss.backward()` works through it.
///
/// A field whose rows are given something ([`VectorField::given_len`]) makes the flow conditional: passes must be
/// [`given`](Pass::given) it, and gradients reach it. It is no part of the state, so step control does not count it.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::{Bijection, Cnf, Pass};
/// use rand::SeedableRng;
///
/// let cnf = Cnf::builder(2).hidden([16, 16]).tolerance(1e-6).build()?;
/// let x = Tensor::new(&[[0.3f32, -0.7], [1.2, 0.1]], &Device::Cpu)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut pass = Pass::evaluation(&mut rng);
/// let z = cnf.forward(&x, &mut pass)?;
/// let back = cnf.inverse(&z.value, &mut pass)?;
/// let error = (back.value - x)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
/// assert!(error < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Where the field is linear, `dz/dt = z/2` on two columns, all is known: `z(T) = x e^(T/2)` with log-determinant T.
///
/// ```
/// # use candle_core::{DType, Device, Tensor};
/// # use ffjord_nn::{Dual, NnError, Parameter, VectorField};
/// # use std::sync::Arc;
/// # #[derive(Debug)]
/// # struct Linear { parameters: [Parameter; 1] }
/// # impl VectorField for Linear {
/// #     fn parameters(&self) -> &[Parameter] { &self.parameters }
/// #     fn dtype(&self) -> DType { DType::F64 }
/// #     fn device(&self) -> &Device { &Device::Cpu }
/// #     fn state_shape(&self) -> &[usize] { &[2] }
/// #     fn dual(&self, _t: &Tensor, z: &Dual, _given: Option<&Tensor>) -> Result<Dual, NnError> {
/// #         z.scale(self.parameters[0].var.as_tensor())
/// #     }
/// # }
/// # let theta = Parameter::constant("theta", 1, 0.5, DType::F64, &Device::Cpu)?;
/// # let field: Arc<dyn VectorField> = Arc::new(Linear { parameters: [theta] });
/// use ffjord_flow::{Bijection, Cnf, CnfSettings, Pass, SolveSettings};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let evaluation = SolveSettings::adaptive(1e-9)?;
/// let cnf = Cnf::new(field, CnfSettings { end_time: 0.6, evaluation, ..CnfSettings::default() })?;
/// let z = cnf.forward(&Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?, &mut Pass::evaluation(&mut rng))?;
/// assert!((cnf.end_time()? - 0.6).abs() < 1e-12 && cnf.field().parameters()[0].name == "theta");
/// assert!((z.value.to_vec2::<f64>()?[0][1] + 2.0 * 0.3_f64.exp()).abs() < 1e-7);
/// assert!((z.log_det()?.to_vec1::<f64>()?[0] - 0.6).abs() < 1e-7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Cnf {
    field: Arc<dyn VectorField>,
    settings: Arc<CnfSettings>,
    backend: Arc<dyn Backend>,
    sqrt_end_time: Var,
    /// Half the width of the random end time of training passes, as a fraction of T.
    end_time_spread: f64,
}

impl Cnf {
    /// A flow along `field`.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] when a setting is outside its range, or the trace is to be taken at the bottleneck of
    /// a field that has none.
    pub fn new(field: Arc<dyn VectorField>, settings: CnfSettings) -> Result<Self> {
        settings.check(field.bottleneck_shape().is_some())?;
        let sqrt_end_time = Tensor::new(settings.end_time.sqrt(), field.device())?.to_dtype(field.dtype())?;
        Ok(Self {
            field,
            settings: Arc::new(settings),
            backend: Arc::new(CpuBackend::default()),
            sqrt_end_time: Var::from_tensor(&sqrt_end_time)?,
            end_time_spread: 0.0,
        })
    }

    /// A flow on rows of this many numbers with a network of dense layers, everything else as in the paper's toy problems
    /// unless the builder is told otherwise.
    #[must_use]
    pub fn builder(dimension: usize) -> CnfBuilder {
        CnfBuilder::new(dimension)
    }

    /// The same flow with its solves carried out by `backend`.
    #[must_use]
    pub fn with_backend(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backend = backend;
        self
    }

    /// The same flow with a random end time `T (1 + spread · u)`, u uniform on [−1, 1], drawn for every training pass
    /// (STEER, Ghosh et al. 2020, eq. 6, with b = spread · T); evaluation and sampling keep T.
    ///
    /// ```
    /// # use candle_core::{DType, Device, Tensor};
    /// # use ffjord_nn::{Dual, NnError, Parameter, VectorField};
    /// # use std::sync::Arc;
    /// # #[derive(Debug)]
    /// # struct Linear { parameters: [Parameter; 1] }
    /// # impl VectorField for Linear {
    /// #     fn parameters(&self) -> &[Parameter] { &self.parameters }
    /// #     fn dtype(&self) -> DType { DType::F64 }
    /// #     fn device(&self) -> &Device { &Device::Cpu }
    /// #     fn state_shape(&self) -> &[usize] { &[2] }
    /// #     fn dual(&self, _t: &Tensor, z: &Dual, _given: Option<&Tensor>) -> Result<Dual, NnError> {
    /// #         z.scale(self.parameters[0].var.as_tensor())
    /// #     }
    /// # }
    /// # let theta = Parameter::constant("theta", 1, 0.5, DType::F64, &Device::Cpu)?;
    /// # let field: Arc<dyn VectorField> = Arc::new(Linear { parameters: [theta] });
    /// use ffjord_flow::{Bijection, Cnf, CnfSettings, Pass};
    /// # use rand::SeedableRng;
    /// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let cnf = Cnf::new(field, CnfSettings { end_time: 1.0, ..CnfSettings::default() })?.with_random_end_time(0.1)?;
    /// let x = Tensor::new(&[[1.0, 1.0]], &Device::Cpu)?;
    /// // dz/dt = z/2 on two columns has T as log-determinant, from 0.9 to 1.1 in training and 1 else.
    /// let log_det = |pass: &mut Pass<'_>| {
    ///     Ok::<_, ffjord_flow::FlowError>(cnf.forward(&x, pass)?.log_det()?.to_vec1::<f64>()?[0])
    /// };
    /// let drawn = log_det(&mut Pass::training(&mut rng))?;
    /// assert!(drawn != 1.0 && (0.9..=1.1).contains(&drawn));
    /// assert!((log_det(&mut Pass::evaluation(&mut rng))? - 1.0).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] unless `spread` lies in [0, 1), which keeps the end time positive.
    pub fn with_random_end_time(mut self, spread: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&spread) {
            return Err(FlowError::invalid(
                "spread of the end time",
                spread,
                "a number from 0 to below 1",
            ));
        }
        self.end_time_spread = spread;
        Ok(self)
    }

    /// The vector field.
    #[must_use]
    pub fn field(&self) -> &dyn VectorField {
        self.field.as_ref()
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &CnfSettings {
        &self.settings
    }

    /// The end time T as it is now.
    ///
    /// # Errors
    /// When the device cannot be read.
    pub fn end_time(&self) -> Result<f64> {
        let root: f64 = self.sqrt_end_time.to_dtype(DType::F64)?.to_scalar()?;
        Ok(root * root)
    }

    /// Fails unless `input` is a batch of finite states of the field.
    fn check_input(&self, input: &Tensor) -> Result<()> {
        check_rows("batch", input, self.field.state_shape())?;
        if input.dtype() != self.field.dtype() {
            return Err(FlowError::InputType {
                what: "batch",
                given: input.dtype(),
                expected: self.field.dtype(),
            });
        }
        let rows = crate::finite::non_finite_rows(input)?;
        match rows.is_empty() {
            true => Ok(()),
            false => Err(FlowError::NonFiniteInput { rows }),
        }
    }

    /// Fails unless `given` is what each of so many rows must be given.
    fn check_given(&self, given: Option<&Tensor>, rows: usize) -> Result<()> {
        crate::condition::check(given, rows, self.field.given_len(), self.field.dtype())
    }

    fn end_time_parameter(&self) -> Parameter {
        Parameter {
            name: "sqrt_end_time".to_string(),
            var: self.sqrt_end_time.clone(),
        }
    }
}

impl Bijection for Cnf {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        self.run(x, Direction::Forward, pass)
    }

    fn inverse(&self, z: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        self.run(z, Direction::Inverse, pass)
    }

    /// The field's parameters under `odefunc.diffeq.`, then `sqrt_end_time` if it is trained.
    fn parameters(&self) -> Vec<Parameter> {
        let field = self.field.parameters().iter();
        let mut parameters: Vec<Parameter> = field.map(|parameter| parameter.under("odefunc.diffeq")).collect();
        if self.settings.learn_end_time {
            parameters.push(self.end_time_parameter());
        }
        parameters
    }

    /// `sqrt_end_time` if it is not trained.
    fn buffers(&self) -> Vec<Parameter> {
        if self.settings.learn_end_time {
            Vec::new()
        } else {
            vec![self.end_time_parameter()]
        }
    }

    fn input_shape(&self) -> &[usize] {
        self.field.state_shape()
    }

    fn given_len(&self) -> usize {
        self.field.given_len()
    }

    fn end_times(&self) -> Vec<f64> {
        self.end_time().into_iter().collect()
    }

    fn path(&self) -> Option<ContinuousPath<'_>> {
        Some(ContinuousPath::of(self))
    }
}
