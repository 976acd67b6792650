//! Adjoints by name, and their options.

use crate::error::{FlowError, Result};
use crate::solve::DEFAULT_TAPE_MB;
use ffjord_ode::Tolerance;
use ffjord_ode::adjoint::{AdjointMethod, AdjointNorm, Backsolve, Binomial, Checkpointed, Reversible, StatePath};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroUsize;

/// How gradients are computed, by name.
///
/// ```
/// use ffjord_flow::config::{AdjointKind, BackwardConfig};
/// assert_eq!(serde_json::from_str::<AdjointKind>(r#""interpolated""#)?, AdjointKind::Interpolated);
/// for kind in AdjointKind::ALL {
///     assert_eq!(kind.build(&BackwardConfig::default())?.name(), kind.to_string());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AdjointKind {
    /// Of the steps taken, from the states of all of them.
    #[default]
    Checkpointed,
    /// The same from some of the states.
    Binomial,
    /// Of the steps taken, which reversible Heun undoes.
    Reversible,
    /// By the adjoint equation, solved backwards.
    Backsolve,
    /// The same along the forward solve's dense output.
    Interpolated,
}

/// How an adjoint works where not by its defaults.
///
/// ```
/// use ffjord_flow::config::{AdjointKind, BackwardConfig};
/// let options: BackwardConfig = serde_json::from_str(r#"{"rtol": 1e-7, "atol": 1e-7}"#)?;
/// assert!(AdjointKind::Backsolve.build(&options).is_ok());
/// // Options that an adjoint does not read are a mistake.
/// let refused = AdjointKind::Checkpointed.build(&options).unwrap_err().to_string();
/// assert!(refused.contains("`backsolve` and `interpolated`"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackwardConfig {
    /// Relative tolerance of the solve that `backsolve` and `interpolated` do; the training solver's if absent.
    pub rtol: Option<f64>,
    /// Absolute tolerance of it.
    pub atol: Option<f64>,
    /// Whether the parameters' gradient counts in its error, too; by default it does not (the semi-norm).
    pub full_norm: bool,
    /// Memory for evaluations that `checkpointed` keeps rather than computes again, in MB (10⁶ bytes);
    /// [`DEFAULT_TAPE_MB`] if absent.
    pub tape_mb: Option<usize>,
    /// States that `binomial` keeps.
    pub snapshots: Option<NonZeroUsize>,
}

impl AdjointKind {
    /// Every adjoint.
    pub const ALL: [Self; 5] = [
        Self::Checkpointed,
        Self::Binomial,
        Self::Reversible,
        Self::Backsolve,
        Self::Interpolated,
    ];

    /// The adjoint with these options.
    ///
    /// # Errors
    /// [`FlowError::Config`] for options that it would leave unread, which are a mistake, or that are out of range.
    pub fn build(self, options: &BackwardConfig) -> Result<AdjointMethod> {
        options.check(self)?;
        Ok(match self {
            Self::Checkpointed => {
                let bytes = options.tape_mb.unwrap_or(DEFAULT_TAPE_MB).saturating_mul(1_000_000);
                AdjointMethod::Checkpointed(Checkpointed::new().keep_tapes(bytes))
            }
            Self::Binomial => {
                let snapshots = options.snapshots.map(Binomial::new);
                AdjointMethod::Binomial(snapshots.unwrap_or_default())
            }
            Self::Reversible => AdjointMethod::Reversible(Reversible),
            Self::Backsolve => AdjointMethod::Backsolve(options.backsolve(Backsolve::new())?),
            Self::Interpolated => {
                let along = Backsolve::new().path(StatePath::Interpolated);
                AdjointMethod::Backsolve(options.backsolve(along)?)
            }
        })
    }
}

impl fmt::Display for AdjointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Checkpointed => "checkpointed",
            Self::Binomial => "binomial",
            Self::Reversible => "reversible",
            Self::Backsolve => "backsolve",
            Self::Interpolated => "interpolated",
        })
    }
}

impl BackwardConfig {
    fn backsolve(&self, mut backsolve: Backsolve) -> Result<Backsolve> {
        if let (Some(rtol), Some(atol)) = (self.rtol, self.atol) {
            let tolerance = Tolerance::new(rtol, atol).map_err(|error| FlowError::config("backward", error))?;
            backsolve = backsolve.tolerance(tolerance);
        }
        Ok(if self.full_norm {
            backsolve.norm(AdjointNorm::Full)
        } else {
            backsolve
        })
    }

    fn check(&self, adjoint: AdjointKind) -> Result<()> {
        let solves_backwards = matches!(adjoint, AdjointKind::Backsolve | AdjointKind::Interpolated);
        let of_backsolve = self.rtol.is_some() || self.atol.is_some() || self.full_norm;
        let (key, reason) = if of_backsolve && !solves_backwards {
            let reason = "rtol, atol and full_norm are for the adjoints `backsolve` and `interpolated`";
            ("backward", reason)
        } else if self.rtol.is_some() != self.atol.is_some() {
            ("backward", "give both rtol and atol, or neither")
        } else if self.tape_mb.is_some() && adjoint != AdjointKind::Checkpointed {
            ("backward.tape_mb", "this is for the adjoint `checkpointed` alone")
        } else if self.snapshots.is_some() && adjoint != AdjointKind::Binomial {
            ("backward.snapshots", "this is for the adjoint `binomial` alone")
        } else {
            return Ok(());
        };
        Err(FlowError::config(key, reason))
    }
}
