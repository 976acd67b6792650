//! Passes through a continuous flow: each solve is one node of the autograd graph.

use super::Cnf;
use super::node::SolveNode;
use crate::backend::{Evaluation, Gradients, Problem, Pullback};
use crate::bijection::{Transformed, Velocity};
use crate::error::{FlowError, Result};
use crate::integral::{PathIntegral, PathIntegrals};
use crate::pass::{Pass, Purpose, SolveCost};
use crate::solve::{SolveSettings, TraceForm, TraceOf};
use candle_core::Tensor;
use rand::Rng;

/// The direction of a solve in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From data at 0 to noise at T.
    Forward,
    /// From noise at T to data at 0.
    Inverse,
}

/// What a training pass chooses for its solve.
#[derive(Debug)]
struct TrainingSolve<'a> {
    direction: Direction,
    /// What T is multiplied with.
    end_factor: f64,
    /// What the tolerances are multiplied with.
    tolerance_factor: f64,
    trace: TraceForm,
    cost: &'a SolveCost,
}

impl Cnf {
    pub(super) fn run(&self, input: &Tensor, direction: Direction, pass: &mut Pass<'_>) -> Result<Transformed> {
        match pass.purpose() {
            Purpose::Training => {
                self.check_input(input)?;
                let trace = self
                    .settings
                    .training
                    .trace
                    .form(self.field(), input.dim(0)?, pass.rng())?;
                let end_factor = if self.end_time_spread > 0.0 {
                    1.0 + self.end_time_spread * pass.rng().random_range(-1.0..=1.0)
                } else {
                    1.0
                };
                let given = pass.condition().cloned();
                let solve = TrainingSolve {
                    direction,
                    end_factor,
                    tolerance_factor: pass.tolerance_factor(),
                    trace,
                    cost: pass.cost(),
                };
                self.differentiable(input, given.as_ref(), solve)
            }
            Purpose::Evaluation | Purpose::Sampling => self.between(input, self.span(direction, 1.0)?, pass),
        }
    }

    /// A training pass from data to noise with given probes `[K, B, …]` instead of drawn ones; for comparisons with
    /// other implementations.
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
    /// use ffjord_flow::{Cnf, CnfSettings, SolveCost};
    /// let cnf = Cnf::new(field, CnfSettings { end_time: 1.0, ..CnfSettings::default() })?;
    /// let x = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
    /// let probe = Tensor::new(&[[[1.0, 0.0]]], &Device::Cpu)?;                // [K, B, D]
    /// let cost = SolveCost::default();
    /// let z = cnf.forward_with_probes(&x, &probe, &cost)?;
    /// // J = I/2: the estimate along the first unit vector is 1/2, and not the trace 1.
    /// assert!((z.log_det()?.to_vec1::<f64>()?[0] - 0.5).abs() < 1e-6);
    /// assert!(cost.snapshot().forward_evaluations > 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        let trace = TraceForm {
            vectors: probes.to_dtype(self.field.dtype())?,
            weight: 1.0 / probes.dim(0)? as f64,
            of: TraceOf::Jacobian,
        };
        let solve = TrainingSolve {
            direction: Direction::Forward,
            end_factor: 1.0,
            tolerance_factor: 1.0,
            trace,
            cost,
        };
        self.differentiable(x, None, solve)
    }

    /// Moves a batch from time `span.0` to `span.1` on its way between 0 and T, without gradients; for pictures of
    /// the flow along t.
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
    /// use ffjord_flow::{Cnf, CnfSettings, Pass};
    /// # use rand::SeedableRng;
    /// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let cnf = Cnf::new(field, CnfSettings { end_time: 1.0, ..CnfSettings::default() })?;
    /// let x = Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?;
    /// // Half of the way of dz/dt = z/2.
    /// let half = cnf.between(&x, (0.0, 0.5), &mut Pass::sampling(&mut rng))?.value;
    /// assert!((half.to_vec2::<f64>()?[0][0] - 0.25_f64.exp()).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the input does not fit or the solve fails.
    pub fn between(&self, state: &Tensor, span: (f64, f64), pass: &mut Pass<'_>) -> Result<Transformed> {
        self.check_input(state)?;
        let rows = state.dim(0)?;
        self.check_given(pass.condition(), rows)?;
        let settings = self
            .settings
            .evaluation
            .with_tolerance_factor(pass.tolerance_factor())?;
        let trace = match pass.purpose() {
            Purpose::Sampling => None,
            Purpose::Training | Purpose::Evaluation => Some(settings.trace.form(self.field(), rows, pass.rng())?),
        };
        let with_trace = trace.is_some();
        let given = pass.condition();
        let problem = self.problem(state, given, span, &settings, trace, &[]);
        let solved = self.backend.solve(&problem, None)?;
        pass.cost().add_forward(&solved.statistics);
        let node = SolveNode::without_gradient(solved.state);
        let state = self.in_graph(state, given, None, node)?;
        self.split(&state, with_trace, &[])
    }

    /// A solve as one node of the autograd graph.
    fn differentiable(&self, input: &Tensor, given: Option<&Tensor>, solve: TrainingSolve<'_>) -> Result<Transformed> {
        self.check_given(given, input.dim(0)?)?;
        let TrainingSolve {
            direction,
            end_factor,
            tolerance_factor,
            trace,
            cost,
        } = solve;
        let span = self.span(direction, end_factor)?;
        let settings = self.settings.training.with_tolerance_factor(tolerance_factor)?;
        let integrals = &self.settings.integrals;
        let problem = self.problem(input, given, span, &settings, Some(trace), integrals);
        let solved = self.backend.solve(&problem, Some(&self.settings.adjoint))?;
        cost.add_forward(&solved.statistics);
        let pullback = solved.pullback.ok_or(FlowError::NoGradient)?;
        let cost = cost.clone();
        let node = SolveNode::new(
            solved.state,
            input.dims().to_vec(),
            pullback,
            move |gradients: &Gradients| {
                cost.add_backward(gradients.evaluations);
                Some(match direction {
                    Direction::Forward => gradients.span.1,
                    Direction::Inverse => gradients.span.0,
                })
            },
        );
        let end_time = if self.settings.learn_end_time {
            self.sqrt_end_time.sqr()?
        } else {
            self.sqrt_end_time.as_detached_tensor().sqr()?
        };
        let state = self.in_graph(input, given, Some((end_time * end_factor)?), node)?;
        self.split(&state, true, integrals)
    }

    fn problem<'a>(
        &'a self,
        state: &'a Tensor,
        given: Option<&'a Tensor>,
        span: (f64, f64),
        settings: &'a SolveSettings,
        trace: Option<TraceForm>,
        integrals: &'a [PathIntegral],
    ) -> Problem<'a> {
        Problem {
            field: &self.field,
            state,
            given,
            span,
            settings,
            trace,
            integrals,
        }
    }

    /// The node's value, connected to the state, the parameters, what rows were given and, if there is one, the end time.
    fn in_graph(
        &self,
        state: &Tensor,
        given: Option<&Tensor>,
        end_time: Option<Tensor>,
        node: SolveNode,
    ) -> Result<Tensor> {
        let end_time = match end_time {
            Some(end_time) => end_time,
            None => Tensor::zeros((), state.dtype(), state.device())?,
        };
        let parameters = self
            .field
            .parameters()
            .iter()
            .map(|parameter| parameter.var.as_tensor());
        let flat = parameters
            .chain(given)
            .map(Tensor::flatten_all)
            .collect::<candle_core::Result<Vec<_>>>()?;
        let flat = match flat.is_empty() {
            true => Tensor::zeros(0, self.field.dtype(), self.field.device())?,
            false => Tensor::cat(&flat, 0)?,
        };
        Ok(state.contiguous()?.apply_op3(&flat, &end_time, node)?)
    }

    fn span(&self, direction: Direction, end_factor: f64) -> Result<(f64, f64)> {
        let end = self.end_time()? * end_factor;
        Ok(match direction {
            Direction::Forward => (0.0, end),
            Direction::Inverse => (end, 0.0),
        })
    }

    /// The parts of a solved state `[B, D + 1 + m]`, or `[B, D]` without a trace.
    fn split(&self, state: &Tensor, with_trace: bool, integrals: &[PathIntegral]) -> Result<Transformed> {
        let mut shape = vec![state.dim(0)?];
        shape.extend_from_slice(self.field.state_shape());
        let dimension: usize = self.field.state_shape().iter().product();
        let value = state.narrow(1, 0, dimension)?.contiguous()?.reshape(shape)?;
        let column = |index: usize| state.narrow(1, dimension + index, 1)?.squeeze(1);
        let mut path = PathIntegrals::none();
        for (index, integral) in integrals.iter().enumerate() {
            path.add(*integral, column(index + 1)?)?;
        }
        Ok(Transformed {
            value,
            log_det: with_trace.then(|| column(0)).transpose()?,
            integrals: path,
        })
    }
}

impl Velocity for Cnf {
    fn velocity(&self, times: &[f64], z: &Tensor, given: Option<&Tensor>) -> Result<Tensor> {
        self.check_input(z)?;
        self.check_given(given, z.dim(0)?)?;
        if times.len() != z.dim(0)? {
            return Err(FlowError::InputShape {
                what: "times",
                given: times.len().into(),
                expected: format!("[{}], one for each row,", z.dim(0)?),
            });
        }
        let solved = self.backend.velocity(&Evaluation {
            field: &self.field,
            times,
            state: z,
            given,
        })?;
        let pullback: Box<dyn Pullback> = solved.pullback.ok_or(FlowError::NoGradient)?;
        // The times are numbers: no gradient reaches the end time.
        let node = SolveNode::new(solved.state, z.dims().to_vec(), pullback, |_| None);
        self.in_graph(z, given, None, node)
    }

    fn end_time(&self) -> Result<f64> {
        Cnf::end_time(self)
    }
}
