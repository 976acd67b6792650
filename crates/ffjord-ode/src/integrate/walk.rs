//! A solve under way: one attempt after the other.

use std::ops::ControlFlow;

use super::{Landing, Observer, Start, Window};
use crate::{
    control::{Attempt, Controller, Verdict, select_initial_step},
    error::{SetupError, SolveError, StateError},
    event::Watch,
    methods::Method,
    norm::ErrorMeasure,
    save::Saver,
    solution::{Outcome, Stats},
    state::State,
    step::Step,
    stepper::Stepper,
    system::{Evaluator, System},
};

/// The smallest step relative to the size of its time: 16 times the distance between numbers there.
const ROUNDING: f64 = 16.0 * f64::EPSILON;

/// A solve under way.
pub(super) struct Walk<'a, 'e, S, Sys: ?Sized, M, C: ?Sized> {
    pub(super) f: Evaluator<'a, Sys>,
    pub(super) saver: Saver<S>,
    pub(super) watch: Watch<'a, S>,
    pub(super) stats: Stats,
    pub(super) t0: f64,
    pub(super) t1: f64,
    pub(super) stepper: &'a mut M,
    pub(super) controller: &'a mut C,
    pub(super) landing: Landing,
    /// Where the right-hand side jumps.
    pub(super) jumps: &'a [f64],
    pub(super) max_steps: usize,
    pub(super) observe: Option<&'a mut Observer<'e, S, M>>,
}

impl<S, Sys, M, C> Walk<'_, '_, S, Sys, M, C>
where
    S: State,
    Sys: System<S> + ?Sized,
    M: Stepper<S>,
    C: Controller + ?Sized,
{
    pub(super) fn run(&mut self, start: Start, y0: &S) -> Result<Outcome, SolveError<Sys::Error>> {
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
        match start {
            Start::Afresh => self.set_out(t0, y0, measure)?,
            Start::GoOn => self.keep_to_one_side(t0),
        }
        while self.stepper.time() != t1 {
            if self.stats.accepted + self.stats.rejected >= self.max_steps {
                return Err(SolveError::MaxSteps {
                    limit: self.max_steps,
                    t: self.stepper.time(),
                    t1,
                });
            }
            let before = self.stepper.time();
            if let ControlFlow::Break(outcome) = self.step(measure)? {
                return Ok(outcome);
            }
            let t = self.stepper.time();
            if t != before && t != t1 && self.jumps.contains(&t) {
                let y = self.stepper.state().clone();
                self.pass_jump(t, &y, measure)?;
            }
        }
        Ok(Outcome::Complete)
    }

    /// Starts the stepper at `(t, y)` and the controller with it.
    fn set_out(&mut self, t: f64, y: &S, measure: Option<ErrorMeasure>) -> Result<(), SolveError<Sys::Error>> {
        let (error_order, end) = (self.start(t, y)?, self.smooth_until(t));
        let slope = self.stepper.initial_slope();
        let first = match (self.controller.first_step(), measure) {
            (Some(first), _) => first,
            (None, Some(measure)) => select_initial_step(&mut self.f, (t, end), y, slope, measure, error_order)?,
            (None, None) => (self.t1 - t).abs(),
        };
        self.controller.begin(t, self.t1, first);
        Ok(())
    }

    /// Goes on from a jump at `(t, y)` as from the start of a solve. A control that measures no errors has its steps
    /// planned and goes on with them.
    fn pass_jump(&mut self, t: f64, y: &S, measure: Option<ErrorMeasure>) -> Result<(), SolveError<Sys::Error>> {
        match measure {
            Some(_) => self.set_out(t, y, measure),
            None => self.start(t, y).map(drop),
        }
    }

    /// Starts the stepper at `(t, y)`, on the side of a jump that lies ahead; the order of its error estimate.
    fn start(&mut self, t: f64, y: &S) -> Result<u32, SolveError<Sys::Error>> {
        self.keep_to_one_side(t);
        self.stepper.start(&mut self.f, t, y)?;
        require_finite(self.stepper.initial_slope(), t)?;
        Ok(self.error_order())
    }

    /// Evaluates what lies between the jumps around `t` alone, on the way ahead.
    fn keep_to_one_side(&mut self, t: f64) {
        if !self.jumps.is_empty() {
            self.f.stay_inside(Window::after(self.jumps, t, self.t1 > self.t0));
        }
    }

    /// The next jump after `t`, or the end.
    fn smooth_until(&self, t: f64) -> f64 {
        let ahead = |jump: &&f64| if self.t1 > self.t0 { **jump > t } else { **jump < t };
        self.jumps.iter().find(ahead).copied().unwrap_or(self.t1)
    }

    /// Time at which the next attempt from `t` ends.
    fn next_time(&self, t: f64) -> Result<f64, SolveError<Sys::Error>> {
        let next = self.controller.next_time(t);
        let leads_on = if self.t1 > self.t0 { next > t } else { next < t };
        if leads_on {
            Ok(self.landing.clip(t, next))
        } else if next == t && self.time_is_coarse() {
            Err(self.too_small(next, f64::NAN))
        } else {
            Err(SolveError::InvalidStep {
                t,
                t_next: next,
                t1: self.t1,
            })
        }
    }

    /// Attempts one step, which may end the solve by an event or by its observer.
    fn step(&mut self, measure: Option<ErrorMeasure>) -> Result<ControlFlow<Outcome>, SolveError<Sys::Error>> {
        let t = self.stepper.time();
        let t_next = self.next_time(t)?;
        self.stepper.attempt(&mut self.f, t_next)?;
        let solved = self.stepper.is_solved();
        let ratio = match measure {
            Some(_) if !solved => self.unsolved_ratio(),
            Some(measure) => self.error_ratio(measure)?,
            None if !solved => return Err(self.not_converged(t_next)),
            None if self.stepper.candidate().non_finite()?.is_empty() => 0.0,
            None => return Err(self.non_finite(t_next, f64::NAN)?),
        };
        let verdict = self.controller.judge(&Attempt {
            t,
            t_next,
            error_ratio: ratio,
            error_order: self.error_order(),
        });
        if verdict == Verdict::Accept && ratio.is_finite() && solved {
            let ends = self.watch.look(&mut self.f, self.stepper, t_next)?;
            let stop = self.watch.points.last().filter(|_| ends);
            self.saver.collect(&mut self.f, self.stepper, t_next, stop)?;
            self.stats.accepted += 1;
            let mut flow = ControlFlow::Continue(());
            if let Some(observe) = &mut self.observe {
                let stats = Stats {
                    nfe: self.f.evaluations(),
                    ..self.stats
                };
                let (t1, y1) = stop.map_or((t_next, self.stepper.candidate()), |stop| (stop.t, &stop.state));
                let step = Step {
                    t0: t,
                    t1,
                    y0: self.stepper.state(),
                    y1,
                    error_ratio: ratio,
                    stats,
                };
                flow = observe(self.stepper, &step);
            }
            let event = stop.map(|stop| Outcome::Event(stop.event));
            self.stepper.accept();
            self.landing.arrive(t_next);
            return Ok(match (event, flow) {
                (Some(event), _) => ControlFlow::Break(event),
                (None, ControlFlow::Break(())) => ControlFlow::Break(Outcome::Stopped),
                (None, ControlFlow::Continue(())) => ControlFlow::Continue(()),
            });
        }
        self.stats.rejected += 1;
        let retry = self.next_time(t)?;
        if (retry - t).abs() >= self.min_step() {
            Ok(ControlFlow::Continue(()))
        } else if !solved {
            Err(self.not_converged(t_next))
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

    /// The error ratio that stands for an attempt whose equations are not solved: the elementary control then halves the
    /// step.
    fn unsolved_ratio(&self) -> f64 {
        /// What a safety of 0.9 leaves to be divided by.
        const BASE: f64 = 1.8;
        BASE.powf(f64::from(self.error_order()) + 1.0)
    }

    /// The smallest step worth trying from here: below it rounding in the time itself takes over.
    fn min_step(&self) -> f64 {
        /// Part of the span that counts as a time's size near t = 0.
        const NEAR_ZERO: f64 = 1e-8;
        let size = self.stepper.time().abs().max(NEAR_ZERO * (self.t1 - self.t0).abs());
        self.controller.min_step().max(ROUNDING * size)
    }

    /// Whether the numbers at the present time are so far apart that steps of a usual size are lost between them.
    fn time_is_coarse(&self) -> bool {
        /// Part of the span.
        const COARSE: f64 = 1e-8;
        ROUNDING * self.stepper.time().abs() > COARSE * (self.t1 - self.t0).abs()
    }

    fn too_small(&self, t_next: f64, error_ratio: f64) -> SolveError<Sys::Error> {
        let t = self.stepper.time();
        if self.time_is_coarse() && self.controller.min_step() <= ROUNDING * t.abs() {
            return SolveError::TimeTooCoarse {
                t,
                spacing: (t.abs().next_up() - t.abs()),
                t1: self.t1,
            };
        }
        SolveError::StepTooSmall {
            t,
            dt: t_next - t,
            min_step: self.min_step(),
            error_ratio,
        }
    }

    fn not_converged(&self, t_next: f64) -> SolveError<Sys::Error> {
        let t = self.stepper.time();
        SolveError::NotConverged {
            method: self.stepper.name(),
            t,
            dt: t_next - t,
        }
    }

    fn non_finite(&self, t_next: f64, error_ratio: f64) -> Result<SolveError<Sys::Error>, StateError> {
        let t = self.stepper.time();
        Ok(SolveError::NonFinite {
            t,
            dt: t_next - t,
            error_ratio,
            found: self.stepper.non_finite()?,
        })
    }
}

/// Refuses an initial state or slope that is not finite: no step size would help.
pub(super) fn require_finite<S: State, E: std::error::Error>(y: &S, t: f64) -> Result<(), SolveError<E>> {
    let found = y.non_finite()?;
    if found.is_empty() {
        Ok(())
    } else {
        Err(SolveError::NonFinite {
            t,
            dt: 0.0,
            error_ratio: f64::NAN,
            found,
        })
    }
}
