//! The stepper of any method, chosen at run time.

use super::{Esdirk, ExplicitRungeKutta, FixedAdams, Radau5, ReversibleHeun, Stepper, VariableAdams};
use crate::{
    error::{SolveError, StateError},
    interpolant::Interpolant,
    methods::{Method, Scheme},
    norm::{ScaledError, Tolerance},
    state::{NonFinite, State},
    system::{Evaluator, System},
};

/// A stepper of one of the [`Method`]s.
#[derive(Debug, Clone)]
pub(crate) enum AnyStepper<S> {
    ExplicitRungeKutta(Box<ExplicitRungeKutta<S>>),
    FixedAdams(Box<FixedAdams<S>>),
    VariableAdams(Box<VariableAdams<S>>),
    ReversibleHeun(Box<ReversibleHeun<S>>),
    Esdirk(Box<Esdirk<S>>),
    Radau5(Box<Radau5<S>>),
}

impl<S: State> AnyStepper<S> {
    /// The stepper of `method` for states like `y`; equations inside a step are solved for steps of this tolerance.
    pub(crate) fn new(method: Method, tolerance: Option<Tolerance>, y: &S) -> Result<Self, StateError> {
        Ok(match method.scheme() {
            Scheme::ExplicitRungeKutta(tableau) => {
                Self::ExplicitRungeKutta(Box::new(ExplicitRungeKutta::new(tableau, y)?))
            }
            Scheme::FixedAdams(method) => Self::FixedAdams(Box::new(FixedAdams::new(method, y)?)),
            Scheme::VariableAdams { name, max_order } => {
                Self::VariableAdams(Box::new(VariableAdams::new(name, max_order, y)?))
            }
            Scheme::ReversibleHeun => Self::ReversibleHeun(Box::new(ReversibleHeun::new(y)?)),
            Scheme::Esdirk(tableau) => Self::Esdirk(Box::new(Esdirk::new(tableau, tolerance, y)?)),
            Scheme::Radau5 => Self::Radau5(Box::new(Radau5::new(tolerance, y)?)),
        })
    }
}

/// The same of whichever stepper it is.
macro_rules! of_each {
    ($any:expr, $stepper:ident => $value:expr) => {
        match $any {
            AnyStepper::ExplicitRungeKutta($stepper) => $value,
            AnyStepper::FixedAdams($stepper) => $value,
            AnyStepper::VariableAdams($stepper) => $value,
            AnyStepper::ReversibleHeun($stepper) => $value,
            AnyStepper::Esdirk($stepper) => $value,
            AnyStepper::Radau5($stepper) => $value,
        }
    };
}

impl<S: State> Stepper<S> for AnyStepper<S> {
    fn name(&self) -> &'static str {
        of_each!(self, stepper => stepper.name())
    }

    fn order(&self) -> u32 {
        of_each!(self, stepper => stepper.order())
    }

    fn error_order(&self) -> Option<u32> {
        of_each!(self, stepper => stepper.error_order())
    }

    fn start<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t: f64, y: &S) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        of_each!(self, stepper => stepper.start(f, t, y))
    }

    fn time(&self) -> f64 {
        of_each!(self, stepper => stepper.time())
    }

    fn state(&self) -> &S {
        of_each!(self, stepper => stepper.state())
    }

    fn initial_slope(&self) -> &S {
        of_each!(self, stepper => stepper.initial_slope())
    }

    fn attempt<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t_next: f64) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        of_each!(self, stepper => stepper.attempt(f, t_next))
    }

    fn is_solved(&self) -> bool {
        of_each!(self, stepper => stepper.is_solved())
    }

    fn candidate(&self) -> &S {
        of_each!(self, stepper => stepper.candidate())
    }

    fn measure_error(&mut self, tolerance: &Tolerance) -> Result<Option<ScaledError>, StateError> {
        of_each!(self, stepper => stepper.measure_error(tolerance))
    }

    fn non_finite(&self) -> Result<NonFinite, StateError> {
        of_each!(self, stepper => stepper.non_finite())
    }

    fn interpolant<Sys>(&mut self, f: &mut Evaluator<'_, Sys>) -> Result<Interpolant<S>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        of_each!(self, stepper => stepper.interpolant(f))
    }

    fn takes_mass_matrix(&self) -> bool {
        of_each!(self, stepper => stepper.takes_mass_matrix())
    }

    fn accept(&mut self) {
        of_each!(self, stepper => stepper.accept());
    }
}
