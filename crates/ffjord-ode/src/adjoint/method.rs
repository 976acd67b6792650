//! The choice of adjoint at run time.

use std::{fmt, str::FromStr};

use super::{
    Adjoint, AdjointSolution, Backsolve, BacksolveRecord, Binomial, BinomialRecord, CheckpointRecord, Checkpointed,
    DifferentiableSystem, Forward, Reversible, ReversibleRecord, StatePath, require_tableau,
    reversible::require_reversible,
};
use crate::{
    error::{SetupError, SolveError},
    methods::Method,
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
///
/// A method that an adjoint cannot differentiate through is refused before the solve:
///
/// ```
/// use ffjord_ode::Method;
/// use ffjord_ode::adjoint::{AdjointMethod, Checkpointed};
/// let adjoint: AdjointMethod = "reversible".parse()?;
/// assert_eq!(adjoint.name(), "reversible");
/// assert!(adjoint.require(Method::ReversibleHeun).is_ok());
/// let refused = adjoint.require(Method::Dopri5).unwrap_err().to_string();
/// assert!(refused.contains("dopri5") && refused.contains("reversible_heun"), "{refused}");
/// // Four solves share the memory for tapes.
/// let shared = AdjointMethod::Checkpointed(Checkpointed::new().keep_tapes(4096)).shared_by(4);
/// assert_eq!(shared, AdjointMethod::Checkpointed(Checkpointed::new().keep_tapes(1024)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AdjointMethod {
    /// `checkpointed`, the default.
    Checkpointed(Checkpointed),
    /// `binomial`.
    Binomial(Binomial),
    /// `reversible`.
    Reversible(Reversible),
    /// `backsolve`, or `interpolated` with [`StatePath::Interpolated`].
    Backsolve(Backsolve),
}

impl AdjointMethod {
    /// The names, as [`FromStr`] reads them.
    pub const NAMES: [&'static str; 5] = ["checkpointed", "binomial", "reversible", "backsolve", "interpolated"];

    /// The same adjoint for each of several solves that share the memory for tapes.
    #[must_use]
    pub fn shared_by(&self, solves: usize) -> Self {
        match self {
            Self::Checkpointed(adjoint) => {
                Self::Checkpointed(adjoint.keep_tapes(adjoint.tape_budget() / solves.max(1)))
            }
            other => other.clone(),
        }
    }

    /// Whether this adjoint differentiates through a method; every forward solve asks for it first.
    ///
    /// # Errors
    /// [`SetupError::AdjointNeedsMethod`] if it does not.
    pub fn require(&self, method: Method) -> Result<(), SetupError> {
        match self {
            Self::Checkpointed(_) | Self::Binomial(_) => require_tableau(self.name(), method).map(drop),
            Self::Reversible(_) => require_reversible(method),
            Self::Backsolve(_) => Ok(()),
        }
    }

    /// The name in configurations.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Checkpointed(_) => "checkpointed",
            Self::Binomial(_) => "binomial",
            Self::Reversible(_) => "reversible",
            Self::Backsolve(backsolve) => match backsolve.state_path() {
                StatePath::Resolved => "backsolve",
                StatePath::Interpolated => "interpolated",
            },
        }
    }
}

impl Default for AdjointMethod {
    fn default() -> Self {
        Self::Checkpointed(Checkpointed::new())
    }
}

impl fmt::Display for AdjointMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for AdjointMethod {
    type Err = SetupError;

    /// The adjoint of this name, with its default settings.
    fn from_str(name: &str) -> Result<Self, SetupError> {
        match name {
            "checkpointed" => Ok(Self::Checkpointed(Checkpointed::new())),
            "binomial" => Ok(Self::Binomial(Binomial::default())),
            "reversible" => Ok(Self::Reversible(Reversible)),
            "backsolve" => Ok(Self::Backsolve(Backsolve::new())),
            "interpolated" => Ok(Self::Backsolve(Backsolve::new().path(StatePath::Interpolated))),
            _ => Err(SetupError::UnknownName {
                kind: "adjoint",
                given: name.to_owned(),
                known: Self::NAMES.join(", "),
            }),
        }
    }
}

/// What a forward solve kept; it belongs to the adjoint that made it.
///
/// ```
/// use ffjord_ode::{Method, Solver};
/// use ffjord_ode::adjoint::{Adjoint, AdjointMethod, AdjointRecord, Backsolve};
/// # use ffjord_ode::{System, adjoint::DifferentiableSystem};
/// # struct Decay;
/// # impl System<[f64; 1]> for Decay {
/// #     type Error = std::convert::Infallible;
/// #     fn rhs(&self, _t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> {
/// #         dy[0] = -y[0];
/// #         Ok(())
/// #     }
/// # }
/// # impl DifferentiableSystem<[f64; 1]> for Decay {
/// #     type Tape = ();
/// #     type Gradient = [f64; 0];
/// #     fn zero_gradient(&self) -> Result<[f64; 0], Self::Error> { Ok([]) }
/// #     fn linearize(&self, t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> { self.rhs(t, y, dy) }
/// #     fn pullback(
/// #         &self, _: (), v: &[f64; 1], grad_y: &mut [f64; 1], _: &mut [f64; 0],
/// #     ) -> Result<f64, Self::Error> {
/// #         grad_y[0] = -v[0];
/// #         Ok(0.0)
/// #     }
/// # }
/// let solver = Solver::new(Method::Rk4).fixed_steps(20);
/// let (_, record) = AdjointMethod::default().forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// assert!(matches!(&record, AdjointRecord::Checkpointed(states) if states.steps().len() == 21));
/// // The record decides how it is pulled back, whichever adjoint is asked.
/// let gradient = AdjointMethod::Backsolve(Backsolve::new()).backward(&Decay, record, &[1.0])?;
/// assert!((gradient.y0[0] - (-1.0_f64).exp()).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AdjointRecord<S, T> {
    /// Of [`Checkpointed`].
    Checkpointed(CheckpointRecord<S, T>),
    /// Of [`Binomial`].
    Binomial(BinomialRecord<S>),
    /// Of [`Reversible`].
    Reversible(ReversibleRecord<S>),
    /// Of [`Backsolve`].
    Backsolve(BacksolveRecord<S>),
}

impl<S: State, Sys: DifferentiableSystem<S>> Adjoint<S, Sys> for AdjointMethod {
    type Record = AdjointRecord<S, Sys::Tape>;

    fn forward(
        &self,
        solver: &Solver,
        system: &Sys,
        y0: &S,
        t0: f64,
        t1: f64,
    ) -> Forward<S, AdjointRecord<S, Sys::Tape>, Sys::Error> {
        Ok(match self {
            Self::Checkpointed(adjoint) => {
                let (solution, record) = adjoint.forward(solver, system, y0, t0, t1)?;
                (solution, AdjointRecord::Checkpointed(record))
            }
            Self::Binomial(adjoint) => {
                let (solution, record) = adjoint.forward(solver, system, y0, t0, t1)?;
                (solution, AdjointRecord::Binomial(record))
            }
            Self::Reversible(adjoint) => {
                let (solution, record) = adjoint.forward(solver, system, y0, t0, t1)?;
                (solution, AdjointRecord::Reversible(record))
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
        record: AdjointRecord<S, Sys::Tape>,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        match record {
            AdjointRecord::Checkpointed(record) => record.pull_back(system, cotangent),
            AdjointRecord::Binomial(record) => record.pull_back(system, cotangent),
            AdjointRecord::Reversible(record) => record.pull_back(system, cotangent),
            AdjointRecord::Backsolve(record) => record.pull_back(system, cotangent),
        }
    }
}
