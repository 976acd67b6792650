//! Who carries out the solves of a continuous flow.

mod blocks;
mod cpu;
mod kernels;
mod memory;
mod tensors;
mod velocity;

pub use cpu::{CpuBackend, TensorBackend};

use crate::error::Result;
use crate::integral::PathIntegral;
use crate::solve::{SolveSettings, TraceForm};
use candle_core::Tensor;
use ffjord_nn::VectorField;
use ffjord_ode::adjoint::AdjointMethod;
use std::fmt;
use std::sync::Arc;

/// Carries out solves and evaluations of a field, on whatever memory and processor it likes.
///
/// [`CpuBackend`] is the default: it takes a field's compiled kernel where there is one, else [`TensorBackend`], which
/// works with any field on any device of candle. [`Cnf::with_backend`](crate::Cnf::with_backend) puts one of your own in
/// their place.
///
/// One of your own, which counts the solves of another:
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
/// use ffjord_flow::{Backend, Bijection, Cnf, CnfSettings, CpuBackend, Evaluation, Pass, Problem, Solved};
/// use ffjord_ode::adjoint::AdjointMethod;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
///
/// #[derive(Debug, Default)]
/// struct Counting { solves: AtomicUsize, inner: CpuBackend }
///
/// impl Backend for Counting {
///     fn solve(&self, problem: &Problem<'_>, record: Option<&AdjointMethod>) -> ffjord_flow::Result<Solved> {
///         self.solves.fetch_add(1, Ordering::Relaxed);
///         self.inner.solve(problem, record)
///     }
///     fn velocity(&self, evaluation: &Evaluation<'_>) -> ffjord_flow::Result<Solved> {
///         self.inner.velocity(evaluation)
///     }
/// }
///
/// let backend = Arc::new(Counting::default());
/// let cnf = Cnf::new(field, CnfSettings::default())?.with_backend(backend.clone());
/// let x = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
/// let z = cnf.forward(&x, &mut Pass::evaluation(&mut rng))?;
/// cnf.inverse(&z.value, &mut Pass::evaluation(&mut rng))?;
/// assert_eq!(backend.solves.load(Ordering::Relaxed), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Backend: fmt::Debug + Send + Sync {
    /// Solves `d/dt [z, ln det, integrals…]`; with `record` the result can be pulled back by that adjoint.
    ///
    /// # Errors
    /// [`FlowError::Solve`](crate::FlowError::Solve) when a solve does not reach its end.
    fn solve(&self, problem: &Problem<'_>, record: Option<&AdjointMethod>) -> Result<Solved>;

    /// `f(z, t)` with a time for each row; the result can be pulled back.
    ///
    /// # Errors
    /// When the field fails.
    fn velocity(&self, evaluation: &Evaluation<'_>) -> Result<Solved>;
}

/// The solve of a batch.
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
/// use ffjord_flow::{Backend, CpuBackend, Problem, SolveSettings, TraceForm, TraceOf};
/// use ffjord_ode::{Method, Solver};
/// // dz/dt = z/2 from 0 to 2, with the unit vectors for the exact trace.
/// let state = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
/// let units = Tensor::eye(2, DType::F64, &Device::Cpu)?.reshape((2, 1, 2))?;
/// let trace = TraceForm { vectors: units, weight: 1.0, of: TraceOf::Jacobian };
/// let settings = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(40));
/// let (field, span) = (&field, (0.0, 2.0));
/// let problem =
///     Problem { field, state: &state, given: None, span, settings: &settings, trace: Some(trace), integrals: &[] };
/// let solved = CpuBackend::default().solve(&problem, None)?.state.to_vec2::<f64>()?;
/// // [z, ln det] = [e z(0), 2].
/// assert!((solved[0][0] - 1.0_f64.exp()).abs() < 1e-6 && (solved[0][2] - 2.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Problem<'a> {
    /// The right-hand side.
    pub field: &'a Arc<dyn VectorField>,
    /// States at the start, `[B, …]`.
    pub state: &'a Tensor,
    /// What every row is given beside its state, `[B, G]`.
    pub given: Option<&'a Tensor>,
    /// Start and end of time.
    pub span: (f64, f64),
    /// Solver, trace and row blocks.
    pub settings: &'a SolveSettings,
    /// The trace of the whole batch; none solves for the state alone.
    pub trace: Option<TraceForm>,
    /// What is integrated along the way.
    pub integrals: &'a [PathIntegral],
}

/// An evaluation of a field with a time for each row.
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
/// use ffjord_flow::{Backend, Evaluation, TensorBackend};
/// let state = Tensor::new(&[[1.0, -2.0], [4.0, 0.0]], &Device::Cpu)?;
/// let evaluation = Evaluation { field: &field, times: &[0.1, 0.7], state: &state, given: None };
/// let velocity = TensorBackend.velocity(&evaluation)?.state;
/// assert_eq!(velocity.to_vec2::<f64>()?, [[0.5, -1.0], [2.0, 0.0]]);      // dz/dt = z/2
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// The field.
    pub field: &'a Arc<dyn VectorField>,
    /// The times, `[B]`.
    pub times: &'a [f64],
    /// The states, `[B, …]`.
    pub state: &'a Tensor,
    /// What every row is given beside its state, `[B, G]`.
    pub given: Option<&'a Tensor>,
}

/// What a solve or an evaluation led to.
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
/// use ffjord_flow::{Backend, CpuBackend, Problem, SolveSettings};
/// use ffjord_ode::{Method, Solver, adjoint::AdjointMethod};
/// // dz/dt = z/2 without a trace, recorded for its gradient.
/// let state = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
/// let settings = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(10));
/// let (field, span) = (&field, (0.0, 1.0));
/// let problem = Problem { field, state: &state, given: None, span, settings: &settings, trace: None, integrals: &[] };
/// let solved = CpuBackend::default().solve(&problem, Some(&AdjointMethod::default()))?;
/// assert_eq!((solved.state.dims(), solved.statistics.accepted), (&[1, 2][..], 10.0));
/// let pullback = solved.pullback.ok_or("it was recorded")?;
/// let gradients = pullback.pull_back(&Tensor::new(&[[1.0, 0.0]], &Device::Cpu)?)?;
/// assert!((gradients.state.to_vec2::<f64>()?[0][0] - 0.5_f64.exp()).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Solved {
    /// `[B, D + 1 + m]` with the log-determinant and m integrals behind the flattened state; `[B, D]` without a trace.
    pub state: Tensor,
    /// What it took.
    pub statistics: Statistics,
    /// Its reverse mode, if it was recorded.
    pub pullback: Option<Box<dyn Pullback>>,
}

/// What the forward solve of a batch took: means over its blocks, weighted by their rows.
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
/// use ffjord_flow::{Backend, CpuBackend, Problem, SolveSettings, Statistics};
/// use ffjord_ode::{Method, Solver};
/// let state = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
/// let settings = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(10));
/// let (field, span) = (&field, (0.0, 1.0));
/// let problem = Problem { field, state: &state, given: None, span, settings: &settings, trace: None, integrals: &[] };
/// let statistics = CpuBackend::default().solve(&problem, None)?.statistics;
/// // Four evaluations a step.
/// assert_eq!(statistics, Statistics { evaluations: 40.0, accepted: 10.0, rejected: 0.0 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Statistics {
    /// Evaluations of the field.
    pub evaluations: f64,
    /// Accepted steps.
    pub accepted: f64,
    /// Rejected steps.
    pub rejected: f64,
}

/// The reverse mode of one solve; owned data, so that it can wait in an autograd graph.
///
/// That of a backend of your own, for a solve whose result is its state times a number:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Gradients, Pullback, Result};
///
/// #[derive(Debug)]
/// struct Times(f64);
///
/// impl Pullback for Times {
///     fn pull_back(self: Box<Self>, cotangent: &Tensor) -> Result<Gradients> {
///         Ok(Gradients {
///             state: (cotangent * self.0)?,
///             parameters: Tensor::zeros(0, DType::F64, &Device::Cpu)?,
///             given: None,
///             span: (0.0, 0.0),
///             evaluations: 0.0,
///         })
///     }
/// }
///
/// let waiting: Box<dyn Pullback> = Box::new(Times(3.0));
/// let gradients = waiting.pull_back(&Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?)?;
/// assert_eq!(gradients.state.to_vec2::<f64>()?, [[3.0, -6.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Pullback: fmt::Debug + Send {
    /// Gradients of `L` from its cotangent with respect to the solved state, of that state's shape.
    ///
    /// # Errors
    /// As the solve.
    fn pull_back(self: Box<Self>, cotangent: &Tensor) -> Result<Gradients>;
}

/// The gradients of a solved batch.
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
/// use ffjord_flow::{Backend, CpuBackend, Problem, SolveSettings};
/// use ffjord_ode::{Method, Solver, adjoint::AdjointMethod};
/// // z(1) = z(0) e^θ at θ = 1/2, and L its first number.
/// let state = Tensor::new(&[[2.0, 0.0]], &Device::Cpu)?;
/// let settings = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(20));
/// let (field, span) = (&field, (0.0, 1.0));
/// let problem = Problem { field, state: &state, given: None, span, settings: &settings, trace: None, integrals: &[] };
/// let solved = CpuBackend::default().solve(&problem, Some(&AdjointMethod::default()))?;
/// let pullback = solved.pullback.ok_or("it was recorded")?;
/// let gradients = pullback.pull_back(&Tensor::new(&[[1.0, 0.0]], &Device::Cpu)?)?;
/// let end = 2.0 * 0.5_f64.exp();
/// assert!((gradients.parameters.to_vec1::<f64>()?[0] - end).abs() < 1e-6);        // dL/dθ = z(1)
/// assert!((gradients.span.1 - end / 2.0).abs() < 1e-6);                           // dL/dt₁ = θ z(1)
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Gradients {
    /// With respect to the state at the start, `[B, D]`; what stands in columns behind these, as of the log-density and the
    /// integrals that a solve carries along, is not read.
    pub state: Tensor,
    /// With respect to all parameters one after the other, `[P]`.
    pub parameters: Tensor,
    /// With respect to what the rows were given, `[B, G]`.
    pub given: Option<Tensor>,
    /// With respect to the start and the end of time.
    pub span: (f64, f64),
    /// Evaluations of the field with their reverse products: a mean over blocks, weighted by their rows.
    pub evaluations: f64,
}
