//! Settings of solves as files hold them: plain values with defaults, checked once, on the way to [`SolveSettings`] and
//! [`CnfSettings`].
//!
//! ```
//! use ffjord_flow::Cnf;
//! use ffjord_flow::config::SolverConfig;
//!
//! let solver: SolverConfig = serde_json::from_str(
//!     r#"{"train": {"method": "rk4", "control": {"kind": "fixed", "steps": 4}, "trace": "rademacher"},
//!         "adjoint": "backsolve"}"#,
//! )?;
//! let cnf = Cnf::builder(2).hidden([16]).solver(&solver)?.build()?;
//! assert_eq!(cnf.settings().adjoint.to_string(), "backsolve");
//!
//! let wrong: SolverConfig = serde_json::from_str(r#"{"test": {"probes": 0}}"#)?;
//! let error = wrong.build(1).unwrap_err();
//! assert_eq!(error.to_string(), "at `test.probes`: 0 is given: accepted is a whole number from 1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adjoint;
mod block_rows;
mod trace;
mod weights;

pub use crate::solve::DEFAULT_TAPE_MB;
pub use adjoint::{AdjointKind, BackwardConfig};
pub use block_rows::{deserialize as read_block_rows, serialize as write_block_rows};
pub use trace::TraceConfig;
pub use weights::IntegralWeights;

use crate::error::{FlowError, Result};
use crate::solve::{CnfSettings, SolveSettings, TraceMode};
use ffjord_ode::{Method, Solver, Tolerance};
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// How equations are solved in training and in evaluation, and how gradients are computed.
///
/// ```
/// use ffjord_flow::config::{AdjointKind, SolverConfig};
/// let config: SolverConfig = serde_json::from_str(
///     r#"{"train": {"control": {"kind": "fixed", "steps": 8}},
///         "test": {"control": {"kind": "adaptive", "rtol": 1e-6, "atol": 1e-6}}}"#,
/// )?;
/// assert_eq!(config.adjoint, AdjointKind::Checkpointed);
/// let settings = config.build(1)?;
/// assert_eq!(settings.training.solver.control().tolerance(), None);
/// assert_eq!(settings.evaluation.solver.control().tolerance().map(|tolerance| tolerance.rtol()), Some(1e-6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SolverConfig {
    /// For training passes.
    pub train: SolveConfig,
    /// For evaluation and sampling passes.
    pub test: SolveConfig,
    /// How gradients are computed.
    pub adjoint: AdjointKind,
    /// How the adjoint works where not by its defaults.
    pub backward: BackwardConfig,
}

impl SolverConfig {
    /// The settings of each of this many flows, which share the memory for tapes; what is no matter of solving (end time,
    /// integrals) is as by default.
    ///
    /// # Errors
    /// [`FlowError::Config`] names the key of the first setting that cannot be used.
    pub fn build(&self, flows: usize) -> Result<CnfSettings> {
        let settings = CnfSettings {
            training: self.train.build().map_err(|error| error.under("train"))?,
            evaluation: self.test.build().map_err(|error| error.under("test"))?,
            adjoint: self.adjoint.build(&self.backward)?.shared_by(flows),
            ..CnfSettings::default()
        };
        let fits = settings.adjoint.require(self.train.method);
        fits.map_err(|error| FlowError::config("adjoint", error))?;
        Ok(settings)
    }
}

/// One way of solving.
///
/// ```
/// use ffjord_flow::config::SolveConfig;
/// use ffjord_flow::{SolveSettings, TraceMode};
/// let config: SolveConfig =
///     serde_json::from_str(r#"{"method": "tsit5", "trace": "rademacher", "probes": 2, "block_rows": "per-row"}"#)?;
/// let settings = config.build()?;
/// assert!(matches!(settings.trace, TraceMode::Hutchinson { probes: 2, .. }));
/// assert_eq!(settings.block_rows, SolveSettings::PER_ROW);
/// // The key is named where a setting cannot be used.
/// let refused = SolveConfig { probes: 0, ..config }.build().unwrap_err().under("solver.train").to_string();
/// assert!(refused.contains("`solver.train.probes`"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SolveConfig {
    /// The method; `dopri5` unless set.
    #[serde(with = "ffjord_nn::text")]
    pub method: Method,
    /// How its steps are chosen; adaptive with tolerances of 1e-5 unless set.
    pub control: StepConfig,
    /// `exact`, the default, or the distribution of Hutchinson's probes.
    #[serde(with = "ffjord_nn::text")]
    pub trace: TraceConfig,
    /// Whether the trace is taken at the narrowest hidden layer (FFJORD, eq. 9).
    pub bottleneck: bool,
    /// Probes for each row, where the trace is estimated; 1 unless set.
    pub probes: usize,
    /// Rows that share one solve and its steps: a number, `per-row` (1) or `whole-batch`; 256 unless set, and fewer where
    /// their tangents would not fit into [`SolveSettings::BLOCK_BYTES`]. Old files say 0 for the whole batch.
    #[serde(with = "block_rows")]
    pub block_rows: usize,
}

impl Default for SolveConfig {
    fn default() -> Self {
        Self {
            method: Method::Dopri5,
            control: StepConfig::default(),
            trace: TraceConfig::Exact,
            bottleneck: false,
            probes: 1,
            block_rows: SolveSettings::BLOCK_ROWS,
        }
    }
}

impl SolveConfig {
    /// The settings, checked.
    ///
    /// # Errors
    /// [`FlowError::Config`] names the key of the first that cannot be used.
    pub fn build(&self) -> Result<SolveSettings> {
        let solver = Solver::new(self.method);
        let solver = match self.control {
            StepConfig::Adaptive { rtol, atol, first_step } => {
                let tolerance = Tolerance::new(rtol, atol).map_err(|error| FlowError::config("control", error))?;
                let solver = solver.adaptive(tolerance);
                match first_step {
                    Some(size) if size > 0.0 && size.is_finite() => solver.first_step(size),
                    Some(size) => {
                        let reason = format!("it is {size}: accepted are positive, finite numbers");
                        return Err(FlowError::config("control.first_step", reason));
                    }
                    None => solver,
                }
            }
            StepConfig::Fixed { steps } => solver.fixed_steps(at_least_one("control.steps", steps)?),
        };
        let probes = at_least_one("probes", self.probes)?;
        let trace = match (self.trace, self.bottleneck) {
            (TraceConfig::Exact, false) => TraceMode::Exact,
            (TraceConfig::Exact, true) => TraceMode::BottleneckExact,
            (TraceConfig::Estimated(distribution), false) => TraceMode::Hutchinson { distribution, probes },
            (TraceConfig::Estimated(distribution), true) => TraceMode::Bottleneck { distribution, probes },
        };
        let block_rows = at_least_one("block_rows", self.block_rows)?;
        Ok(SolveSettings::new(solver).trace(trace).block_rows(block_rows))
    }
}

/// How steps are chosen.
///
/// ```
/// use ffjord_flow::config::StepConfig;
/// assert_eq!(StepConfig::default(), StepConfig::Adaptive { rtol: 1e-5, atol: 1e-5, first_step: None });
/// let fixed: StepConfig = serde_json::from_str(r#"{"kind": "fixed", "steps": 20}"#)?;
/// assert_eq!(fixed, StepConfig::Fixed { steps: 20 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "lowercase",
    deny_unknown_fields,
    expecting = "steps with their kind, as { kind = \"fixed\", steps = 20 } or { kind = \"adaptive\", rtol = 1e-5, atol = 1e-5 }"
)]
pub enum StepConfig {
    /// By an error estimate.
    Adaptive {
        /// Relative tolerance.
        rtol: f64,
        /// Absolute tolerance.
        atol: f64,
        /// The size of the first step, for flows that one step solves; two evaluations choose it if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first_step: Option<f64>,
    },
    /// A number of equal steps.
    Fixed {
        /// Their number.
        steps: usize,
    },
}

impl Default for StepConfig {
    fn default() -> Self {
        let (rtol, atol) = (Tolerance::FFJORD.rtol(), Tolerance::FFJORD.atol());
        Self::Adaptive {
            rtol,
            atol,
            first_step: None,
        }
    }
}

impl FlowError {
    /// What is wrong with the setting under `key`.
    fn config(key: &str, reason: impl Display) -> Self {
        Self::Config {
            key: key.to_string(),
            reason: reason.to_string(),
        }
    }

    /// The same error of a setting that lies in the section `section`.
    #[must_use]
    pub fn under(self, section: &str) -> Self {
        match self {
            Self::Config { key, reason } => Self::Config {
                key: format!("{section}.{key}"),
                reason,
            },
            other => other,
        }
    }
}

fn at_least_one(key: &str, given: usize) -> Result<usize> {
    match given {
        0 => Err(FlowError::config(key, "0 is given: accepted is a whole number from 1")),
        given => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_builders_share_their_defaults() -> Result<()> {
        let (of_files, of_code) = (SolverConfig::default().build(1)?, CnfSettings::default());
        assert_eq!(format!("{of_files:?}"), format!("{of_code:?}"));
        Ok(())
    }

    #[test]
    fn a_section_survives_its_own_file() -> Result<(), serde_json::Error> {
        let text = r#"{"train": {"method": "rk4", "control": {"kind": "fixed", "steps": 3}, "trace": "sphere",
            "probes": 2, "block_rows": "per-row"}, "test": {"block_rows": 0}, "adjoint": "interpolated",
            "backward": {"rtol": 1e-7, "atol": 1e-8}}"#;
        let config: SolverConfig = serde_json::from_str(text)?;
        assert_eq!(
            (config.train.block_rows, config.test.block_rows),
            (1, SolveSettings::WHOLE_BATCH)
        );
        assert_eq!(
            serde_json::from_str::<SolverConfig>(&serde_json::to_string(&config)?)?,
            config
        );
        Ok(())
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_key() -> Result<(), serde_json::Error> {
        for (text, expected) in [
            (
                r#"{"train": {"control": {"kind": "fixed", "steps": 0}}}"#,
                "at `train.control.steps`: 0",
            ),
            (
                r#"{"test": {"control": {"kind": "adaptive", "rtol": -1, "atol": 0}}}"#,
                "at `test.control`: tolerance",
            ),
            (
                r#"{"backward": {"snapshots": 4}}"#,
                "at `backward.snapshots`: this is for the adjoint `binomial`",
            ),
            (
                r#"{"backward": {"rtol": 1e-3, "atol": 1e-3}}"#,
                "at `backward`: rtol, atol and full_norm are for",
            ),
            (
                r#"{"adjoint": "backsolve", "backward": {"rtol": 1e-3}}"#,
                "at `backward`: give both",
            ),
            (r#"{"adjoint": "reversible"}"#, "at `adjoint`: "),
        ] {
            let config: SolverConfig = serde_json::from_str(text)?;
            let said = config
                .build(1)
                .map_or_else(|error| error.to_string(), |_| String::new());
            assert!(said.starts_with(expected), "{text}: {said}");
        }
        Ok(())
    }

    #[test]
    fn a_block_of_no_rows_is_refused_in_code() {
        let config = SolveConfig {
            block_rows: 0,
            ..SolveConfig::default()
        };
        assert!(matches!(config.build(), Err(FlowError::Config { key, .. }) if key == "block_rows"));
    }
}
