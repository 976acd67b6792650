//! The adjoint method with y solved again on the way back, and with y read off the forward solution.

use std::cell::RefCell;

use super::{
    DifferentiableSystem,
    costate::{AdjointEquation, AdjointError, Costate, part},
};
use crate::{
    error::StateError,
    interpolant::DenseOutput,
    norm::{ScaledError, Tolerance},
    state::{NonFinite, State},
    system::System,
};

/// The state y and what is solved for along its path.
#[derive(Debug, Clone)]
pub(super) struct Augmented<S, G> {
    pub(super) y: S,
    pub(super) costate: Costate<S, G>,
}

impl<S: State, G: State> State for Augmented<S, G> {
    fn zeros_like(&self) -> Result<Self, StateError> {
        Ok(Self {
            y: self.y.zeros_like()?,
            costate: self.costate.zeros_like()?,
        })
    }

    fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError> {
        self.y.set_sum(&part(terms, |x| &x.y))?;
        self.costate.set_sum(&part(terms, |x| &x.costate))
    }

    fn epsilon(&self) -> f64 {
        self.y.epsilon()
    }

    fn dot(&self, other: &Self) -> Result<f64, StateError> {
        Ok(self.y.dot(&other.y)? + self.costate.dot(&other.costate)?)
    }

    fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
        let y = self.y.scaled_error(&y0.y, &y1.y, tolerance)?;
        Ok(y.merge(self.costate.scaled_error(&y0.costate, &y1.costate, tolerance)?))
    }

    fn scaled_dot(&self, other: &Self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<f64, StateError> {
        let y = self.y.scaled_dot(&other.y, &y0.y, &y1.y, tolerance)?;
        let costate = self
            .costate
            .scaled_dot(&other.costate, &y0.costate, &y1.costate, tolerance)?;
        Ok(y + costate)
    }

    fn to_components(&self) -> Result<Vec<f64>, StateError> {
        let mut components = self.y.to_components()?;
        components.extend(self.costate.to_components()?);
        Ok(components)
    }

    fn set_components(&mut self, components: &[f64]) -> Result<(), StateError> {
        let split = self.y.to_components()?.len().min(components.len());
        let (y, costate) = components.split_at(split);
        self.y.set_components(y)?;
        self.costate.set_components(costate)
    }

    fn non_finite(&self) -> Result<NonFinite, StateError> {
        self.y.non_finite()?.or_else(|| self.costate.non_finite())
    }
}

impl<S: State, Sys: DifferentiableSystem<S>> System<Augmented<S, Sys::Gradient>> for AdjointEquation<'_, S, Sys> {
    type Error = AdjointError<Sys::Error>;

    fn rhs(
        &self,
        t: f64,
        y: &Augmented<S, Sys::Gradient>,
        dy: &mut Augmented<S, Sys::Gradient>,
    ) -> Result<(), Self::Error> {
        self.evaluate(t, &y.y, &y.costate, &mut dy.y, &mut dy.costate)
    }
}

/// The adjoint equation along the dense output of the forward solve.
pub(super) struct AlongPath<'a, S, Sys> {
    equation: AdjointEquation<'a, S, Sys>,
    path: &'a DenseOutput<S>,
    /// f(t, y), which nothing asks for.
    slope: RefCell<S>,
}

impl<'a, S: State, Sys: DifferentiableSystem<S>> AlongPath<'a, S, Sys> {
    pub(super) fn new(system: &'a Sys, path: &'a DenseOutput<S>, cotangent: &S) -> Result<Self, StateError> {
        Ok(Self {
            equation: AdjointEquation::new(system, cotangent)?,
            path,
            slope: RefCell::new(cotangent.zeros_like()?),
        })
    }
}

impl<S: State, Sys: DifferentiableSystem<S>> System<Costate<S, Sys::Gradient>> for AlongPath<'_, S, Sys> {
    type Error = AdjointError<Sys::Error>;

    fn rhs(
        &self,
        t: f64,
        costate: &Costate<S, Sys::Gradient>,
        d_costate: &mut Costate<S, Sys::Gradient>,
    ) -> Result<(), Self::Error> {
        let y = self.path.nearest(t)?;
        self.equation
            .evaluate(t, &y, costate, &mut self.slope.borrow_mut(), d_costate)
    }
}
