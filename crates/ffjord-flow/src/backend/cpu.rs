//! The backends that come with the crate.

use super::blocks::{self, Engine};
use super::kernels::KernelEngine;
use super::memory::Memory;
use super::tensors::TensorEngine;
use super::{Backend, Evaluation, Problem, Solved, velocity};
use crate::error::Result;
use crate::integral::{Needs, PathIntegral};
use crate::solve::{TraceMode, TraceOf};
use ffjord_kernels::{Real, SharedKernel};
use ffjord_nn::FieldKernel;
use ffjord_ode::adjoint::AdjointMethod;
use std::sync::Arc;

/// A field by its own tensor operations, on any device of candle.
#[derive(Debug, Clone, Copy, Default)]
pub struct TensorBackend;

impl Backend for TensorBackend {
    fn solve(&self, problem: &Problem<'_>, record: Option<&AdjointMethod>) -> Result<Solved> {
        let field = problem.field.clone();
        carry_out(TensorEngine { field }, problem, record)
    }

    fn velocity(&self, evaluation: &Evaluation<'_>) -> Result<Solved> {
        let field = evaluation.field.clone();
        velocity::by_tensors(&TensorEngine { field }, evaluation)
    }
}

/// A field by its compiled kernel where it has one ([`VectorField::kernel`](ffjord_nn::VectorField::kernel)), else by its
/// tensor operations; those also serve solves whose integrals need derivatives along the path. A trace at a bottleneck has
/// a kernel of its own ([`VectorField::bottleneck_kernel`](ffjord_nn::VectorField::bottleneck_kernel)), or none.
#[derive(Debug, Clone, Default)]
pub struct CpuBackend {
    /// Tapes and workspaces between solves.
    memory: Arc<Memory>,
}

impl CpuBackend {
    fn engine<T: Real>(&self, kernel: SharedKernel<T>, exact: bool) -> KernelEngine<T> {
        KernelEngine {
            kernel,
            memory: self.memory.clone(),
            exact,
        }
    }
}

/// Solves with or without a record.
fn carry_out<E: Engine>(engine: E, problem: &Problem<'_>, record: Option<&AdjointMethod>) -> Result<Solved> {
    match record {
        None => blocks::solve(&engine, problem),
        Some(adjoint) => blocks::record(Arc::new(engine), problem, adjoint),
    }
}

impl Backend for CpuBackend {
    fn solve(&self, problem: &Problem<'_>, record: Option<&AdjointMethod>) -> Result<Solved> {
        let along = |integral: &PathIntegral| matches!(integral.needs(), Needs::Along(_));
        if problem.integrals.iter().any(along) {
            return TensorBackend.solve(problem, record);
        }
        let exact = matches!(problem.settings.trace, TraceMode::Exact);
        let kernel = match problem.trace.as_ref().map(|trace| trace.of) {
            None | Some(TraceOf::Jacobian) => problem.field.kernel()?,
            Some(TraceOf::Bottleneck) => problem.field.bottleneck_kernel()?,
        };
        match kernel {
            Some(FieldKernel::F32(kernel)) => carry_out(self.engine(kernel, exact), problem, record),
            Some(FieldKernel::F64(kernel)) => carry_out(self.engine(kernel, exact), problem, record),
            _ => TensorBackend.solve(problem, record),
        }
    }

    fn velocity(&self, evaluation: &Evaluation<'_>) -> Result<Solved> {
        match evaluation.field.kernel()? {
            Some(FieldKernel::F32(kernel)) => velocity::by_kernel(&self.engine(kernel, false), evaluation),
            Some(FieldKernel::F64(kernel)) => velocity::by_kernel(&self.engine(kernel, false), evaluation),
            _ => TensorBackend.velocity(evaluation),
        }
    }
}
