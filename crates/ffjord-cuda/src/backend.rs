//! The backend: checks whether the kernels have a flow, describes it to them, and runs them.

use crate::device::Device;
use crate::error::CudaError;
use crate::program::{MAX_STATE, MAX_WIDTH, Specification, activation_of, integral_of};
use crate::solve::{Number, Solve};
use candle_core::Tensor;
use ffjord_flow::{Backend, CpuBackend, Evaluation, FlowError, Problem, Solved, TraceOf};
use ffjord_kernels::SharedKernel;
use ffjord_nn::FieldKernel;
use ffjord_ode::StepControl;
use ffjord_ode::adjoint::AdjointMethod;
use std::sync::Arc;

/// Solves dense flows on a device, each tile of rows in one block of threads from start to end.
///
/// Tensors stay on the CPU: states, parameters, probes and gradients are copied once a solve. Steps are controlled a
/// tile: as many rows as the settings' `block_rows` says, and never more than [`tile_rows`](Self::tile_rows).
#[derive(Debug)]
pub struct CudaBackend<D> {
    device: Arc<D>,
    tile_rows: usize,
    threads: usize,
}

impl<D: Device> CudaBackend<D> {
    /// Values and tangents of a tile: enough for a product to be worth its weights.
    const STACKED_ROWS: usize = 64;

    /// A backend on this device, with up to 64 rows a tile, values and tangents together, and 256 threads.
    pub fn new(device: Arc<D>) -> Self {
        Self {
            device,
            tile_rows: Self::STACKED_ROWS,
            threads: 256,
        }
    }

    /// The same with up to this many rows a tile, values and tangents together; at least one row.
    ///
    /// Bits of a result depend on the tiles, not on the card.
    #[must_use]
    pub fn tile_rows(mut self, stacked: usize) -> Self {
        self.tile_rows = stacked.max(1);
        self
    }

    /// The same with blocks of this many threads, rounded up to a power of two between 32 and 1,024.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.clamp(32, 1024).next_power_of_two();
        self
    }

    fn solve_with<T: Number>(
        &self,
        kernel: &SharedKernel<T>,
        problem: &Problem<'_>,
        record: Option<&AdjointMethod>,
    ) -> Result<Solved, CudaSolveError> {
        let specification = self.specification(kernel, problem, record)?;
        let network = kernel.dense().ok_or_else(|| not_dense().into_solve())?;
        Solve::new(self.device.clone(), specification, problem, network.parameters())?.run(record.is_some())
    }

    /// What the kernels must know of a problem.
    fn specification<T: Number>(
        &self,
        kernel: &SharedKernel<T>,
        problem: &Problem<'_>,
        record: Option<&AdjointMethod>,
    ) -> Result<Specification, CudaError> {
        let unsupported = |what: String, accepted| CudaError::Unsupported { what, accepted };
        let network = kernel.dense().ok_or_else(not_dense)?;
        let architecture = network.architecture();
        let widest = architecture.dimensions().iter().copied().max().unwrap_or(0);
        if architecture.outputs() > MAX_STATE || widest > MAX_WIDTH {
            return Err(unsupported(
                format!("a state of {} numbers with layers of {widest}", architecture.outputs()),
                "a state of up to 64 numbers with layers of up to 128",
            ));
        }
        if activation_of(architecture.activation()).is_none() {
            return Err(unsupported(
                format!("the nonlinearity {}", architecture.activation()),
                "tanh, relu, softplus, elu, swish, square or identity",
            ));
        }
        let solver = &problem.settings.solver;
        let method = solver.method();
        let Some(tableau) = method.tableau() else {
            return Err(unsupported(
                format!("the method {}", method.name()),
                "an explicit Runge-Kutta method",
            ));
        };
        if matches!(solver.control(), StepControl::Own(_)) {
            return Err(unsupported("a step control of your own".to_string(), "fixed or adaptive steps"));
        }
        let limits = solver.limits();
        if !limits.jump_at.is_empty() || !limits.stop_at.is_empty() {
            return Err(unsupported("a solve with stops or jumps".to_string(), "a solve without"));
        }
        if let Some(method) = record
            && !matches!(method, AdjointMethod::Checkpointed(_) | AdjointMethod::Binomial(_))
        {
            return Err(unsupported(
                format!("the {} adjoint", method.name()),
                "the exact gradient of the steps taken (checkpointed)",
            ));
        }
        if let Some(integral) = problem.integrals.iter().find(|integral| integral_of(**integral).is_none()) {
            return Err(unsupported(
                format!("the integral {integral}"),
                "kinetic, jacobian, l1, l2, frobenius, diagonal or off-diagonal",
            ));
        }
        if problem.trace.as_ref().is_some_and(|trace| trace.of != TraceOf::Jacobian) {
            return Err(unsupported("a trace at a bottleneck".to_string(), "one at the state"));
        }
        let probes = match &problem.trace {
            Some(trace) => trace.vectors.dim(0).map_err(tensor)?,
            None => 0,
        };
        let rows = problem.state.dim(0).map_err(tensor)?;
        let tile = (self.tile_rows / (1 + probes)).max(1).min(problem.settings.block_rows);
        let tiles = rows.div_ceil(tile).max(1);
        Ok(Specification {
            precision: T::PRECISION,
            network: architecture.clone(),
            minus_state: match network.states_subtracted() {
                0 => false,
                1 => true,
                times => {
                    return Err(unsupported(
                        format!("a field minus {times} times its state"),
                        "a field minus its state",
                    ));
                }
            },
            probes,
            unit_probes: match &problem.trace {
                Some(trace) => are_units(&trace.vectors).map_err(tensor)?,
                None => false,
            },
            integrals: problem.integrals.to_vec(),
            tableau,
            adaptive: matches!(solver.control(), StepControl::Adaptive(_)),
            rows: rows.div_ceil(tiles).max(1),
            threads: self.threads,
        })
    }
}

fn not_dense() -> CudaError {
    CudaError::Unsupported {
        what: "a field that is no plain dense network".to_string(),
        accepted: "a dense network, also conditional or residual",
    }
}

fn tensor(error: candle_core::Error) -> CudaError {
    CudaError::Driver {
        what: "read a tensor",
        reason: error.to_string(),
    }
}

/// Whether probes `[K, B, D]` are the D unit vectors for every row, which then need not be copied.
fn are_units(probes: &Tensor) -> candle_core::Result<bool> {
    let (count, _, dimension) = probes.dims3()?;
    if count != dimension {
        return Ok(false);
    }
    let probes = probes.to_dtype(candle_core::DType::F64)?.to_vec3::<f64>()?;
    Ok(probes.iter().enumerate().all(|(probe, rows)| {
        rows.iter().all(|row| {
            let unit = |column: usize| if column == probe { 1.0 } else { 0.0 };
            row.iter().enumerate().all(|(column, &entry)| entry == unit(column))
        })
    }))
}

/// What a solve on a device can fail of.
#[derive(Debug)]
pub(crate) enum CudaSolveError {
    Cuda(CudaError),
    Flow(FlowError),
}

impl CudaError {
    fn into_solve(self) -> CudaSolveError {
        CudaSolveError::Cuda(self)
    }
}

impl From<CudaError> for CudaSolveError {
    fn from(error: CudaError) -> Self {
        Self::Cuda(error)
    }
}

impl From<FlowError> for CudaSolveError {
    fn from(error: FlowError) -> Self {
        Self::Flow(error)
    }
}

impl From<candle_core::Error> for CudaSolveError {
    fn from(error: candle_core::Error) -> Self {
        Self::Flow(error.into())
    }
}

impl From<CudaSolveError> for FlowError {
    fn from(error: CudaSolveError) -> Self {
        match error {
            CudaSolveError::Cuda(error) => Self::Own(Box::new(error)),
            CudaSolveError::Flow(error) => error,
        }
    }
}

impl<D: Device> Backend for CudaBackend<D> {
    /// # Errors
    /// [`FlowError::Own`] with a [`CudaError`] where the kernels do not have the flow, or the device fails.
    fn solve(&self, problem: &Problem<'_>, record: Option<&AdjointMethod>) -> Result<Solved, FlowError> {
        let solved = match problem.field.kernel()? {
            Some(FieldKernel::F32(kernel)) => self.solve_with(&kernel, problem, record),
            Some(FieldKernel::F64(kernel)) => self.solve_with(&kernel, problem, record),
            _ => Err(not_dense().into_solve()),
        };
        Ok(solved?)
    }

    /// One evaluation of the field with a time for each row is on the CPU: flow matching has no solves in training.
    fn velocity(&self, evaluation: &Evaluation<'_>) -> Result<Solved, FlowError> {
        CpuBackend::default().velocity(evaluation)
    }
}
