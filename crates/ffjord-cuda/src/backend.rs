//! The backend: checks whether the kernels have a flow, describes it to them, and runs them.

use crate::device::Device;
use crate::error::CudaError;
use crate::program::Specification;
use crate::solve::{Number, Solve};
use crate::support::{check_adjoint, check_integrals, check_network, check_solver, check_trace};
use candle_core::Tensor;
use ffjord_flow::{Backend, CpuBackend, Evaluation, FlowError, Problem, Solved};
use ffjord_kernels::SharedKernel;
use ffjord_nn::FieldKernel;
use ffjord_ode::StepControl;
use ffjord_ode::adjoint::AdjointMethod;
use std::sync::Arc;

/// Solves dense flows on a device, each tile of rows in one block of threads from start to end.
///
/// Tensors stay on the CPU: states, parameters, probes and gradients are copied once a solve. Steps are controlled a
/// tile: never more rows than the settings' `block_rows` says, and not more than fit.
#[derive(Debug)]
pub struct CudaBackend<D> {
    device: Arc<D>,
    tile_rows: Option<usize>,
    threads: usize,
}

impl<D: Device> CudaBackend<D> {
    /// Values and tangents of a tile at most: enough for a product to be worth its weights.
    const STACKED_ROWS: usize = 64;

    /// Tiles that a small batch is cut into: about as many as a large card has multiprocessors.
    const TILES: usize = 128;

    /// Rows of a tile at least, where a batch has so many.
    const ROWS: usize = 4;

    /// A backend on this device, with blocks of 256 threads and tiles of up to 64 rows, values and tangents together;
    /// of small batches smaller ones, so that many blocks share the work.
    pub fn new(device: Arc<D>) -> Self {
        Self {
            device,
            tile_rows: None,
            threads: 256,
        }
    }

    /// The same with up to this many rows a tile, values and tangents together, whatever the batch; at least one row.
    ///
    /// Bits of a result depend on the tiles, not on the card.
    #[must_use]
    pub fn tile_rows(mut self, stacked: usize) -> Self {
        self.tile_rows = Some(stacked.max(1));
        self
    }

    /// Rows of a tile at most, of a batch of so many with so many probes.
    fn most_rows(&self, rows: usize, probes: usize) -> usize {
        let fitting = |stacked: usize| (stacked / (1 + probes)).max(1);
        match self.tile_rows {
            Some(stacked) => fitting(stacked),
            None => fitting(Self::STACKED_ROWS).min(
                rows
                    // Few different numbers: each has a kernel of its own.
                    .div_ceil(Self::TILES)
                    .next_power_of_two()
                    .max(Self::ROWS),
            ),
        }
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
    ) -> Result<Solved, FlowError> {
        let specification = self.specification(kernel, problem, record)?;
        let network = kernel.dense().ok_or_else(not_dense)?;
        Solve::new(self.device.clone(), specification, problem, network.parameters())?.run(record.is_some())
    }

    /// What the kernels must know of a problem.
    fn specification<T: Number>(
        &self,
        kernel: &SharedKernel<T>,
        problem: &Problem<'_>,
        record: Option<&AdjointMethod>,
    ) -> Result<Specification, FlowError> {
        let network = kernel.dense();
        check_network(network.as_ref())?;
        let tableau = check_solver(&problem.settings.solver)?;
        record.map_or(Ok(()), check_adjoint)?;
        check_integrals(problem.integrals)?;
        problem.trace.as_ref().map_or(Ok(()), |trace| check_trace(trace.of))?;
        let (architecture, minus_state) = match &network {
            Some(network) => (network.architecture().clone(), network.states_subtracted() == 1),
            None => return Err(not_dense().into()),
        };
        let probes = match &problem.trace {
            Some(trace) => trace.vectors.dim(0)?,
            None => 0,
        };
        let rows = problem.state.dim(0)?;
        let tile = self.most_rows(rows, probes).min(problem.settings.block_rows);
        Ok(Specification {
            precision: T::PRECISION,
            network: architecture,
            minus_state,
            probes,
            unit_probes: match &problem.trace {
                Some(trace) => are_units::<T>(&trace.vectors)?,
                None => false,
            },
            integrals: problem.integrals.to_vec(),
            tableau,
            adaptive: matches!(problem.settings.solver.control(), StepControl::Adaptive(_)),
            rows: tile,
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

/// Whether probes `[K, B, D]` are the D unit vectors for every row, which then need not be copied.
fn are_units<T: Number>(probes: &Tensor) -> candle_core::Result<bool> {
    let (count, rows, dimension) = probes.dims3()?;
    if count != dimension {
        return Ok(false);
    }
    let numbers: Vec<T> = probes.flatten_all()?.to_vec1()?;
    let mut of_probes = numbers.chunks_exact((rows * dimension).max(1)).enumerate();
    Ok(of_probes.all(|(probe, numbers)| {
        numbers.chunks_exact(dimension).all(|row| {
            let unit = |column: usize| if column == probe { T::ONE } else { T::ZERO };
            row.iter().enumerate().all(|(column, &entry)| entry == unit(column))
        })
    }))
}

impl<D: Device> Backend for CudaBackend<D> {
    /// # Errors
    /// [`FlowError::Own`] with a [`CudaError`] where the kernels do not have the flow, or the device fails.
    fn solve(&self, problem: &Problem<'_>, record: Option<&AdjointMethod>) -> Result<Solved, FlowError> {
        match problem.field.kernel()? {
            Some(FieldKernel::F32(kernel)) => self.solve_with(&kernel, problem, record),
            Some(FieldKernel::F64(kernel)) => self.solve_with(&kernel, problem, record),
            _ => Err(not_dense().into()),
        }
    }

    /// One evaluation of the field with a time for each row is on the CPU: flow matching has no solves in training.
    fn velocity(&self, evaluation: &Evaluation<'_>) -> Result<Solved, FlowError> {
        CpuBackend::default().velocity(evaluation)
    }
}
