//! The exact gradient of reversible steps, whose path is reconstructed on the way back.

use std::ops::ControlFlow;

use super::{
    Adjoint, AdjointSolution, DifferentiableSystem, Forward, require_end_only, require_finite,
    reverse_step::TimeSensitivity,
    reversible_step::{StepCostate, Unrolled},
    steps_backward::EndSensitivity,
    without_steps,
};
use crate::{
    error::{SetupError, SolveError},
    integrate::{Watchers, Window},
    methods::Method,
    solution::Stats,
    solver::Solver,
    state::{State, copy_of},
    step::Step,
    stepper::ReversibleHeun,
};

/// Discretise, then optimise, with nothing kept but the end: the steps of [`Method::ReversibleHeun`] are undone one by
/// one (Kidger et al. 2021, Algorithm 2).
///
/// The gradient is that of the steps taken, exact but for the rounding errors that undoing them adds up. Memory: three
/// states, one tape, and 8 bytes a step for its time. Work: one linearisation and one reverse product a step, as many
/// as the forward solve took evaluations of accepted steps. It does not go with other methods.
///
/// ```
/// use ffjord_ode::{Method, SetupError, SolveError, Solver};
/// use ffjord_ode::adjoint::{Adjoint, AdjointMethod};
/// # use ffjord_ode::{System, adjoint::DifferentiableSystem};
/// # struct Decay;
/// # impl System<[f64; 1]> for Decay {
/// #     type Error = std::convert::Infallible;
/// #     fn rhs(&self, _t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> {
/// #         dy[0] = -y[0];
/// #         Ok(())
/// #     }
/// # }
/// # impl DifferentiableSystem<[f64; 1]> for Decay {
/// #     type Tape = ();
/// #     type Gradient = [f64; 0];
/// #     fn zero_gradient(&self) -> Result<[f64; 0], Self::Error> { Ok([]) }
/// #     fn linearize(&self, t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> { self.rhs(t, y, dy) }
/// #     fn pullback(
/// #         &self, _: (), v: &[f64; 1], grad_y: &mut [f64; 1], _: &mut [f64; 0],
/// #     ) -> Result<f64, Self::Error> {
/// #         grad_y[0] = -v[0];
/// #         Ok(0.0)
/// #     }
/// # }
/// // dy/dt = -y
/// let reversible: AdjointMethod = "reversible".parse()?;
/// let solver = Solver::new(Method::ReversibleHeun).fixed_steps(1000);
/// let (_, record) = reversible.forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// let gradient = reversible.backward(&Decay, record, &[1.0])?;
/// assert!((gradient.y0[0] - (-1.0_f64).exp()).abs() < 1e-6);
///
/// let heun = Solver::new(Method::Heun).fixed_steps(1000);
/// let refused = reversible.forward(&heun, &Decay, &[2.0], 0.0, 1.0);
/// assert!(matches!(refused, Err(SolveError::Setup(SetupError::AdjointNeedsMethod { .. }))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reversible;

/// Refuses a method whose steps cannot be undone.
pub(super) fn require_reversible(method: Method) -> Result<(), SetupError> {
    match method {
        Method::ReversibleHeun => Ok(()),
        _ => Err(SetupError::AdjointNeedsMethod {
            adjoint: "reversible",
            method: method.name(),
            accepted: Method::ReversibleHeun.name().to_owned(),
        }),
    }
}

/// The ends of the smooth parts of a forward solve, one unless the right-hand side jumps, and the times of its steps.
///
/// ```
/// use ffjord_ode::{Method, Solver};
/// use ffjord_ode::adjoint::{Adjoint, Checkpointed, Reversible, ReversibleRecord};
/// # use ffjord_ode::{System, adjoint::DifferentiableSystem};
/// # struct Decay;
/// # impl System<[f64; 1]> for Decay {
/// #     type Error = std::convert::Infallible;
/// #     fn rhs(&self, _t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> {
/// #         dy[0] = -y[0];
/// #         Ok(())
/// #     }
/// # }
/// # impl DifferentiableSystem<[f64; 1]> for Decay {
/// #     type Tape = ();
/// #     type Gradient = [f64; 0];
/// #     fn zero_gradient(&self) -> Result<[f64; 0], Self::Error> { Ok([]) }
/// #     fn linearize(&self, t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> { self.rhs(t, y, dy) }
/// #     fn pullback(
/// #         &self, _: (), v: &[f64; 1], grad_y: &mut [f64; 1], _: &mut [f64; 0],
/// #     ) -> Result<f64, Self::Error> {
/// #         grad_y[0] = -v[0];
/// #         Ok(0.0)
/// #     }
/// # }
/// let solver = Solver::new(Method::ReversibleHeun).fixed_steps(100);
/// let (solution, record) = Reversible.forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// let record: ReversibleRecord<[f64; 1]> = record;
/// let gradient = Reversible.backward(&Decay, record, &[1.0])?;
/// // The equation is linear, and so are its steps: dy(1)/dy(0) = y(1) / y(0) of the steps taken.
/// assert!((gradient.y0[0] - solution.state[0] / 2.0).abs() < 1e-13);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReversibleRecord<S> {
    /// Where the right-hand side jumps.
    jumps: Vec<f64>,
    parts: Vec<Part<S>>,
    /// The last, at whose end the solve ended.
    last: Part<S>,
}

/// Steps that can be undone from their end.
#[derive(Debug, Clone)]
struct Part<S> {
    /// The start, and the end of every step.
    times: Vec<f64>,
    y: S,
    /// ŷ.
    companion: S,
}

impl<S: State, Sys: DifferentiableSystem<S>> Adjoint<S, Sys> for Reversible {
    type Record = ReversibleRecord<S>;

    fn forward(
        &self,
        solver: &Solver,
        system: &Sys,
        y0: &S,
        t0: f64,
        t1: f64,
    ) -> Forward<S, ReversibleRecord<S>, Sys::Error> {
        require_end_only(solver)?;
        require_reversible(solver.method())?;
        let mut stepper = ReversibleHeun::new(y0)?;
        let jumps = &solver.limits().jump_at;
        let (mut times, mut parts) = (vec![t0], Vec::new());
        let mut observe = |stepper: &ReversibleHeun<S>, step: &Step<'_, S>| {
            let t = step.t1;
            times.push(t);
            // The solve sets out again on the other side of a jump, with ŷ = y.
            if t != t1 && jumps.contains(&t) {
                parts.push(Part {
                    times: std::mem::replace(&mut times, vec![t]),
                    y: step.y1.clone(),
                    companion: stepper.next_companion().clone(),
                });
            }
            ControlFlow::Continue(())
        };
        let solution = solver.drive(&mut stepper, system, y0, (t0, t1), Watchers::observer(&mut observe))?;
        // A solve without a step has not touched the stepper.
        let companion = if solution.stats.accepted > 0 {
            stepper.companion()
        } else {
            y0
        };
        let last = Part {
            times,
            y: copy_of(&solution.state)?,
            companion: copy_of(companion)?,
        };
        let jumps = jumps.clone();
        Ok((solution, ReversibleRecord { jumps, parts, last }))
    }

    fn backward(
        &self,
        system: &Sys,
        record: ReversibleRecord<S>,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        record.pull_back(system, cotangent)
    }
}

impl<S: State> ReversibleRecord<S> {
    /// The reverse pass that this record is for.
    pub(super) fn pull_back<Sys: DifferentiableSystem<S>>(
        self,
        system: &Sys,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        let Self { jumps, mut parts, last } = self;
        let end = last.times[last.times.len() - 1];
        if parts.is_empty() && last.times.len() == 1 {
            return without_steps(system, (end, &last.y), cotangent);
        }
        require_finite(cotangent, end)?;
        let start = parts.first().unwrap_or(&last).times[0];
        let mut back = PartsBackward {
            system,
            jumps: &jumps,
            gradient: system
                .zero_gradient()
                .map_err(|source| SolveError::System { t: end, source })?,
            ends: EndSensitivity::new(start, end, &jumps),
            stats: Stats::default(),
        };
        let mut cotangent = copy_of(cotangent)?;
        parts.push(last);
        while let Some(part) = parts.pop() {
            cotangent = back.pull_back(part, &cotangent)?;
        }
        back.ends.solution(cotangent, back.gradient, back.stats)
    }
}

/// The gradient of the parts that have been pulled back.
struct PartsBackward<'a, S: State, Sys: DifferentiableSystem<S>> {
    system: &'a Sys,
    jumps: &'a [f64],
    gradient: Sys::Gradient,
    ends: EndSensitivity,
    stats: Stats,
}

impl<S: State, Sys: DifferentiableSystem<S>> PartsBackward<'_, S, Sys> {
    /// dL/dy at the start of a part, from dL/dy at its end.
    fn pull_back(&mut self, part: Part<S>, cotangent: &S) -> Result<S, SolveError<Sys::Error>> {
        let (system, gradient, ends) = (self.system, &mut self.gradient, &mut self.ends);
        let (start, end) = (part.times[0], part.times[part.times.len() - 1]);
        let window = Window::after(self.jumps, start, end > start);
        let at = |t: f64| move |source| SolveError::System { t, source };
        let mut evaluations = 0;
        let mut linearize = |t: f64, point: &S, slope: &mut S| {
            evaluations += 1;
            let t = window.nearest(t);
            system.linearize(t, point, slope).map_err(at(t))
        };
        let mut path = Unrolled::new(part.y, part.companion)?;
        let mut costate = StepCostate::new(cotangent)?;
        // What nothing depends on is not evaluated.
        if end != start {
            let mut tape = linearize(end, &path.companion, &mut path.slope)?;
            for times in part.times.windows(2).rev() {
                let (t, t_next) = (times[0], times[1]);
                let h = t_next - t;
                let tau = costate.pull_back(h, |v, g| system.pullback(tape, v, g, gradient).map_err(at(t_next)))?;
                path.undo_companion(h)?;
                tape = linearize(t, &path.companion, &mut path.earlier_slope)?;
                path.undo_state(h)?;
                let dh = costate.along_size(&path)?;
                ends.add((t, t_next), &TimeSensitivity { t: tau, h: dh + tau });
                costate.undo_step(h)?;
                path.finish_step();
            }
            let tau = costate.pull_back(0.0, |v, g| system.pullback(tape, v, g, gradient).map_err(at(start)))?;
            ends.add((start, start), &TimeSensitivity { t: tau, h: 0.0 });
        }
        self.stats += Stats {
            nfe: evaluations,
            accepted: part.times.len() - 1,
            rejected: 0,
        };
        Ok(costate.into_initial()?)
    }
}
