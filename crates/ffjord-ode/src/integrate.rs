//! The loop that brings a stepper, a controller and an equation together.

use crate::{
    control::{Attempt, Controller, Verdict, select_initial_step},
    error::{SetupError, SolveError, StateError},
    event::{Event, Watch},
    methods::Method,
    norm::ErrorMeasure,
    save::{Saver, check_times},
    solution::{OnBudget, Outcome, SaveAt, Solution, Stats, StopReason},
    state::{State, copy_of},
    stepper::Stepper,
    system::{Evaluator, System},
};

/// What a solve may use and what it returns, whatever the method and the control.
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
}

impl Default for Limits {
    /// 100,000 attempted steps, any number of evaluations, failure when the budget is used up, the end only.
    fn default() -> Self {
        Self {
            max_steps: 100_000,
            max_evaluations: usize::MAX,
            on_budget: OnBudget::Fail,
            save_at: SaveAt::End,
        }
    }
}

/// Solves `dy/dt = f(t, y)`, `y(t0) = y0` up to `t1` with a method and a control of the caller's own.
///
/// [`Solver`](crate::Solver) is the ready-made choice of both; this is the place where new ones meet. The controller
/// must bring the steps to `t1` exactly.
///
/// ```
/// use ffjord_ode::{
///     Attempt, Controller, ErrorMeasure, ExplicitRungeKutta, Limits, Method, Verdict, integrate,
/// };
///
/// /// Halves what remains with every step, eight times, then takes the rest.
/// struct Halving { t1: f64, steps: usize }
///
/// impl Controller for Halving {
///     fn measure(&self) -> Option<ErrorMeasure> { None }
///     fn first_step(&self) -> Option<f64> { None }
///     fn begin(&mut self, _t0: f64, t1: f64, _first: f64) { self.t1 = t1; }
///     fn next_time(&self, t: f64) -> f64 {
///         if self.steps < 8 { t + (self.t1 - t) / 2.0 } else { self.t1 }
///     }
///     fn judge(&mut self, _attempt: &Attempt) -> Verdict {
///         self.steps += 1;
///         Verdict::Accept
///     }
/// }
///
/// let growth = |t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 3.0 * t * t;
/// let rk4 = Method::Rk4.tableau().ok_or("an explicit Runge-Kutta method")?;
/// let mut stepper = ExplicitRungeKutta::new(rk4, &[0.0])?;
/// let mut controller = Halving { t1: 0.0, steps: 0 };
/// let solution = integrate(&growth, &[0.0], (0.0, 2.0), &mut stepper, &mut controller, &Limits::default())?;
/// assert!((solution.state[0] - 8.0).abs() < 1e-12);
/// assert_eq!(solution.stats.accepted, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`Solver::solve`](crate::Solver::solve).
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
    let watchers = Watchers {
        events,
        observe: &mut |_, _| (),
    };
    integrate_watched(system, y0, span, stepper, controller, limits, watchers)
}

/// What looks at a solve under way.
pub(crate) struct Watchers<'a, 'e, S> {
    /// Events to look for.
    pub(crate) events: &'a [Event<'e, S>],
    /// Is told the time and the state after every accepted step.
    pub(crate) observe: &'a mut dyn FnMut(f64, &S),
}

impl<'a, S> Watchers<'a, '_, S> {
    /// No events, and `observe`.
    pub(crate) fn observer(observe: &'a mut dyn FnMut(f64, &S)) -> Self {
        Self { events: &[], observe }
    }
}

/// [`integrate`], watched.
pub(crate) fn integrate_watched<S, Sys, M, C>(
    system: &Sys,
    y0: &S,
    (t0, t1): (f64, f64),
    stepper: &mut M,
    controller: &mut C,
    limits: &Limits,
    watchers: Watchers<'_, '_, S>,
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
    if let SaveAt::Times(times) = &limits.save_at {
        check_times("save", times, t0, t1)?;
    }
    let y0 = copy_of(y0)?;
    require_finite(&y0, t0)?;
    let mut walk = Walk {
        f: Evaluator::new(system, limits.max_evaluations),
        saver: Saver::new(&limits.save_at, t0, &y0),
        watch: Watch::new(events, t0, &y0)?,
        stats: Stats::default(),
        t0,
        t1,
        stepper,
        controller,
        max_steps: limits.max_steps,
        observe,
    };
    let outcome = match walk.run(&y0) {
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

/// A solve under way.
struct Walk<'a, S, Sys: ?Sized, M, C: ?Sized> {
    f: Evaluator<'a, Sys>,
    saver: Saver<'a, S>,
    watch: Watch<'a, S>,
    stats: Stats,
    t0: f64,
    t1: f64,
    stepper: &'a mut M,
    controller: &'a mut C,
    max_steps: usize,
    observe: &'a mut dyn FnMut(f64, &S),
}

impl<S, Sys, M, C> Walk<'_, S, Sys, M, C>
where
    S: State,
    Sys: System<S> + ?Sized,
    M: Stepper<S>,
    C: Controller + ?Sized,
{
    fn run(&mut self, y0: &S) -> Result<Outcome, SolveError<Sys::Error>> {
        let (t0, t1) = (self.t0, self.t1);
        if t0 == t1 {
            return Ok(Outcome::Complete);
        }
        let measure = self.controller.measure();
        if measure.is_some() && self.stepper.error_order().is_none() {
            let (method, adaptive) = (self.stepper.name(), Method::names(Method::is_adaptive));
            return Err(SetupError::NoErrorEstimate { method, adaptive }.into());
        }
        if !self.stepper.takes_mass_matrix() && self.f.system().mass_matrix().is_some() {
            let what = self.stepper.name();
            return Err(SetupError::MassMatrix { what }.into());
        }
        self.stepper.start(&mut self.f, t0, y0)?;
        let slope = self.stepper.initial_slope();
        require_finite(slope, t0)?;
        let error_order = self.error_order();
        let first = match (self.controller.first_step(), measure) {
            (Some(first), _) => first,
            (None, Some(measure)) => select_initial_step(&mut self.f, (t0, t1), y0, slope, measure, error_order)?,
            (None, None) => (t1 - t0).abs(),
        };
        self.controller.begin(t0, t1, first);
        while self.stepper.time() != t1 {
            if self.stats.accepted + self.stats.rejected >= self.max_steps {
                return Err(SolveError::MaxSteps {
                    limit: self.max_steps,
                    t: self.stepper.time(),
                    t1,
                });
            }
            if let Some(event) = self.step(measure)? {
                return Ok(Outcome::Event(event));
            }
        }
        Ok(Outcome::Complete)
    }

    /// Attempts one step; the event that ends the solve in it, if any.
    fn step(&mut self, measure: Option<ErrorMeasure>) -> Result<Option<usize>, SolveError<Sys::Error>> {
        let t = self.stepper.time();
        let t_next = self.controller.next_time(t);
        if t_next == t {
            return Err(self.too_small(t_next, f64::NAN));
        }
        self.stepper.attempt(&mut self.f, t_next)?;
        let ratio = match measure {
            Some(measure) => self.error_ratio(measure)?,
            None if self.stepper.candidate().non_finite_rows()?.is_empty() => 0.0,
            None => return Err(self.non_finite(t_next, f64::NAN)?),
        };
        let verdict = self.controller.judge(&Attempt {
            t,
            t_next,
            error_ratio: ratio,
            error_order: self.error_order(),
        });
        if verdict == Verdict::Accept && ratio.is_finite() {
            let ends = self.watch.look(&mut self.f, self.stepper, t_next)?;
            let stop = self.watch.points.last().filter(|_| ends);
            self.saver.collect(&mut self.f, self.stepper, t_next, stop)?;
            self.stepper.accept();
            self.stats.accepted += 1;
            let stop = stop.map(|stop| stop.event);
            (self.observe)(t_next, self.stepper.state());
            return Ok(stop);
        }
        self.stats.rejected += 1;
        let retry = self.controller.next_time(t);
        if (retry - t).abs() >= self.min_step() {
            Ok(None)
        } else if ratio.is_finite() {
            Err(self.too_small(retry, ratio))
        } else {
            Err(self.non_finite(t_next, ratio)?)
        }
    }

    fn error_order(&self) -> u32 {
        self.stepper.error_order().unwrap_or_else(|| self.stepper.order())
    }

    /// Error of the attempt relative to the tolerance; infinite where it is NaN, which must never become a step size.
    fn error_ratio(&mut self, measure: ErrorMeasure) -> Result<f64, StateError> {
        let scaled = self.stepper.measure_error(&measure.tolerance)?;
        let ratio = scaled.map_or(0.0, |scaled| measure.norm.ratio(&scaled));
        Ok(if ratio.is_nan() { f64::INFINITY } else { ratio })
    }

    /// The smallest step worth trying from here: below it rounding in the time itself takes over.
    fn min_step(&self) -> f64 {
        /// Part of the span that counts as a time's size near t = 0.
        const NEAR_ZERO: f64 = 1e-8;
        let size = self.stepper.time().abs().max(NEAR_ZERO * (self.t1 - self.t0).abs());
        self.controller.min_step().max(16.0 * f64::EPSILON * size)
    }

    fn too_small(&self, t_next: f64, error_ratio: f64) -> SolveError<Sys::Error> {
        let t = self.stepper.time();
        SolveError::StepTooSmall {
            t,
            dt: t_next - t,
            min_step: self.min_step(),
            error_ratio,
        }
    }

    fn non_finite(&self, t_next: f64, error_ratio: f64) -> Result<SolveError<Sys::Error>, StateError> {
        let t = self.stepper.time();
        Ok(SolveError::NonFinite {
            t,
            dt: t_next - t,
            error_ratio,
            rows: self.stepper.non_finite_rows()?,
        })
    }
}

/// Refuses an initial state or slope that is not finite: no step size would help.
fn require_finite<S: State, E: std::error::Error>(y: &S, t: f64) -> Result<(), SolveError<E>> {
    let rows = y.non_finite_rows()?;
    if rows.is_empty() {
        Ok(())
    } else {
        Err(SolveError::NonFinite {
            t,
            dt: 0.0,
            error_ratio: f64::NAN,
            rows,
        })
    }
}
