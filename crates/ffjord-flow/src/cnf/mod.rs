//! Continuous normalizing flows.

mod blocks;
mod fused;
mod memory;
mod node;
mod settings;
mod system;
mod trace;
mod training;
mod velocity;

pub use settings::{Backend, CnfSettings, SolveSettings, TraceMode};

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::condition::beside;
use crate::error::{FlowError, Result};
use crate::integral::{Needs, PathIntegral, PathIntegrals};
use crate::pass::{Pass, Purpose, SolveCost};
use blocks::{BatchSolve, Solved, weighted_mean};
use candle_core::{DType, Tensor, Var};
use ffjord_nn::{FusedField, Parameter, VectorField};
use memory::TapeMemory;
use rand::Rng;
use std::sync::Arc;
use trace::{TraceForm, TraceOf};
use training::DifferentiablePass;
use velocity::VelocityMemory;

/// A continuous normalizing flow: the solution of `dz/dt = f(z, t; θ)` from 0 to T, and its log-determinant
/// `∫₀ᵀ tr(∂f/∂z) dt` (FFJORD, eq. 2 and 3).
///
/// `forward` (data to noise) solves from 0 to T, `inverse` from T to 0. In training passes the whole solve is one node
/// of candle's autograd graph whose reverse mode is the chosen adjoint, so that `loss.backward()` works through it.
///
/// A field with a condition ([`VectorField::condition_width`]) makes the flow conditional: passes must be
/// [`given`](Pass::given) one, and gradients reach it. It travels through the solve as columns that do not move, so step
/// control counts them in its mean over a row.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Backend, Bijection, Cnf, CnfSettings, Pass, SolveSettings, TraceMode};
/// use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig};
/// use ffjord_ode::{adjoint::AdjointMethod, Method, Solver, Tolerance};
/// use rand::SeedableRng;
/// use std::sync::Arc;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let config = MlpConfig {
///     dimension: 2,
///     hidden: vec![16, 16],
///     layer: LayerKind::ConcatSquash,
///     activation: ActivationKind::Tanh,
/// };
/// let field = Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
/// let solve = SolveSettings {
///     solver: Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-6, 1e-6)?),
///     trace: TraceMode::Exact,
///     block_rows: 128,
/// };
/// let settings = CnfSettings {
///     end_time: 0.5,
///     learn_end_time: true,
///     training: solve.clone(),
///     evaluation: solve,
///     adjoint: AdjointMethod::default(),
///     integrals: Vec::new(),
///     backend: Backend::Fused,
/// };
/// let cnf = Cnf::new(Arc::new(field), settings)?;
///
/// let x = Tensor::new(&[[0.3, -0.7], [1.2, 0.1]], &Device::Cpu)?;
/// let mut pass = Pass::evaluation(&mut rng);
/// let z = cnf.forward(&x, &mut pass)?;
/// let back = cnf.inverse(&z.value, &mut pass)?;
/// let error = (back.value - x)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f64>()?;
/// assert!(error < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Cnf {
    field: Arc<dyn VectorField>,
    /// The field's states without the condition.
    row_shape: Vec<usize>,
    settings: Arc<CnfSettings>,
    sqrt_end_time: Var,
    /// Half the width of the random end time of training passes, as a fraction of T.
    end_time_spread: f64,
    memory: Arc<TapeMemory>,
    velocity_memory: Arc<VelocityMemory>,
}

/// The direction of a solve in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// From data at 0 to noise at T.
    Forward,
    /// From noise at T to data at 0.
    Inverse,
}

impl Cnf {
    /// A flow along `field`.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] when a setting is outside its range, or the trace is to be taken at the bottleneck of
    /// a field that has none.
    pub fn new(field: Arc<dyn VectorField>, settings: CnfSettings) -> Result<Self> {
        settings.check(field.bottleneck_shape().is_some())?;
        let mut row_shape = field.state_shape().to_vec();
        if let Some(columns) = row_shape.last_mut() {
            *columns = columns.saturating_sub(field.condition_width());
        }
        let sqrt_end_time = Tensor::new(settings.end_time.sqrt(), field.device())?.to_dtype(field.dtype())?;
        Ok(Self {
            field,
            row_shape,
            settings: Arc::new(settings),
            sqrt_end_time: Var::from_tensor(&sqrt_end_time)?,
            end_time_spread: 0.0,
            memory: Arc::default(),
            velocity_memory: Arc::default(),
        })
    }

    /// The same flow with a random end time `T (1 + spread · u)`, u uniform on [−1, 1], drawn for every training pass
    /// (STEER, Ghosh et al. 2020, eq. 6, with b = spread · T); evaluation and sampling keep T.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] unless `spread` lies in [0, 1), which keeps the end time positive.
    pub fn with_random_end_time(mut self, spread: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&spread) {
            return Err(FlowError::InvalidSetting {
                setting: "spread of the end time",
                given: spread.to_string(),
                accepted: "a number from 0 to below 1",
            });
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

    /// A training pass from data to noise with given probes `[K, B, …]` instead of drawn ones; for comparisons with
    /// other implementations.
    ///
    /// # Errors
    /// When the input or the probes do not fit, or the solve fails.
    pub fn forward_with_probes(&self, x: &Tensor, probes: &Tensor, cost: &SolveCost) -> Result<Transformed> {
        self.check_input(x)?;
        if probes.rank() != x.rank() + 1 || &probes.dims()[1..] != x.dims() || probes.dim(0)? == 0 {
            return Err(FlowError::InputShape {
                what: "probe stack",
                given: probes.shape().clone(),
                expected: format!("[K, …] with the batch's shape {:?} after the first axis", x.dims()),
            });
        }
        let weight = 1.0 / probes.dim(0)? as f64;
        let trace = TraceForm {
            vectors: probes.to_dtype(self.field.dtype())?,
            weight,
            of: TraceOf::Jacobian,
        };
        let pass = DifferentiablePass {
            direction: Direction::Forward,
            end_factor: 1.0,
            tolerance_factor: 1.0,
        };
        self.differentiable(&self.with_condition(x, None)?, pass, trace, cost)
    }

    /// Moves a batch from time `span.0` to `span.1` on its way between 0 and T, without gradients; for pictures of
    /// the flow along t.
    ///
    /// # Errors
    /// When the input does not fit or the solve fails.
    pub fn between(&self, state: &Tensor, span: (f64, f64), pass: &mut Pass<'_>) -> Result<Transformed> {
        self.check_input(state)?;
        let settings = &self.settings.evaluation;
        let trace = match pass.purpose() {
            Purpose::Sampling => None,
            Purpose::Training | Purpose::Evaluation => Some(self.draw_trace(settings.trace, state.dim(0)?, pass)?),
        };
        let fused = self.fused(settings, &[])?;
        let solve = BatchSolve {
            field: self.field(),
            fused: fused.as_ref().map(|fused| (fused, &*self.memory)),
            settings,
            span,
            trace,
            integrals: &[],
        };
        let solved = solve.solve(&self.with_condition(state, pass.condition())?)?;
        count_forward(pass.cost(), &solved);
        self.split(&solved.state, &[])
    }

    /// Rows with their condition, as the field has them.
    fn with_condition(&self, rows: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
        beside(rows, condition, self.field.condition_width())
    }

    fn check_input(&self, input: &Tensor) -> Result<()> {
        check_rows("batch", input, &self.row_shape)?;
        if input.dtype() != self.field.dtype() {
            return Err(FlowError::InputType {
                what: "batch",
                given: input.dtype(),
                expected: self.field.dtype(),
            });
        }
        Ok(())
    }

    fn run(&self, input: &Tensor, direction: Direction, pass: &mut Pass<'_>) -> Result<Transformed> {
        match pass.purpose() {
            Purpose::Training => {
                self.check_input(input)?;
                let trace = self.draw_trace(self.settings.training.trace, input.dim(0)?, pass)?;
                let end_factor = if self.end_time_spread > 0.0 {
                    1.0 + self.end_time_spread * pass.rng().random_range(-1.0..=1.0)
                } else {
                    1.0
                };
                let of_pass = DifferentiablePass {
                    direction,
                    end_factor,
                    tolerance_factor: pass.tolerance_factor(),
                };
                let state = self.with_condition(input, pass.condition())?;
                self.differentiable(&state, of_pass, trace, pass.cost())
            }
            Purpose::Evaluation | Purpose::Sampling => self.between(input, self.span(direction, 1.0)?, pass),
        }
    }

    /// The field packed for the fused kernels with its present weights, where that is wanted and possible.
    fn fused(&self, settings: &SolveSettings, integrals: &[PathIntegral]) -> Result<Option<FusedField>> {
        let along_path = |integral: &PathIntegral| matches!(integral.needs(), Needs::Along(_));
        match self.settings.backend {
            Backend::Fused if settings.trace.of() == TraceOf::Jacobian && !integrals.iter().any(along_path) => {
                Ok(self.field.fused(false)?)
            }
            Backend::Fused | Backend::Generic => Ok(None),
        }
    }

    fn span(&self, direction: Direction, end_factor: f64) -> Result<(f64, f64)> {
        let end = self.end_time()? * end_factor;
        Ok(match direction {
            Direction::Forward => (0.0, end),
            Direction::Inverse => (end, 0.0),
        })
    }

    /// The parts of a solved state `[B, D + 1 + m]` or `[B, D]`, with a condition's columns after the first D.
    fn split(&self, state: &Tensor, integrals: &[PathIntegral]) -> Result<Transformed> {
        let mut shape = vec![state.dim(0)?];
        shape.extend_from_slice(&self.row_shape);
        let rows = self.row_shape.iter().product();
        let value = state.narrow(1, 0, rows)?.contiguous()?.reshape(shape)?;
        let dimension: usize = self.field.state_shape().iter().product();
        if state.dim(1)? == dimension {
            let log_det = Tensor::zeros(state.dim(0)?, state.dtype(), state.device())?;
            return Ok(Transformed {
                value,
                log_det,
                integrals: PathIntegrals::none(),
            });
        }
        let column = |index: usize| state.narrow(1, dimension + index, 1)?.squeeze(1);
        let mut path = PathIntegrals::none();
        for (index, integral) in integrals.iter().enumerate() {
            path.add(*integral, column(index + 1)?)?;
        }
        Ok(Transformed {
            value,
            log_det: column(0)?,
            integrals: path,
        })
    }
}

fn count_forward(cost: &SolveCost, solved: &Solved) {
    cost.add_forward(
        weighted_mean(&solved.blocks, |stats| stats.nfe),
        weighted_mean(&solved.blocks, |stats| stats.accepted),
        weighted_mean(&solved.blocks, |stats| stats.rejected),
    );
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
        let mut parameters: Vec<Parameter> = self
            .field
            .parameters()
            .iter()
            .map(|parameter| parameter.under("odefunc.diffeq"))
            .collect();
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

    fn row_shape(&self) -> &[usize] {
        &self.row_shape
    }

    fn continuous_parts(&self) -> Option<Vec<&Cnf>> {
        Some(vec![self])
    }

    fn end_times(&self) -> Vec<f64> {
        self.end_time().into_iter().collect()
    }
}

impl Cnf {
    fn end_time_parameter(&self) -> Parameter {
        Parameter {
            name: "sqrt_end_time".to_string(),
            var: self.sqrt_end_time.clone(),
        }
    }
}
