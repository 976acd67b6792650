//! Events: where a scalar of the state passes through zero.

use crate::{
    error::SolveError,
    interpolant::Interpolant,
    state::State,
    stepper::Stepper,
    system::{Evaluator, System},
};

/// Which sign changes of an event's function count, in the direction of the solve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Crossing {
    /// From negative to positive.
    Rising,
    /// From positive to negative.
    Falling,
    /// Both.
    #[default]
    Either,
}

/// A scalar function g(t, y) whose zeros are looked for along a solve.
///
/// Signs are compared at the ends of accepted steps and the zero is located on the step's dense output by bracketing, to
/// rounding in time and to the order of the interpolant in the state. Two crossings inside one step go unseen: bound the
/// step where that matters. A function that is zero at the start counts from where it has left zero.
///
/// ```
/// use ffjord_ode::{Crossing, Event, Method, Outcome, Solver, Tolerance};
///
/// // A stone thrown upwards: its height and velocity.
/// let fall = |_t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -9.81];
/// let events = [
///     Event::new(|_, y: &[f64; 2]| y[1]).crossing(Crossing::Falling),
///     Event::new(|_, y: &[f64; 2]| y[0]).crossing(Crossing::Falling).terminal(),
/// ];
/// let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-9, 1e-9)?);
/// let solution = solver.solve_with_events(&fall, &[0.0, 20.0], 0.0, 100.0, &events)?;
/// assert_eq!(solution.outcome, Outcome::Event(1));
/// assert!((solution.t - 2.0 * 20.0 / 9.81).abs() < 1e-9);
/// assert!((solution.events[0].t - 20.0 / 9.81).abs() < 1e-9);      // the highest point, on the way
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Event<'a, S> {
    function: Box<dyn Fn(f64, &S) -> f64 + 'a>,
    crossing: Crossing,
    terminal: bool,
}

impl<'a, S> Event<'a, S> {
    /// The zeros of `function`, in both directions; the solve goes on.
    pub fn new(function: impl Fn(f64, &S) -> f64 + 'a) -> Self {
        Self {
            function: Box::new(function),
            crossing: Crossing::Either,
            terminal: false,
        }
    }

    /// Counts sign changes of this direction alone.
    #[must_use]
    pub fn crossing(mut self, crossing: Crossing) -> Self {
        self.crossing = crossing;
        self
    }

    /// Ends the solve at the first crossing that counts.
    #[must_use]
    pub fn terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    fn counts(&self, before: f64, after: f64) -> bool {
        let (rising, falling) = (before < 0.0 && after >= 0.0, before > 0.0 && after <= 0.0);
        match self.crossing {
            Crossing::Rising => rising,
            Crossing::Falling => falling,
            Crossing::Either => rising || falling,
        }
    }
}

impl<S> std::fmt::Debug for Event<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("crossing", &self.crossing)
            .field("terminal", &self.terminal)
            .finish_non_exhaustive()
    }
}

/// An event that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPoint<S> {
    /// Which: its index among the events given.
    pub event: usize,
    /// When: the first number at which the function has changed its sign, to rounding.
    pub t: f64,
    /// The state then.
    pub state: S,
}

/// The events of a solve under way.
pub(crate) struct Watch<'a, S> {
    events: &'a [Event<'a, S>],
    /// The functions' values at the current point.
    values: Vec<f64>,
    /// What happened so far.
    pub(crate) points: Vec<EventPoint<S>>,
}

impl<'a, S: State> Watch<'a, S> {
    pub(crate) fn new<E: std::error::Error>(
        events: &'a [Event<'a, S>],
        t0: f64,
        y0: &S,
    ) -> Result<Self, SolveError<E>> {
        let mut watch = Self {
            events,
            values: Vec::new(),
            points: Vec::new(),
        };
        watch.values = (0..events.len())
            .map(|event| watch.value(event, t0, y0))
            .collect::<Result<_, _>>()?;
        Ok(watch)
    }

    /// Looks for events in the step just attempted; true if one of them ends the solve, as the last of the points.
    pub(crate) fn look<Sys, M>(
        &mut self,
        f: &mut Evaluator<'_, Sys>,
        stepper: &mut M,
        t_next: f64,
    ) -> Result<bool, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
        M: Stepper<S>,
    {
        let mut found = Vec::new();
        let mut step = None;
        for (event, definition) in self.events.iter().enumerate() {
            let (before, after) = (self.values[event], self.value(event, t_next, stepper.candidate())?);
            self.values[event] = after;
            if definition.counts(before, after) {
                let step = match &mut step {
                    Some(step) => step,
                    none => none.insert(stepper.interpolant(f)?),
                };
                found.push(self.locate(event, step, (before, after))?);
            }
        }
        let t = stepper.time();
        found.sort_by(|a, b| ((a.t - t) / (t_next - t)).total_cmp(&((b.t - t) / (t_next - t))));
        let end = found.iter().position(|point| self.events[point.event].terminal);
        found.truncate(end.map_or(found.len(), |end| end + 1));
        self.points.append(&mut found);
        Ok(end.is_some())
    }

    /// The zero inside a step at whose ends the function has the values `before` and `after`, of different signs.
    ///
    /// Regula falsi (the Illinois variant) in turns with bisection, which bounds the number of turns.
    fn locate<E: std::error::Error>(
        &self,
        event: usize,
        step: &Interpolant<S>,
        (before, after): (f64, f64),
    ) -> Result<EventPoint<S>, SolveError<E>> {
        const MAX_TURNS: usize = 200;
        let (mut from, mut to) = ((step.t0(), before), (step.t1(), after));
        for turn in 0..MAX_TURNS {
            let resolution = 2.0 * f64::EPSILON * from.0.abs().max(to.0.abs());
            if to.1 == 0.0 || (to.0 - from.0).abs() <= resolution {
                break;
            }
            let part = if turn % 2 == 0 { from.1 / (from.1 - to.1) } else { 0.5 };
            let t = from.0 + (to.0 - from.0) * part;
            let value = self.value(event, t, &step.at(t)?)?;
            if (value < 0.0) == (before < 0.0) && value != 0.0 {
                (from, to.1) = ((t, value), 0.5 * to.1);
            } else {
                (from.1, to) = (0.5 * from.1, (t, value));
            }
        }
        let state = step.at(to.0)?;
        Ok(EventPoint { event, t: to.0, state })
    }

    fn value<E: std::error::Error>(&self, event: usize, t: f64, y: &S) -> Result<f64, SolveError<E>> {
        let value = (self.events[event].function)(t, y);
        if value.is_nan() {
            Err(SolveError::EventNotANumber { event, t })
        } else {
            Ok(value)
        }
    }
}
