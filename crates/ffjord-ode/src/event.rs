//! Events: where a scalar of the state passes through zero.

use crate::{
    error::SolveError,
    interpolant::Interpolant,
    state::State,
    stepper::Stepper,
    system::{Evaluator, System},
};

/// Which sign changes of an event's function count, in the direction of the solve.
///
/// ```
/// use ffjord_ode::{Crossing, Event, Method, Solver};
/// // sin t from 0.5 to 10 falls through zero at π and 3π, and rises through it at 2π.
/// let still = |_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 0.0;
/// let solver = Solver::new(Method::Rk4).fixed_steps(50);
/// let count = |crossing| {
///     let event = Event::new(|t: f64, _: &[f64; 1]| t.sin()).crossing(crossing);
///     solver.solve_with_events(&still, &[0.0], 0.5, 10.0, &[event]).map(|solution| solution.events.len())
/// };
/// assert_eq!((count(Crossing::Falling)?, count(Crossing::Rising)?, count(Crossing::Either)?), (2, 1, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Crossing {
    /// From negative to positive.
    Rising,
    /// From positive to negative.
    Falling,
    /// Both.
    #[default]
    Either,
}

type Function<'a, S> = dyn Fn(f64, &S) -> f64 + 'a;

/// A scalar function g(t, y) whose zeros are looked for along a solve.
///
/// Signs are compared at the ends of accepted steps and the zero is located on the step's dense output by bracketing, to
/// rounding in time and to the order of the interpolant in the state. Two crossings inside one step go unseen unless
/// [`substeps`](Self::substeps) are looked at. A function that is zero at the start of a step counts from where it has
/// left zero inside it.
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
    function: Box<Function<'a, S>>,
    crossing: Crossing,
    terminal: bool,
    substeps: usize,
}

impl<'a, S> Event<'a, S> {
    /// The zeros of `function`, in both directions; the solve goes on.
    pub fn new(function: impl Fn(f64, &S) -> f64 + 'a) -> Self {
        Self {
            function: Box::new(function),
            crossing: Crossing::Either,
            terminal: false,
            substeps: 1,
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

    /// Compares signs at the ends of this many equal parts of every step, so that crossings which follow one another
    /// inside a step are seen; 1 unless set. The values inside a step are those of the dense output.
    ///
    /// ```
    /// use ffjord_ode::{Event, Method, Solver};
    /// let still = |_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 0.0;
    /// let wave = |t: f64, _: &[f64; 1]| (6.0 * t).sin() + 0.5;
    /// let seen = |event| {
    ///     let solver = Solver::new(Method::Dopri5).fixed_steps(1);
    ///     solver.solve_with_events(&still, &[0.0], 0.0, 1.0, &[event]).map(|solution| solution.events.len())
    /// };
    /// assert_eq!((seen(Event::new(wave))?, seen(Event::new(wave).substeps(10))?), (0, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn substeps(mut self, count: usize) -> Self {
        self.substeps = count.max(1);
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
            .field("substeps", &self.substeps)
            .finish_non_exhaustive()
    }
}

/// An event that happened.
///
/// ```
/// use ffjord_ode::{Event, Method, Solver};
/// // y = t²: when is it 0.25?
/// let parabola = |t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 2.0 * t;
/// let reached = Event::new(|_, y: &[f64; 1]| y[0] - 0.25);
/// let solution = Solver::new(Method::Rk4).fixed_steps(3).solve_with_events(&parabola, &[0.0], 0.0, 1.0, &[reached])?;
/// let point = &solution.events[0];
/// assert_eq!((point.event, solution.t), (0, 1.0));
/// assert!((point.t - 0.5).abs() < 1e-12 && (point.state[0] - 0.25).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        /// Part of a step after which a function that was zero at its start has left zero.
        const AWAY_FROM_ZERO: f64 = 1.0 / 64.0;
        let mut found = Vec::new();
        let mut step = None;
        let t = stepper.time();
        for (event, definition) in self.events.iter().enumerate() {
            let after = self.value(event, t_next, stepper.candidate())?;
            let mut from = (t, self.values[event]);
            self.values[event] = after;
            let parts = definition.substeps;
            let away = (from.1 == 0.0).then_some(AWAY_FROM_ZERO / parts as f64);
            let inside = away
                .into_iter()
                .chain((1..parts).map(|part| part as f64 / parts as f64))
                .map(|part| (t + part * (t_next - t), None));
            for (time, value) in inside.chain([(t_next, Some(after))]) {
                let to = match value {
                    Some(value) => (time, value),
                    None => (
                        time,
                        self.value(event, time, &inside_of(&mut step, stepper, f)?.at(time)?)?,
                    ),
                };
                if definition.counts(from.1, to.1) {
                    found.push(self.locate(event, inside_of(&mut step, stepper, f)?, from, to)?);
                }
                from = to;
            }
        }
        found.sort_by(|a, b| ((a.t - t) / (t_next - t)).total_cmp(&((b.t - t) / (t_next - t))));
        let end = found.iter().position(|point| self.events[point.event].terminal);
        found.truncate(end.map_or(found.len(), |end| end + 1));
        self.points.append(&mut found);
        Ok(end.is_some())
    }

    /// The zero between two times of a step, given with the function's values, which are of different signs.
    ///
    /// Regula falsi (the Illinois variant) in turns with bisection, which bounds the number of turns.
    fn locate<E: std::error::Error>(
        &self,
        event: usize,
        step: &Interpolant<S>,
        mut from: (f64, f64),
        mut to: (f64, f64),
    ) -> Result<EventPoint<S>, SolveError<E>> {
        const MAX_TURNS: usize = 200;
        let before = from.1;
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

/// The dense output of the step just attempted, formed when it is first needed.
pub(crate) fn inside_of<'i, S, Sys, M>(
    step: &'i mut Option<Interpolant<S>>,
    stepper: &mut M,
    f: &mut Evaluator<'_, Sys>,
) -> Result<&'i Interpolant<S>, SolveError<Sys::Error>>
where
    S: State,
    Sys: System<S> + ?Sized,
    M: Stepper<S>,
{
    match step {
        Some(step) => Ok(step),
        none => Ok(none.insert(stepper.interpolant(f)?)),
    }
}
