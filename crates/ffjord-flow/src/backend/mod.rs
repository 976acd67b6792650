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
pub trait Pullback: fmt::Debug + Send {
    /// Gradients of `L` from its cotangent with respect to the solved state, of that state's shape.
    ///
    /// # Errors
    /// As the solve.
    fn pull_back(self: Box<Self>, cotangent: &Tensor) -> Result<Gradients>;
}

/// The gradients of a solved batch.
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
