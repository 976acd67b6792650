//! What the adjoint method solves for along a path y(t), and its equation (Grathwohl et al. 2019, eq. 6).

use std::cell::RefCell;

use super::DifferentiableSystem;
use crate::{
    error::{SolveError, StateError},
    norm::{ScaledError, Tolerance},
    state::{NonFinite, State, Terms},
};

/// The adjoint a = dL/dy, and the gradient dL/dθ gathered so far.
#[derive(Debug, Clone)]
pub(super) struct Costate<S, G> {
    pub(super) adjoint: S,
    pub(super) gradient: G,
    /// Whether the gradient counts in the error of a step.
    pub(super) measure_gradient: bool,
}

/// A linear combination of parts of the states in `terms`.
pub(super) fn part<'a, A, P>(terms: &[(f64, &'a A)], part: impl Fn(&'a A) -> &'a P) -> Terms<'a, P> {
    terms.iter().map(|&(c, x)| (c, part(x))).collect()
}

impl<S: State, G: State> State for Costate<S, G> {
    fn zeros_like(&self) -> Result<Self, StateError> {
        Ok(Self {
            adjoint: self.adjoint.zeros_like()?,
            gradient: self.gradient.zeros_like()?,
            measure_gradient: self.measure_gradient,
        })
    }

    fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError> {
        self.adjoint.set_sum(&part(terms, |x| &x.adjoint))?;
        self.gradient.set_sum(&part(terms, |x| &x.gradient))
    }

    fn epsilon(&self) -> f64 {
        self.adjoint.epsilon()
    }

    fn dot(&self, other: &Self) -> Result<f64, StateError> {
        Ok(self.adjoint.dot(&other.adjoint)? + self.gradient.dot(&other.gradient)?)
    }

    fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
        let error = self.adjoint.scaled_error(&y0.adjoint, &y1.adjoint, tolerance)?;
        if self.measure_gradient {
            Ok(error.merge(self.gradient.scaled_error(&y0.gradient, &y1.gradient, tolerance)?))
        } else {
            Ok(error)
        }
    }

    fn scaled_dot(&self, other: &Self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<f64, StateError> {
        let adjoint = self
            .adjoint
            .scaled_dot(&other.adjoint, &y0.adjoint, &y1.adjoint, tolerance)?;
        let gradient = self
            .gradient
            .scaled_dot(&other.gradient, &y0.gradient, &y1.gradient, tolerance)?;
        Ok(adjoint + gradient)
    }

    fn to_components(&self) -> Result<Vec<f64>, StateError> {
        let mut components = self.adjoint.to_components()?;
        components.extend(self.gradient.to_components()?);
        Ok(components)
    }

    fn set_components(&mut self, components: &[f64]) -> Result<(), StateError> {
        let split = self.adjoint.to_components()?.len().min(components.len());
        let (adjoint, gradient) = components.split_at(split);
        self.adjoint.set_components(adjoint)?;
        self.gradient.set_components(gradient)
    }

    fn non_finite(&self) -> Result<NonFinite, StateError> {
        let gradient = || Ok(self.gradient.non_finite()?.called("part of the gradient"));
        self.adjoint.non_finite()?.or_else(gradient)
    }
}

/// `da/dt = −(∂f/∂y)ᵀ a`, `dg/dt = −(∂f/∂θ)ᵀ a`, wherever y comes from.
pub(super) struct AdjointEquation<'a, S, Sys> {
    system: &'a Sys,
    /// −a.
    negated: RefCell<S>,
}

impl<'a, S: State, Sys: DifferentiableSystem<S>> AdjointEquation<'a, S, Sys> {
    pub(super) fn new(system: &'a Sys, cotangent: &S) -> Result<Self, StateError> {
        Ok(Self {
            system,
            negated: RefCell::new(cotangent.zeros_like()?),
        })
    }

    /// Writes f(t, y) into `dy` and the derivative of `costate` into `d_costate`.
    pub(super) fn evaluate(
        &self,
        t: f64,
        y: &S,
        costate: &Costate<S, Sys::Gradient>,
        dy: &mut S,
        d_costate: &mut Costate<S, Sys::Gradient>,
    ) -> Result<(), AdjointError<Sys::Error>> {
        let mut negated = self.negated.borrow_mut();
        negated.set_sum(&[(-1.0, &costate.adjoint)])?;
        let tape = self.system.linearize(t, y, dy).map_err(AdjointError::System)?;
        d_costate.gradient.set_sum(&[])?;
        self.system
            .pullback(tape, &negated, &mut d_costate.adjoint, &mut d_costate.gradient)
            .map(drop)
            .map_err(AdjointError::System)
    }
}

/// A failure inside the adjoint equation.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdjointError<E: std::error::Error + 'static> {
    #[error(transparent)]
    System(E),
    #[error(transparent)]
    State(#[from] StateError),
}

impl<E: std::error::Error + 'static> AdjointError<E> {
    /// The error of the solve that `error` would have been on its own.
    pub(super) fn unwrap_solve(error: SolveError<Self>) -> SolveError<E> {
        error.map_system(|t, source| match source {
            Self::System(source) => SolveError::System { t, source },
            Self::State(source) => SolveError::State(source),
        })
    }
}
