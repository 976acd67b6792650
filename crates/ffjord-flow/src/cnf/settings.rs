//! How a continuous flow is solved.

use super::trace::TraceOf;
use crate::error::{FlowError, Result};
use crate::integral::{Needs, PathIntegral};
use ffjord_ode::adjoint::AdjointMethod;
use ffjord_ode::{Solver, StepControl};
use ffjord_trace::ProbeDistribution;

/// How the trace of the Jacobian is computed along a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceMode {
    /// `Σᵢ eᵢᵀ J eᵢ` over the unit vectors: D products an evaluation, no variance.
    Exact,
    /// Hutchinson's estimate `1/K Σₖ εₖᵀ J εₖ` with K probes, drawn once a solve (FFJORD, eq. 7 and 8).
    Hutchinson {
        /// The distribution of the probes.
        distribution: ProbeDistribution,
        /// The number K of probes a row, at least 1.
        probes: usize,
    },
    /// The exact trace of `(∂h/∂z)(∂g/∂h)` for an encoder–decoder network `f = g∘h` with a narrow middle of width H,
    /// which is that of the Jacobian: H products an evaluation (FFJORD, eq. 9). On the generic path alone.
    BottleneckExact,
    /// The same by probes of width H: the variance is that of an H × H matrix.
    Bottleneck {
        /// The distribution of the probes.
        distribution: ProbeDistribution,
        /// The number K of probes a row, at least 1.
        probes: usize,
    },
}

impl TraceMode {
    /// The probes' distribution and number; none where the trace is exact.
    pub(crate) fn probes(self) -> Option<(ProbeDistribution, usize)> {
        match self {
            Self::Exact | Self::BottleneckExact => None,
            Self::Hutchinson { distribution, probes } | Self::Bottleneck { distribution, probes } => {
                Some((distribution, probes))
            }
        }
    }

    /// The matrix whose trace is taken.
    pub(crate) fn of(self) -> TraceOf {
        match self {
            Self::Exact | Self::Hutchinson { .. } => TraceOf::Jacobian,
            Self::BottleneckExact | Self::Bottleneck { .. } => TraceOf::Bottleneck,
        }
    }
}

/// One way of solving a flow's equation.
#[derive(Debug, Clone)]
pub struct SolveSettings {
    /// Method and step control.
    pub solver: Solver,
    /// The trace.
    pub trace: TraceMode,
    /// Rows that share one solve and its step sizes.
    ///
    /// Blocks are solved in parallel, each with its own steps; their size decides the result's bits, the number of
    /// threads does not. [`PER_ROW`](Self::PER_ROW) and [`WHOLE_BATCH`](Self::WHOLE_BATCH) are the two ends.
    pub block_rows: usize,
}

impl SolveSettings {
    /// Error control for every row by itself: each has its own time, step size and rejections, and its result depends
    /// on no other row, bit for bit.
    ///
    /// The fewest evaluations a row, and the most calls of the network: it sees one row at a time.
    pub const PER_ROW: usize = 1;

    /// One error control for the whole batch, as in torchdiffeq: all rows take the steps that the mean of their errors
    /// asks for, so that a row's result depends on every other.
    pub const WHOLE_BATCH: usize = usize::MAX;

    /// The same with the tolerances of adaptive steps multiplied by `factor`.
    pub(crate) fn with_tolerance_factor(&self, factor: f64) -> Result<Self> {
        let mut scaled = self.clone();
        if let StepControl::Adaptive(adaptive) = self.solver.control()
            && factor != 1.0
        {
            scaled.solver = self
                .solver
                .clone()
                .adaptive_with(adaptive.clone().scale_tolerance(factor)?);
        }
        Ok(scaled)
    }
}

/// What evaluates the vector field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// The fused CPU kernels where the field has one, else the generic path; that also serves passes whose trace is
    /// taken at a bottleneck or whose integrals need derivatives along the path.
    #[default]
    Fused,
    /// The field's own tensor operations.
    Generic,
}

/// The settings of a [`Cnf`](crate::Cnf).
#[derive(Debug, Clone)]
pub struct CnfSettings {
    /// The end time T at the start of training; positive.
    pub end_time: f64,
    /// Whether T is a trained parameter (as √T, which keeps it positive).
    pub learn_end_time: bool,
    /// For training passes.
    pub training: SolveSettings,
    /// For evaluation and sampling passes.
    pub evaluation: SolveSettings,
    /// How gradients of training passes are computed.
    pub adjoint: AdjointMethod,
    /// Path integrals computed in training passes by the same solve.
    pub integrals: Vec<PathIntegral>,
    /// What evaluates the vector field.
    pub backend: Backend,
}

impl CnfSettings {
    /// Checks every setting for a field that has a bottleneck or not.
    pub(crate) fn check(&self, has_bottleneck: bool) -> Result<()> {
        let invalid = |setting, given: String, accepted| {
            Err(FlowError::InvalidSetting {
                setting,
                given,
                accepted,
            })
        };
        if !(self.end_time.is_finite() && self.end_time > 0.0) {
            return invalid("end time", self.end_time.to_string(), "positive and finite");
        }
        self.adjoint.require(self.training.solver.method())?;
        for solve in [&self.training, &self.evaluation] {
            if solve.trace.of() == TraceOf::Bottleneck && !has_bottleneck {
                return invalid(
                    "trace",
                    "that at the bottleneck of a field without one".to_string(),
                    "taken at the state, or the field an encoder–decoder network: one with a hidden layer narrower than \
                     its state, and neither residual nor conditional",
                );
            }
            if solve.block_rows == 0 {
                return invalid("rows of a block", "0".to_string(), "at least 1");
            }
            if solve.trace.probes().is_some_and(|(_, probes)| probes == 0) {
                return invalid("probes", "0".to_string(), "at least 1");
            }
        }
        for (index, integral) in self.integrals.iter().enumerate() {
            if self.integrals[..index].contains(integral) {
                return invalid(
                    "path integrals",
                    format!("{integral} twice"),
                    "each integral at most once",
                );
            }
            let trace = self.training.trace;
            let (fits, accepted) = match integral.needs() {
                Needs::Nothing | Needs::Along(_) => (true, ""),
                Needs::Products => (
                    trace.of() == TraceOf::Jacobian,
                    "taken with a training trace that is not at the bottleneck",
                ),
                Needs::Columns => (trace == TraceMode::Exact, "taken with the exact training trace"),
                Needs::SeveralProbes => (
                    trace.probes().is_some_and(|(_, probes)| probes > 1),
                    "taken with a training trace of two probes or more",
                ),
            };
            if !fits {
                return invalid("path integrals", integral.to_string(), accepted);
            }
        }
        Ok(())
    }
}
