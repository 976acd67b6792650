//! How a continuous flow is solved.

use super::trace::{TraceMode, TraceOf};
use crate::error::{FlowError, Result};
use crate::integral::{Needs, PathIntegral};
use ffjord_ode::adjoint::{AdjointMethod, Checkpointed};
use ffjord_ode::{Method, Solver, StepControl, Tolerance};

/// Memory that the tapes of a training step may take where a configuration does not say, in MB (10⁶ bytes).
pub const DEFAULT_TAPE_MB: usize = 200;

/// One way of solving a flow's equation.
///
/// ```
/// use ffjord_flow::{Cnf, SolveSettings};
/// use ffjord_ode::{Method, Solver};
///
/// let training = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(8)).block_rows(128);
/// let cnf = Cnf::builder(2).training(training).evaluation(SolveSettings::adaptive(1e-6)?).build()?;
/// assert_eq!(cnf.settings().training.block_rows, 128);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
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
    ///
    /// Where so many rows would have more than 64 MiB ([`BLOCK_BYTES`](Self::BLOCK_BYTES)) of states and tangents,
    /// `(1 + K) D` numbers a row with K vectors for the trace, a block has as many as fit, and at least one: with the exact
    /// trace of 2,000 columns in single precision four. A thread solves one block at a time, and takes some times these
    /// bytes for it.
    pub block_rows: usize,
}

impl SolveSettings {
    /// Error control for every row by itself: each has its own time, step size and rejections, and its result depends
    /// on no other row, bit for bit.
    ///
    /// The fewest evaluations a row, and the most calls of the network: it sees one row at a time.
    pub const PER_ROW: usize = 1;

    /// One error control for the whole batch, as in torchdiffeq: all rows take the steps that the mean of their errors
    /// asks for, so that a row's result depends on every other. A batch beyond [`BLOCK_BYTES`](Self::BLOCK_BYTES) is cut.
    pub const WHOLE_BATCH: usize = usize::MAX;

    /// States and tangents of a block of several rows at most, in bytes: [`block_rows`](Self::block_rows) says what comes
    /// of it.
    pub const BLOCK_BYTES: usize = 64 << 20;

    /// Rows of a block unless another number is set.
    pub(crate) const BLOCK_ROWS: usize = 256;

    /// The exact trace by Dormand–Prince 5(4) at this relative and absolute tolerance, in blocks of 256 rows.
    ///
    /// # Errors
    /// [`FlowError::Setup`] unless the tolerance is positive and finite.
    pub fn adaptive(tolerance: f64) -> Result<Self> {
        Ok(Self::new(
            Solver::new(Method::Dopri5).adaptive(Tolerance::new(tolerance, tolerance)?),
        ))
    }

    /// The exact trace by this solver, in blocks of 256 rows.
    #[must_use]
    pub fn new(solver: Solver) -> Self {
        Self {
            solver,
            trace: TraceMode::Exact,
            block_rows: Self::BLOCK_ROWS,
        }
    }

    /// The same with this trace.
    #[must_use]
    pub fn trace(mut self, trace: TraceMode) -> Self {
        self.trace = trace;
        self
    }

    /// The same in blocks of this many rows.
    #[must_use]
    pub fn block_rows(mut self, rows: usize) -> Self {
        self.block_rows = rows;
        self
    }

    /// The same method with adaptive steps at this relative and absolute tolerance.
    ///
    /// # Errors
    /// [`FlowError::Setup`] unless the tolerance is positive and finite.
    pub fn tolerance(mut self, tolerance: f64) -> Result<Self> {
        self.solver = self.solver.adaptive(Tolerance::new(tolerance, tolerance)?);
        Ok(self)
    }

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

/// The settings of a [`Cnf`](crate::Cnf).
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_flow::{Cnf, CnfSettings, PathIntegral};
/// use ffjord_nn::{Mlp, MlpConfig};
/// use rand::SeedableRng;
/// use std::sync::Arc;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = Mlp::new(&MlpConfig::new(2).hidden([16]), &mut rng, DType::F32, &Device::Cpu)?;
/// let settings = CnfSettings {
///     end_time: 0.25,
///     learn_end_time: false,
///     integrals: vec![PathIntegral::Kinetic],
///     ..CnfSettings::default()
/// };
/// let cnf = Cnf::new(Arc::new(field), settings)?;
/// assert_eq!(cnf.end_time()?, 0.25);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
}

impl Default for CnfSettings {
    /// T = 1, trained; exact traces by Dormand–Prince 5(4) at tolerances of 1e-5, the checkpointed adjoint with
    /// [`DEFAULT_TAPE_MB`] for tapes, no path integrals.
    fn default() -> Self {
        let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::FFJORD);
        Self {
            end_time: 1.0,
            learn_end_time: true,
            training: SolveSettings::new(solver.clone()),
            evaluation: SolveSettings::new(solver),
            adjoint: AdjointMethod::Checkpointed(Checkpointed::new().keep_tapes(DEFAULT_TAPE_MB * 1_000_000)),
            integrals: Vec::new(),
        }
    }
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
                     its state, and not residual",
                );
            }
            if solve.block_rows == 0 {
                return invalid("rows of a block", "0".to_string(), "at least 1");
            }
            if solve.trace.probes() == Some(0) {
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
            let trace = &self.training.trace;
            let (fits, accepted) = match integral.needs() {
                Needs::Nothing | Needs::Along(_) => (true, ""),
                Needs::Products => (
                    trace.of() == TraceOf::Jacobian,
                    "taken with a training trace that is not at the bottleneck",
                ),
                Needs::Columns => (matches!(trace, TraceMode::Exact), "taken with the exact training trace"),
                Needs::SeveralProbes => (
                    trace.probes().is_some_and(|probes| probes > 1),
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
