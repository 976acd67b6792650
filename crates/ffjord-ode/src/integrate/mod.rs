//! The loop that brings a stepper, a controller and an equation together.

mod landing;
mod walk;

use std::ops::ControlFlow;

use crate::{
    control::Controller,
    error::{SetupError, SolveError},
    event::{Event, Watch},
    save::Saver,
    solution::{OnBudget, Outcome, SaveAt, Solution, Stats, StopReason},
    state::{State, copy_of},
    step::Step,
    stepper::Stepper,
    system::{Evaluator, System},
};
use walk::{Walk, require_finite};

pub(crate) use landing::{Landing, Window};

/// What a solve may use and what it returns, whatever the method and the control.
///
/// ```
/// use ffjord_ode::{ConstantStep, ExplicitRungeKutta, Limits, Method, OnBudget, StepGrid, integrate};
/// let limits = Limits { max_steps: 3, on_budget: OnBudget::Partial, ..Limits::default() };
/// let still = |_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 0.0;
/// let mut stepper = ExplicitRungeKutta::new(Method::Euler.tableau().ok_or("explicit")?, &[0.0])?;
/// let mut steps = ConstantStep::new(StepGrid::Count(4), 0.0, 1.0)?;
/// let solution = integrate(&still, &[0.0], (0.0, 1.0), &mut stepper, &mut steps, &limits)?;
/// assert!(!solution.is_complete() && solution.t == 0.75);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Budget of attempted steps.
    pub max_steps: usize,
    /// Budget of evaluations of the right-hand side.
    pub max_evaluations: usize,
    /// What happens when a budget is used up.
    pub on_budget: OnBudget,
    /// Which values to return beside the last.
    pub save_at: SaveAt,
    /// Times that steps must end on, in the order of the solve.
    pub stop_at: Vec<f64>,
    /// Times at which the right-hand side jumps, in the order of the solve; [`Solver::jump_at`](crate::Solver::jump_at).
    pub jump_at: Vec<f64>,
}

impl Default for Limits {
    /// 100,000 attempted steps, any number of evaluations, failure when the budget is used up, the end only, and no
    /// times that steps must end on but the end.
    fn default() -> Self {
        Self {
            max_steps: 100_000,
            max_evaluations: usize::MAX,
            on_budget: OnBudget::Fail,
            save_at: SaveAt::End,
            stop_at: Vec::new(),
            jump_at: Vec::new(),
        }
    }
}

/// Solves `dy/dt = f(t, y)`, `y(t0) = y0` up to `t1` with a method and a control of the caller's own.
///
/// [`Solver`](crate::Solver) is the ready-made choice of both; this is the place where new ones meet. Steps are cut
/// short to end on the stop times and on `t1` exactly, whatever the controller proposes.
///
/// ```
/// use ffjord_ode::{
///     Attempt, Controller, ErrorMeasure, ExplicitRungeKutta, Limits, Method, Verdict, integrate,
/// };
///
/// /// Doubles its step with every step.
/// struct Doubling { step: f64 }
///
/// impl Controller for Doubling {
///     fn measure(&self) -> Option<ErrorMeasure> { None }
///     fn first_step(&self) -> Option<f64> { Some(0.01) }
///     fn begin(&mut self, t0: f64, t1: f64, first: f64) { self.step = first.copysign(t1 - t0); }
///     fn next_time(&self, t: f64) -> f64 { t + self.step }
///     fn judge(&mut self, _attempt: &Attempt) -> Verdict {
///         self.step *= 2.0;
///         Verdict::Accept
///     }
/// }
///
/// let growth = |t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 3.0 * t * t;
/// let rk4 = Method::Rk4.tableau().ok_or("an explicit Runge-Kutta method")?;
/// let mut stepper = ExplicitRungeKutta::new(rk4, &[0.0])?;
/// let mut controller = Doubling { step: 0.0 };
/// let solution = integrate(&growth, &[0.0], (0.0, 2.0), &mut stepper, &mut controller, &Limits::default())?;
/// assert!((solution.state[0] - 8.0).abs() < 1e-12);
/// assert_eq!((solution.t, solution.stats.accepted), (2.0, 8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`Solver::solve`](crate::Solver::solve), and [`SolveError::InvalidStep`] where the controller leads nowhere.
pub fn integrate<S, Sys, M, C>(
    system: &Sys,
    y0: &S,
    span: (f64, f64),
    stepper: &mut M,
    controller: &mut C,
    limits: &Limits,
) -> Result<Solution<S>, SolveError<Sys::Error>>
where
    S: State,
    Sys: System<S> + ?Sized,
    M: Stepper<S>,
    C: Controller + ?Sized,
{
    integrate_with_events(system, y0, span, stepper, controller, limits, &[])
}

/// [`integrate`], looking for events.
///
/// ```
/// use ffjord_ode::{
///     ConstantStep, Event, ExplicitRungeKutta, Limits, Method, Outcome, StepGrid, integrate_with_events,
/// };
/// let growth = |_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 2.0;
/// let mut stepper = ExplicitRungeKutta::new(Method::Heun.tableau().ok_or("explicit")?, &[0.0])?;
/// let mut steps = ConstantStep::new(StepGrid::Count(4), 0.0, 1.0)?;
/// let one = [Event::new(|_, y: &[f64; 1]| y[0] - 1.0).terminal()];
/// let limits = Limits::default();
/// let solution = integrate_with_events(&growth, &[0.0], (0.0, 1.0), &mut stepper, &mut steps, &limits, &one)?;
/// assert_eq!(solution.outcome, Outcome::Event(0));
/// assert!((solution.t - 0.5).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`Solver::solve_with_events`](crate::Solver::solve_with_events).
pub fn integrate_with_events<S, Sys, M, C>(
    system: &Sys,
    y0: &S,
    span: (f64, f64),
    stepper: &mut M,
    controller: &mut C,
    limits: &Limits,
    events: &[Event<'_, S>],
) -> Result<Solution<S>, SolveError<Sys::Error>>
where
    S: State,
    Sys: System<S> + ?Sized,
    M: Stepper<S>,
    C: Controller + ?Sized,
{
    let (driven, watchers) = ((stepper, controller), Watchers::events(events));
    integrate_from(Start::Afresh, system, y0, span, driven, limits, watchers)
}

/// Is shown accepted steps.
pub(crate) type Observer<'o, S, M> = dyn FnMut(&M, &Step<'_, S>) -> ControlFlow<()> + 'o;

/// How a solve begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Stepper and controller set out.
    Afresh,
    /// They go on from where they are.
    GoOn,
}

/// What looks at a solve under way.
pub(crate) struct Watchers<'a, 'e, S, M> {
    /// Events to look for.
    pub(crate) events: &'a [Event<'e, S>],
    /// Is shown every accepted step, with the stepper just before it moves on, and may end the solve.
    pub(crate) observe: Option<&'a mut Observer<'e, S, M>>,
}

impl<'a, 'e, S, M> Watchers<'a, 'e, S, M> {
    /// `events`, and no observer.
    pub(crate) fn events(events: &'a [Event<'e, S>]) -> Self {
        Self { events, observe: None }
    }

    /// No events, and `observe`.
    pub(crate) fn observer(observe: &'a mut Observer<'e, S, M>) -> Self {
        Self {
            events: &[],
            observe: Some(observe),
        }
    }
}

/// [`integrate`], watched, afresh or from where stepper and controller are.
pub(crate) fn integrate_from<S, Sys, M, C>(
    start: Start,
    system: &Sys,
    y0: &S,
    (t0, t1): (f64, f64),
    (stepper, controller): (&mut M, &mut C),
    limits: &Limits,
    watchers: Watchers<'_, '_, S, M>,
) -> Result<Solution<S>, SolveError<Sys::Error>>
where
    S: State,
    Sys: System<S> + ?Sized,
    M: Stepper<S>,
    C: Controller + ?Sized,
{
    let Watchers { events, observe } = watchers;
    if !(t0.is_finite() && t1.is_finite() && (t1 - t0).is_finite()) {
        return Err(SetupError::InvalidSpan { t0, t1 }.into());
    }
    let landing = Landing::new(limits, t0, t1)?;
    let y0 = copy_of(y0)?;
    require_finite(&y0, t0)?;
    let mut walk = Walk {
        f: Evaluator::new(system, limits.max_evaluations),
        saver: Saver::new(&limits.save_at, (t0, t1), &y0)?,
        watch: Watch::new(events, t0, &y0)?,
        stats: Stats::default(),
        t0,
        t1,
        stepper,
        controller,
        landing,
        jumps: &limits.jump_at,
        max_steps: limits.max_steps,
        observe,
    };
    let outcome = match walk.run(start, &y0) {
        Ok(outcome) => outcome,
        Err(error) => match StopReason::of(&error) {
            Some(reason) if limits.on_budget == OnBudget::Partial => Outcome::Partial(reason),
            _ => return Err(error),
        },
    };
    let Walk {
        f,
        saver,
        watch,
        mut stats,
        stepper,
        ..
    } = walk;
    stats.nfe = f.evaluations();
    let (t, state) = match (outcome, watch.points.last()) {
        (Outcome::Event(_), Some(point)) => (point.t, point.state.clone()),
        _ if stats.accepted > 0 => (stepper.time(), stepper.state().clone()),
        _ => (t0, y0),
    };
    Ok(Solution {
        t,
        state,
        saved: saver.saved,
        dense: saver.dense,
        events: watch.points,
        stats,
        outcome,
    })
}
