//! The state and the equation that the adjoint method solves backwards (Grathwohl et al. 2019, eq. 6).

use std::cell::RefCell;

use super::DifferentiableSystem;
use crate::{
    error::{SolveError, StateError},
    norm::{ScaledError, Tolerance},
    state::{State, Terms},
    system::System,
};

/// The state y, its adjoint a = dL/dy, and the gradient dL/dθ gathered so far.
#[derive(Debug, Clone)]
pub(super) struct Augmented<S, G> {
    pub(super) y: S,
    pub(super) adjoint: S,
    pub(super) gradient: G,
    /// Whether the gradient counts in the error of a step.
    pub(super) measure_gradient: bool,
}

fn part<'a, A, P>(terms: &[(f64, &'a A)], part: impl Fn(&'a A) -> &'a P) -> Terms<'a, P> {
    terms.iter().map(|&(c, x)| (c, part(x))).collect()
}

impl<S: State, G: State> State for Augmented<S, G> {
    fn zeros_like(&self) -> Result<Self, StateError> {
        Ok(Self {
            y: self.y.zeros_like()?,
            adjoint: self.adjoint.zeros_like()?,
            gradient: self.gradient.zeros_like()?,
            measure_gradient: self.measure_gradient,
        })
    }

    fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError> {
        self.y.set_sum(&part(terms, |x| &x.y))?;
        self.adjoint.set_sum(&part(terms, |x| &x.adjoint))?;
        self.gradient.set_sum(&part(terms, |x| &x.gradient))
    }

    fn epsilon(&self) -> f64 {
        self.y.epsilon()
    }

    fn dot(&self, other: &Self) -> Result<f64, StateError> {
        Ok(self.y.dot(&other.y)? + self.adjoint.dot(&other.adjoint)? + self.gradient.dot(&other.gradient)?)
    }

    fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
        let y = self.y.scaled_error(&y0.y, &y1.y, tolerance)?;
        let error = y.merge(self.adjoint.scaled_error(&y0.adjoint, &y1.adjoint, tolerance)?);
        if self.measure_gradient {
            Ok(error.merge(self.gradient.scaled_error(&y0.gradient, &y1.gradient, tolerance)?))
        } else {
            Ok(error)
        }
    }

    fn non_finite_rows(&self) -> Result<Vec<usize>, StateError> {
        let mut rows = self.y.non_finite_rows()?;
        rows.extend(self.adjoint.non_finite_rows()?);
        rows.sort_unstable();
        rows.dedup();
        if rows.is_empty() {
            rows = self.gradient.non_finite_rows()?;
        }
        Ok(rows)
    }
}

/// `dy/dt = f`, `da/dt = −(∂f/∂y)ᵀ a`, `dg/dt = −(∂f/∂θ)ᵀ a`.
pub(super) struct AdjointEquation<'a, S, Sys> {
    system: &'a Sys,
    /// −a.
    negated: RefCell<S>,
}

impl<'a, S: State, Sys> AdjointEquation<'a, S, Sys> {
    pub(super) fn new(system: &'a Sys, cotangent: &S) -> Result<Self, StateError> {
        Ok(Self {
            system,
            negated: RefCell::new(cotangent.zeros_like()?),
        })
    }
}

/// A failure inside the augmented right-hand side.
#[derive(Debug, thiserror::Error)]
pub(super) enum AugmentedError<E: std::error::Error + 'static> {
    #[error(transparent)]
    System(E),
    #[error(transparent)]
    State(#[from] StateError),
}

impl<E: std::error::Error + 'static> AugmentedError<E> {
    /// The error of the solve that `error` would have been without the augmentation.
    pub(super) fn unwrap_solve(error: SolveError<Self>) -> SolveError<E> {
        match error {
            SolveError::System {
                t,
                source: Self::System(source),
            } => SolveError::System { t, source },
            SolveError::System {
                source: Self::State(source),
                ..
            }
            | SolveError::State(source) => SolveError::State(source),
            SolveError::Setup(source) => SolveError::Setup(source),
            SolveError::StepTooSmall {
                t,
                dt,
                min_step,
                error_ratio,
            } => SolveError::StepTooSmall {
                t,
                dt,
                min_step,
                error_ratio,
            },
            SolveError::NonFinite {
                t,
                dt,
                error_ratio,
                rows,
            } => SolveError::NonFinite {
                t,
                dt,
                error_ratio,
                rows,
            },
            SolveError::EventNotANumber { event, t } => SolveError::EventNotANumber { event, t },
            SolveError::MaxSteps { limit, t, t1 } => SolveError::MaxSteps { limit, t, t1 },
            SolveError::MaxEvaluations { limit, t } => SolveError::MaxEvaluations { limit, t },
        }
    }
}

impl<S: State, Sys: DifferentiableSystem<S>> System<Augmented<S, Sys::Gradient>> for AdjointEquation<'_, S, Sys> {
    type Error = AugmentedError<Sys::Error>;

    fn rhs(
        &self,
        t: f64,
        y: &Augmented<S, Sys::Gradient>,
        dy: &mut Augmented<S, Sys::Gradient>,
    ) -> Result<(), Self::Error> {
        let mut negated = self.negated.borrow_mut();
        negated.set_sum(&[(-1.0, &y.adjoint)])?;
        let tape = self
            .system
            .linearize(t, &y.y, &mut dy.y)
            .map_err(AugmentedError::System)?;
        dy.gradient.set_sum(&[])?;
        self.system
            .pullback(tape, &negated, &mut dy.adjoint, &mut dy.gradient)
            .map(drop)
            .map_err(AugmentedError::System)
    }
}
