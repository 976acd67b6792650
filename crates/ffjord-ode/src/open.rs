//! Solves that go on.

use crate::{
    control::{ConstantStep, Controller, PidController, StepControl},
    error::SolveError,
    event::Event,
    integrate::{Limits, Start, Watchers, integrate_from},
    solution::{Outcome, SaveAt, Solution, Stats},
    solver::Solver,
    state::{State, copy_of},
    stepper::{AnyStepper, Stepper},
    system::System,
};

/// A solve that goes on where it stopped, with all that the method and its step control remember.
///
/// A multistep method keeps its past slopes and its order, an adaptive control its step: a solve in parts takes the steps
/// of one solve, but for those that are cut short where a part ends. [`Solver::open`] makes it.
///
/// The budgets, and what is saved, are those of the solver for every part; times to save at, to stop at and of jumps are
/// those that lie in the part. A part in the other direction, and one after a terminal event or a jump, sets out anew.
///
/// ```
/// use ffjord_ode::{Method, OnBudget, Solver, Tolerance};
///
/// let harmonic = |_t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -y[0]];
/// let solver = Solver::new(Method::Adams).adaptive(Tolerance::new(1e-9, 1e-9)?);
/// let whole = solver.solve(&harmonic, &[0.0, 1.0], 0.0, 50.0)?;
///
/// // Five steps at a time.
/// let mut solve = solver.max_steps(5).on_budget(OnBudget::Partial).open(&[0.0, 1.0], 0.0)?;
/// while !solve.advance(&harmonic, 50.0)?.is_complete() {}
/// assert_eq!((solve.time(), *solve.state(), solve.stats()), (50.0, whole.state, whole.stats));
///
/// while !solve.advance(&harmonic, 60.0)?.is_complete() {}
/// assert!((solve.state()[0] - 60.0_f64.sin()).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct OpenSolve<S> {
    solver: Solver,
    stepper: AnyStepper<S>,
    /// The controller of steps that follow the error; grids of fixed steps are laid anew over every part.
    controller: Option<Box<dyn Controller + Send + Sync>>,
    t: f64,
    y: S,
    /// The direction of the parts so far, if stepper and controller can go on from `(t, y)`.
    direction: Option<f64>,
    stats: Stats,
}

impl<S> std::fmt::Debug for OpenSolve<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenSolve")
            .field("solver", &self.solver)
            .field("t", &self.t)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl<S: State> OpenSolve<S> {
    /// A solve by `solver` that stands at `(t, y)`.
    pub(crate) fn new<E: std::error::Error>(solver: Solver, t: f64, y: &S) -> Result<Self, SolveError<E>> {
        solver.require_estimate()?;
        let controller: Option<Box<dyn Controller + Send + Sync>> = match solver.control() {
            StepControl::Constant(_) => None,
            StepControl::Adaptive(settings) => Some(Box::new(PidController::new(settings.clone())?)),
            StepControl::Own(control) => Some(control.controller()),
        };
        Ok(Self {
            stepper: AnyStepper::new(solver.method(), solver.control().tolerance(), y)?,
            solver,
            controller,
            t,
            y: copy_of(y)?,
            direction: None,
            stats: Stats::default(),
        })
    }

    /// The time that has been reached.
    pub fn time(&self) -> f64 {
        self.t
    }

    /// The state then.
    pub fn state(&self) -> &S {
        &self.y
    }

    /// What all parts took.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Goes on to `t1`.
    ///
    /// # Errors
    /// As [`Solver::solve`]; the solve then stands where it stood before, and sets out anew from there.
    pub fn advance<Sys>(&mut self, system: &Sys, t1: f64) -> Result<Solution<S>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        self.advance_with_events(system, t1, &[])
    }

    /// [`advance`](Self::advance), looking for events.
    ///
    /// ```
    /// use ffjord_ode::{Event, Method, Outcome, Solver};
    /// // A ball that loses half of its speed with every bounce.
    /// let fall = |_t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -2.0];
    /// let ground = [Event::new(|_, y: &[f64; 2]| y[0]).crossing(ffjord_ode::Crossing::Falling).terminal()];
    /// let mut solve = Solver::new(Method::Rk4).fixed_steps(10).open(&[1.0, 0.0], 0.0)?;
    /// let landed = solve.advance_with_events(&fall, 3.0, &ground)?;
    /// assert_eq!(landed.outcome, Outcome::Event(0));
    /// assert!((solve.time() - 1.0).abs() < 1e-12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Solver::solve_with_events`]; the solve then stands where it stood before, and sets out anew from there.
    pub fn advance_with_events<Sys>(
        &mut self,
        system: &Sys,
        t1: f64,
        events: &[Event<'_, S>],
    ) -> Result<Solution<S>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let limits = part_of(self.solver.limits(), self.t, t1);
        let direction = (t1 - self.t).signum();
        // What is known at a jump is known of its other side.
        let goes_on = self.direction.take() == Some(direction) && !limits.jump_at.contains(&self.t);
        let start = if goes_on { Start::GoOn } else { Start::Afresh };
        let (span, watchers) = ((self.t, t1), Watchers::events(events));
        let solution = match (self.solver.control(), &mut self.controller) {
            (_, Some(controller)) => {
                let driven = (&mut self.stepper, controller.as_mut());
                integrate_from(start, system, &self.y, span, driven, &limits, watchers)?
            }
            (StepControl::Constant(grid), None) => {
                let mut controller = ConstantStep::new(*grid, self.t, t1)?;
                let driven = (&mut self.stepper, &mut controller);
                integrate_from(start, system, &self.y, span, driven, &limits, watchers)?
            }
            // Every other control has a controller.
            (_, None) => return Err(self.solver.needs_estimate().into()),
        };
        let set_out = goes_on || solution.stats.accepted > 0;
        if set_out && !matches!(solution.outcome, Outcome::Event(_)) && self.stepper.time() == solution.t {
            self.direction = Some(direction);
        }
        self.t = solution.t;
        self.y = copy_of(&solution.state)?;
        self.stats += solution.stats;
        Ok(solution)
    }
}

/// The limits of a part from `t` to `t1`: with the times that lie in it.
pub(crate) fn part_of(limits: &Limits, t: f64, t1: f64) -> Limits {
    let mut part = limits.clone();
    keep_inside(&mut part.stop_at, t, t1);
    keep_inside(&mut part.jump_at, t, t1);
    save_inside(&mut part.save_at, t, t1);
    part
}

fn save_inside(save_at: &mut SaveAt, t: f64, t1: f64) {
    match save_at {
        SaveAt::Times(times) => keep_inside(times, t, t1),
        SaveAt::Several(all) => all.iter_mut().for_each(|save_at| save_inside(save_at, t, t1)),
        SaveAt::End | SaveAt::Steps | SaveAt::Dense => {}
    }
}

/// Leaves the times between `t` and `t1`, in this order; a time that is NaN stays, to be refused.
fn keep_inside(times: &mut Vec<f64>, t: f64, t1: f64) {
    let (low, high) = (t.min(t1), t.max(t1));
    times.retain(|&time| time.is_nan() || (low..=high).contains(&time));
    if t1 < t {
        times.sort_by(|a, b| b.total_cmp(a));
    } else {
        times.sort_by(f64::total_cmp);
    }
}
