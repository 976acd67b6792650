//! The choice of adjoint at run time.

use std::{fmt, str::FromStr};

use super::{
    Adjoint, AdjointSolution, Backsolve, BacksolveRecord, CheckpointRecord, Checkpointed, DifferentiableSystem, Forward,
};
use crate::{
    error::{SetupError, SolveError},
    solver::Solver,
    state::State,
};

/// One of the adjoints, chosen at run time.
///
/// ```
/// use ffjord_ode::adjoint::{AdjointMethod, Backsolve};
/// assert_eq!("backsolve".parse(), Ok(AdjointMethod::Backsolve(Backsolve::new())));
/// assert_eq!(AdjointMethod::default().to_string(), "checkpointed");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AdjointMethod {
    /// `checkpointed`, the default.
    Checkpointed(Checkpointed),
    /// `backsolve`.
    Backsolve(Backsolve),
}

impl Default for AdjointMethod {
    fn default() -> Self {
        Self::Checkpointed(Checkpointed)
    }
}

impl fmt::Display for AdjointMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Checkpointed(_) => "checkpointed",
            Self::Backsolve(_) => "backsolve",
        })
    }
}

impl FromStr for AdjointMethod {
    type Err = SetupError;

    /// The adjoint of this name, with its default settings.
    fn from_str(name: &str) -> Result<Self, SetupError> {
        match name {
            "checkpointed" => Ok(Self::Checkpointed(Checkpointed)),
            "backsolve" => Ok(Self::Backsolve(Backsolve::new())),
            _ => Err(SetupError::UnknownName {
                kind: "adjoint",
                given: name.to_owned(),
                known: "checkpointed, backsolve".to_owned(),
            }),
        }
    }
}

/// What a forward solve kept; it belongs to the adjoint that made it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AdjointRecord<S> {
    /// Of [`Checkpointed`].
    Checkpointed(CheckpointRecord<S>),
    /// Of [`Backsolve`].
    Backsolve(BacksolveRecord<S>),
}

impl<S: State, Sys: DifferentiableSystem<S>> Adjoint<S, Sys> for AdjointMethod {
    type Record = AdjointRecord<S>;

    fn forward(
        &self,
        solver: &Solver,
        system: &Sys,
        y0: &S,
        t0: f64,
        t1: f64,
    ) -> Forward<S, AdjointRecord<S>, Sys::Error> {
        Ok(match self {
            Self::Checkpointed(adjoint) => {
                let (solution, record) = adjoint.forward(solver, system, y0, t0, t1)?;
                (solution, AdjointRecord::Checkpointed(record))
            }
            Self::Backsolve(adjoint) => {
                let (solution, record) = adjoint.forward(solver, system, y0, t0, t1)?;
                (solution, AdjointRecord::Backsolve(record))
            }
        })
    }

    /// Pulls back as the adjoint that made the record does: the record decides, so the two cannot disagree.
    fn backward(
        &self,
        system: &Sys,
        record: AdjointRecord<S>,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        match record {
            AdjointRecord::Checkpointed(record) => Checkpointed.backward(system, record, cotangent),
            AdjointRecord::Backsolve(record) => record.pull_back(system, cotangent),
        }
    }
}
