//! The ready-made choice of method, step control and budgets.

use crate::{
    control::{Adaptive, Clipped, ConstantStep, Controller, PidController, StepControl, StepGrid},
    error::{SetupError, SolveError},
    event::Event,
    integrate::{Limits, Watchers, integrate_watched},
    methods::{Method, Scheme},
    norm::Tolerance,
    save::check_times,
    solution::{OnBudget, SaveAt, Solution},
    state::State,
    stepper::{Esdirk, ExplicitRungeKutta, FixedAdams, Radau5, ReversibleHeun, Stepper, VariableAdams},
    system::System,
};

/// A method, its step control and its budgets; cheap to clone, and shared by any number of threads.
///
/// Begin with [`Solver::new`], then say how steps are chosen: only then it can solve.
///
/// ```
/// use ffjord_ode::{Method, Solver, Tolerance};
///
/// let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-8, 1e-10)?);
/// let harmonic = |_t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -y[0]];
/// let solution = solver.solve(&harmonic, &[0.0, 1.0], 0.0, 1.0)?;
/// assert!((solution.state[0] - 1.0_f64.sin()).abs() < 1e-8);
/// assert_eq!(solution.stats.nfe, 2 + 6 * (solution.stats.accepted + solution.stats.rejected));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Solver<C = StepControl> {
    method: Method,
    control: C,
    limits: Limits,
    stop_at: Vec<f64>,
}

/// A solver whose steps have not been chosen yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepsNotChosen;

impl Solver<StepsNotChosen> {
    /// A solver of this method; [`adaptive`](Solver::adaptive), [`fixed_steps`](Solver::fixed_steps) or
    /// [`fixed_size`](Solver::fixed_size) completes it.
    pub fn new(method: Method) -> Self {
        Self {
            method,
            control: StepsNotChosen,
            limits: Limits::default(),
            stop_at: Vec::new(),
        }
    }
}

impl<C> Solver<C> {
    /// Steps that keep the error of each within `tolerance`, chosen as torchdiffeq chooses them.
    #[must_use]
    pub fn adaptive(self, tolerance: Tolerance) -> Solver {
        self.adaptive_with(Adaptive::new(tolerance))
    }

    /// Steps that follow the error as `settings` say.
    #[must_use]
    pub fn adaptive_with(self, settings: Adaptive) -> Solver {
        self.controlled(StepControl::Adaptive(settings))
    }

    /// This many equal steps, at least 1.
    #[must_use]
    pub fn fixed_steps(self, count: usize) -> Solver {
        self.controlled(StepControl::Constant(StepGrid::Count(count)))
    }

    /// Steps of this size, positive in both directions of time, the last one shorter where they do not fit.
    #[must_use]
    pub fn fixed_size(self, size: f64) -> Solver {
        self.controlled(StepControl::Constant(StepGrid::Size(size)))
    }

    fn controlled(self, control: StepControl) -> Solver {
        Solver {
            method: self.method,
            control,
            limits: self.limits,
            stop_at: self.stop_at,
        }
    }

    /// Budget of attempted steps; 100,000 unless set.
    #[must_use]
    pub fn max_steps(mut self, limit: usize) -> Self {
        self.limits.max_steps = limit;
        self
    }

    /// Budget of evaluations of the right-hand side; unlimited unless set.
    #[must_use]
    pub fn max_evaluations(mut self, limit: usize) -> Self {
        self.limits.max_evaluations = limit;
        self
    }

    /// What happens when a budget is used up; failure unless set.
    #[must_use]
    pub fn on_budget(mut self, on_budget: OnBudget) -> Self {
        self.limits.on_budget = on_budget;
        self
    }

    /// Which values to return beside the last; none unless set.
    #[must_use]
    pub fn save_at(mut self, save_at: SaveAt) -> Self {
        self.limits.save_at = save_at;
        self
    }

    /// Times that steps must end on, in the order of the solve: where the right-hand side is not smooth, for instance.
    #[must_use]
    pub fn stop_at(mut self, times: Vec<f64>) -> Self {
        self.stop_at = times;
        self
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The budgets and what is saved.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl Solver {
    /// The step control.
    pub fn control(&self) -> &StepControl {
        &self.control
    }

    /// The same solver for the way back from `t1` to `t0`: the stop times between them in reverse order.
    pub(crate) fn reversed(mut self, t0: f64, t1: f64) -> Self {
        self.stop_at.retain(|&stop| (stop - t0) * (t1 - stop) >= 0.0);
        self.stop_at.reverse();
        self
    }

    /// Solves `dy/dt = f(t, y)`, `y(t0) = y0` up to `t1`, which may lie before `t0`.
    ///
    /// With `t0 == t1` the solution is `y0`, and nothing is evaluated.
    ///
    /// # Errors
    /// [`SolveError`] says what ended the solve and what to do; a used-up budget is no error with
    /// [`OnBudget::Partial`].
    pub fn solve<S, Sys>(&self, system: &Sys, y0: &S, t0: f64, t1: f64) -> Result<Solution<S>, SolveError<Sys::Error>>
    where
        S: State,
        Sys: System<S> + ?Sized,
    {
        self.solve_with_events(system, y0, t0, t1, &[])
    }

    /// [`solve`](Self::solve), looking for events: the solution says which happened where, and a terminal one ends it.
    ///
    /// [`Event`] has an example.
    ///
    /// # Errors
    /// As [`solve`](Self::solve), and [`SolveError::EventNotANumber`].
    pub fn solve_with_events<S, Sys>(
        &self,
        system: &Sys,
        y0: &S,
        t0: f64,
        t1: f64,
        events: &[Event<'_, S>],
    ) -> Result<Solution<S>, SolveError<Sys::Error>>
    where
        S: State,
        Sys: System<S> + ?Sized,
    {
        let span = (t0, t1);
        let watchers = Watchers {
            events,
            observe: &mut |_, _| (),
        };
        match self.method.scheme() {
            Scheme::ExplicitRungeKutta(tableau) => {
                self.drive(&mut ExplicitRungeKutta::new(tableau, y0)?, system, y0, span, watchers)
            }
            Scheme::FixedAdams(method) => self.drive(&mut FixedAdams::new(method, y0)?, system, y0, span, watchers),
            Scheme::VariableAdams { name, max_order } => self.drive(
                &mut VariableAdams::new(name, max_order, y0)?,
                system,
                y0,
                span,
                watchers,
            ),
            Scheme::ReversibleHeun => self.drive(&mut ReversibleHeun::new(y0)?, system, y0, span, watchers),
            Scheme::Esdirk(tableau) => {
                let mut stepper = Esdirk::new(tableau, self.control.tolerance(), y0)?;
                self.drive(&mut stepper, system, y0, span, watchers)
            }
            Scheme::Radau5 => {
                let mut stepper = Radau5::new(self.control.tolerance(), y0)?;
                self.drive(&mut stepper, system, y0, span, watchers)
            }
        }
    }

    /// Solves with this stepper, which is one of the solver's method, watched by `watchers`.
    pub(crate) fn drive<S, Sys, M>(
        &self,
        stepper: &mut M,
        system: &Sys,
        y0: &S,
        (t0, t1): (f64, f64),
        watchers: Watchers<'_, '_, S>,
    ) -> Result<Solution<S>, SolveError<Sys::Error>>
    where
        S: State,
        Sys: System<S> + ?Sized,
        M: Stepper<S>,
    {
        match &self.control {
            StepControl::Adaptive(settings) => {
                let mut controller = self.clipped(PidController::new(settings.clone())?, t0, t1)?;
                integrate_watched(system, y0, (t0, t1), stepper, &mut controller, &self.limits, watchers)
            }
            StepControl::Constant(_) if !self.method.has_fixed_order() => Err(SetupError::NeedsErrorEstimate {
                method: self.method.name(),
            }
            .into()),
            StepControl::Constant(grid) => {
                let controller = ConstantStep::new(*grid, t0, t1)?;
                // Known to be too many before the first: say so before any work is done.
                if controller.steps() > self.limits.max_steps && self.limits.on_budget == OnBudget::Fail {
                    return Err(SolveError::MaxSteps {
                        limit: self.limits.max_steps,
                        t: t0,
                        t1,
                    });
                }
                let mut controller = self.clipped(controller, t0, t1)?;
                integrate_watched(system, y0, (t0, t1), stepper, &mut controller, &self.limits, watchers)
            }
        }
    }

    /// The controller, its steps ending on the stop times and on the end.
    fn clipped<C: Controller>(&self, controller: C, t0: f64, t1: f64) -> Result<Clipped<C>, SetupError> {
        check_times("stop", &self.stop_at, t0, t1)?;
        let mut stops = self.stop_at.clone();
        stops.push(t1);
        stops.dedup();
        Ok(Clipped::new(controller, stops))
    }
}
