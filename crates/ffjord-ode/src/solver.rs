//! The ready-made choice of method, step control and budgets.

use std::{convert::Infallible, ops::ControlFlow};

use crate::{
    control::{Adaptive, ConstantStep, ControllerSource, NextStep, OwnControl, PidController, StepControl, StepGrid},
    error::{SetupError, SolveError},
    event::Event,
    integrate::{Limits, Start, Watchers, integrate_from},
    methods::Method,
    norm::Tolerance,
    open::{OpenSolve, part_of},
    solution::{OnBudget, SaveAt, Solution},
    state::State,
    step::Step,
    stepper::{AnyStepper, Stepper},
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
///
/// The settings of a solver, each on its own:
///
/// ```
/// use ffjord_ode::{Adaptive, Method, SaveAt, SolveError, Solver, Tolerance};
/// let kink = |t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = (t - 0.3).abs();
/// let fixed = Solver::new(Method::Rk4).fixed_size(0.25).stop_at(vec![0.3]).save_at(SaveAt::Steps);
/// let solution = fixed.solve(&kink, &[0.0], 0.0, 1.0)?;
/// assert!(solution.saved.iter().any(|point| point.t == 0.3));
/// assert!((solution.state[0] - (0.09 + 0.49) / 2.0).abs() < 1e-15);
///
/// let short = Adaptive::new(Tolerance::FFJORD).max_step(0.01);
/// let adaptive = Solver::new(Method::Dopri5).adaptive_with(short).max_steps(20);
/// assert_eq!((adaptive.method(), adaptive.limits().max_steps), (Method::Dopri5, 20));
/// let failed = adaptive.solve(&kink, &[0.0], 0.0, 1.0);
/// assert!(matches!(failed, Err(SolveError::MaxSteps { limit: 20, .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Solver<C = StepControl> {
    method: Method,
    control: C,
    limits: Limits,
}

/// A solver whose steps have not been chosen yet.
///
/// ```
/// use ffjord_ode::{Method, Solver, StepsNotChosen, Tolerance};
/// let growth = |t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 2.0 * t;
/// // It has a method and budgets, but no `solve`.
/// let base: Solver<StepsNotChosen> = Solver::new(Method::Dopri5).max_steps(50);
/// let fixed = base.clone().fixed_steps(5).solve(&growth, &[0.0], 0.0, 1.0)?;
/// let adaptive = base.adaptive(Tolerance::new(1e-6, 1e-6)?).solve(&growth, &[0.0], 0.0, 1.0)?;
/// assert!((fixed.state[0] - 1.0).abs() < 1e-14 && (adaptive.state[0] - 1.0).abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        }
    }
}

impl<C> Solver<C> {
    /// Steps that keep the error of each within `tolerance`, chosen as torchdiffeq chooses them; those of `tsit5`, `vern7`
    /// and `radau5`, which torchdiffeq does not have, are [`Predicted`](NextStep::Predicted).
    #[must_use]
    pub fn adaptive(self, tolerance: Tolerance) -> Solver {
        let settings = Adaptive::new(tolerance);
        let settings = match self.method {
            Method::Tsit5 | Method::Vern7 | Method::Radau5 => settings.next_step(NextStep::Predicted),
            _ => settings,
        };
        self.adaptive_with(settings)
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

    /// Steps chosen by controllers of the caller's own, a fresh one for every solve: copies of a [`Controller`], or
    /// whatever a [`ControllerSource`] makes.
    ///
    /// ```
    /// use ffjord_ode::{Attempt, Controller, ErrorMeasure, ErrorNorm, Method, Solver, Tolerance, Verdict};
    ///
    /// /// Halves its step where the error is too large, and makes it a fifth longer where it is small.
    /// #[derive(Debug, Clone)]
    /// struct Simple { tolerance: Tolerance, step: f64 }
    ///
    /// impl Controller for Simple {
    ///     fn measure(&self) -> Option<ErrorMeasure> {
    ///         Some(ErrorMeasure { tolerance: self.tolerance, norm: ErrorNorm::Max })
    ///     }
    ///     fn first_step(&self) -> Option<f64> { None }
    ///     fn begin(&mut self, t0: f64, t1: f64, first: f64) { self.step = first.copysign(t1 - t0); }
    ///     fn next_time(&self, t: f64) -> f64 { t + self.step }
    ///     fn judge(&mut self, attempt: &Attempt) -> Verdict {
    ///         if attempt.error_ratio > 1.0 {
    ///             self.step = (attempt.t_next - attempt.t) / 2.0;
    ///             return Verdict::Reject;
    ///         }
    ///         self.step *= if attempt.error_ratio < 0.3 { 1.2 } else { 1.0 };
    ///         Verdict::Accept
    ///     }
    /// }
    ///
    /// let control = Simple { tolerance: Tolerance::new(1e-8, 1e-8)?, step: 0.0 };
    /// let solver = Solver::new(Method::Tsit5).controlled_by(control);
    /// let solution = solver.solve(&|_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0], &[1.0], 0.0, 1.0)?;
    /// assert!(solution.t == 1.0 && (solution.state[0] - (-1.0_f64).exp()).abs() < 1e-7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`Controller`]: crate::Controller
    #[must_use]
    pub fn controlled_by(self, source: impl ControllerSource + 'static) -> Solver {
        self.controlled(StepControl::Own(OwnControl::new(source)))
    }

    fn controlled(self, control: StepControl) -> Solver {
        Solver {
            method: self.method,
            control,
            limits: self.limits,
        }
    }

    /// The size of an adaptive solve's first step, which is chosen by two evaluations unless it is set; steps that do not
    /// follow the error have none.
    ///
    /// ```
    /// use ffjord_ode::{Method, Solver, Tolerance};
    /// let slow = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -0.1 * y[0];
    /// let solver = Solver::new(Method::Bosh3).adaptive(Tolerance::new(1e-2, 1e-2)?);
    /// let chosen = solver.clone().solve(&slow, &[1.0], 0.0, 1.0)?.stats.nfe;
    /// let whole = solver.first_step(1.0).solve(&slow, &[1.0], 0.0, 1.0)?.stats.nfe;
    /// assert_eq!((whole, chosen > whole), (4, true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn first_step(self, size: f64) -> Solver
    where
        C: Into<StepControl>,
    {
        let control = match self.control.into() {
            StepControl::Adaptive(settings) => StepControl::Adaptive(settings.first_step(size)),
            other => other,
        };
        Solver {
            method: self.method,
            control,
            limits: self.limits,
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

    /// Times that steps must end on, in the order of the solve: where the right-hand side has a kink, for instance.
    ///
    /// Where it jumps, [`jump_at`](Self::jump_at) is right.
    #[must_use]
    pub fn stop_at(mut self, times: Vec<f64>) -> Self {
        self.limits.stop_at = times;
        self
    }

    /// Times at which the right-hand side jumps, in the order of the solve.
    ///
    /// Steps end on them, stages see one side of the jump alone (a step to or from a jump at τ evaluates at the number
    /// next to τ in its place), and the solve sets out again on the other side: it costs what two solves cost.
    ///
    /// ```
    /// use ffjord_ode::{Method, Solver, Tolerance};
    /// let push = |t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = if t < 1.0 { 1.0 } else { -5.0 };
    /// let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-10, 1e-10)?);
    /// let blind = solver.solve(&push, &[0.0], 0.0, 2.0)?.stats.nfe;
    /// let solution = solver.jump_at(vec![1.0]).solve(&push, &[0.0], 0.0, 2.0)?;
    /// assert!((solution.state[0] + 4.0).abs() < 1e-12 && 9 * solution.stats.nfe < blind);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn jump_at(mut self, times: Vec<f64>) -> Self {
        self.limits.jump_at = times;
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

    /// The same solver for the way back from `t1` to `t0`: the stop times and jumps between them in reverse order.
    pub(crate) fn reversed(mut self, t0: f64, t1: f64) -> Self {
        for times in [&mut self.limits.stop_at, &mut self.limits.jump_at] {
            times.retain(|&time| (time - t0) * (t1 - time) >= 0.0);
            times.reverse();
        }
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
        let mut stepper = AnyStepper::new(self.method, self.control.tolerance(), y0)?;
        self.drive(&mut stepper, system, y0, (t0, t1), Watchers::events(events))
    }

    /// [`solve_with_events`](Self::solve_with_events), showing every accepted step to `observe`, which ends the solve by
    /// breaking off.
    ///
    /// ```
    /// use std::{convert::Infallible, ops::ControlFlow};
    /// use ffjord_ode::{Method, Outcome, Solver, Tolerance};
    ///
    /// let decay = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0];
    /// let solver = Solver::new(Method::Tsit5).adaptive(Tolerance::new(1e-6, 1e-6)?);
    /// let mut longest = 0.0_f64;
    /// let solution = solver.solve_observed(&decay, &[1.0], 0.0, 1e9, &[], |step| {
    ///     longest = longest.max(step.t1 - step.t0);
    ///     if step.y1[0] < 1e-3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    /// })?;
    /// assert_eq!(solution.outcome, Outcome::Stopped);
    /// assert!(solution.state[0] < 1e-3 && longest > 0.1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`solve_with_events`](Self::solve_with_events).
    pub fn solve_observed<S, Sys>(
        &self,
        system: &Sys,
        y0: &S,
        t0: f64,
        t1: f64,
        events: &[Event<'_, S>],
        mut observe: impl FnMut(&Step<'_, S>) -> ControlFlow<()>,
    ) -> Result<Solution<S>, SolveError<Sys::Error>>
    where
        S: State,
        Sys: System<S> + ?Sized,
    {
        let mut stepper = AnyStepper::new(self.method, self.control.tolerance(), y0)?;
        let mut observe = |_: &AnyStepper<S>, step: &Step<'_, S>| observe(step);
        let watchers = Watchers {
            events,
            observe: Some(&mut observe),
        };
        self.drive(&mut stepper, system, y0, (t0, t1), watchers)
    }

    /// The same solver for the part of a solve from `t` to `t1`: with the times that lie in it.
    pub(crate) fn between(&self, t: f64, t1: f64) -> Self {
        Self {
            limits: part_of(&self.limits, t, t1),
            ..self.clone()
        }
    }

    /// A solve that stands at `(t0, y0)` and goes on part by part; [`OpenSolve`] has an example.
    ///
    /// # Errors
    /// As [`solve`](Self::solve) for settings that make no sense.
    pub fn open<S: State>(&self, y0: &S, t0: f64) -> Result<OpenSolve<S>, SolveError<Infallible>> {
        OpenSolve::new(self.clone(), t0, y0)
    }

    /// Solves with this stepper, which is one of the solver's method, watched by `watchers`.
    pub(crate) fn drive<S, Sys, M>(
        &self,
        stepper: &mut M,
        system: &Sys,
        y0: &S,
        (t0, t1): (f64, f64),
        watchers: Watchers<'_, '_, S, M>,
    ) -> Result<Solution<S>, SolveError<Sys::Error>>
    where
        S: State,
        Sys: System<S> + ?Sized,
        M: Stepper<S>,
    {
        self.require_estimate()?;
        let (afresh, span, limits) = (Start::Afresh, (t0, t1), &self.limits);
        match &self.control {
            StepControl::Adaptive(settings) => {
                let mut controller = PidController::new(settings.clone())?;
                integrate_from(afresh, system, y0, span, (stepper, &mut controller), limits, watchers)
            }
            StepControl::Constant(grid) => {
                let mut controller = ConstantStep::new(*grid, t0, t1)?;
                // Known to be too many before the first: say so before any work is done.
                if controller.steps() > limits.max_steps && limits.on_budget == OnBudget::Fail {
                    return Err(SolveError::MaxSteps {
                        limit: limits.max_steps,
                        t: t0,
                        t1,
                    });
                }
                integrate_from(afresh, system, y0, span, (stepper, &mut controller), limits, watchers)
            }
            StepControl::Own(control) => {
                let mut controller = control.controller();
                let driven = (stepper, controller.as_mut());
                integrate_from(afresh, system, y0, span, driven, limits, watchers)
            }
        }
    }

    /// Refuses steps that do not follow the error of a method whose order does.
    pub(crate) fn require_estimate(&self) -> Result<(), SetupError> {
        if self.method.has_fixed_order() || self.control.tolerance().is_some() {
            Ok(())
        } else {
            Err(self.needs_estimate())
        }
    }

    /// The refusal of steps that do not follow the error.
    pub(crate) fn needs_estimate(&self) -> SetupError {
        SetupError::NeedsErrorEstimate {
            method: self.method.name(),
        }
    }
}
