//! The exact gradient of the steps that were taken, from a fixed number of states.

use std::{num::NonZeroUsize, ops::ControlFlow};

use super::{
    Adjoint, AdjointSolution, DifferentiableSystem, Forward, require_end_only, require_tableau, schedule::split,
    steps_backward::StepsBackward, without_steps,
};
use crate::{
    error::SolveError,
    integrate::{Watchers, Window},
    solver::Solver,
    state::{State, copy_of},
    step::Step,
    stepper::{ExplicitRungeKutta, Stepper},
    system::{Evaluator, System},
    tableau::Tableau,
};

/// Discretise, then optimise, from a fixed number of snapshots: steps between them are taken again on the way back.
///
/// The gradient is that of [`Checkpointed`](super::Checkpointed), bit for bit. Memory: `snapshots` states, the tapes of
/// one step, and 8 bytes a step for its time. How many steps an adaptive solve takes is not known before its end, so
/// that the forward solve keeps every n-th state and doubles n whenever all snapshots are taken; on the way back those
/// that have become free split the steps between two others binomially (Griewank and Walther 2000), which is the
/// fewest steps to take again.
///
/// ```
/// use std::num::NonZeroUsize;
/// use ffjord_ode::adjoint::{AdjointMethod, Binomial};
/// let eight = Binomial::new(NonZeroUsize::new(8).ok_or("positive")?);
/// assert_eq!(AdjointMethod::Binomial(eight).to_string(), "binomial");
/// assert_eq!("binomial".parse(), Ok(AdjointMethod::Binomial(Binomial::default())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binomial {
    snapshots: NonZeroUsize,
}

impl Binomial {
    /// Keeps at most `snapshots` states at any time, the initial one among them.
    pub fn new(snapshots: NonZeroUsize) -> Self {
        Self { snapshots }
    }

    /// The greatest number of states kept.
    pub fn snapshots(&self) -> NonZeroUsize {
        self.snapshots
    }
}

impl Default for Binomial {
    /// 16 snapshots.
    fn default() -> Self {
        const SNAPSHOTS: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not 0");
        Self::new(SNAPSHOTS)
    }
}

/// The times of all steps of a forward solve, and the states at some of them.
///
/// ```
/// use std::num::NonZeroUsize;
/// use ffjord_ode::{Method, Solver};
/// use ffjord_ode::adjoint::{Adjoint, Binomial, BinomialRecord, Checkpointed};
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
/// let solver = Solver::new(Method::Rk4).fixed_steps(100);
/// let four = Binomial::new(NonZeroUsize::new(4).ok_or("positive")?);
/// let (_, record) = four.forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// let record: BinomialRecord<[f64; 1]> = record;
/// let gradient = four.backward(&Decay, record, &[1.0])?;
///
/// let (_, every_state) = Checkpointed::new().forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// let expected = Checkpointed::new().backward(&Decay, every_state, &[1.0])?;
/// assert_eq!(gradient.y0, expected.y0);
/// assert!(gradient.stats.nfe > expected.stats.nfe);       // steps are taken again
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct BinomialRecord<S> {
    tableau: &'static Tableau,
    limit: usize,
    /// Where the right-hand side jumps.
    jumps: Vec<f64>,
    /// The start, and the end of every step.
    times: Vec<f64>,
    /// States with the indices of their times; the first is the initial state.
    snapshots: Vec<(usize, S)>,
    /// Every so many states one was kept.
    stride: usize,
}

impl<S: State> BinomialRecord<S> {
    /// Looks at the state after a step.
    fn observe(&mut self, t: f64, y: &S) {
        let index = self.times.len();
        self.times.push(t);
        let wanted = |stride: usize| index.is_multiple_of(stride);
        if wanted(self.stride) && self.snapshots.len() == self.limit {
            self.stride = self.stride.saturating_mul(2);
            self.snapshots.retain(|(index, _)| index.is_multiple_of(self.stride));
        }
        if wanted(self.stride) {
            self.snapshots.push((index, y.clone()));
        }
    }
}

impl<S: State, Sys: DifferentiableSystem<S>> Adjoint<S, Sys> for Binomial {
    type Record = BinomialRecord<S>;

    fn forward(
        &self,
        solver: &Solver,
        system: &Sys,
        y0: &S,
        t0: f64,
        t1: f64,
    ) -> Forward<S, BinomialRecord<S>, Sys::Error> {
        require_end_only(solver)?;
        let tableau = require_tableau("binomial", solver.method())?;
        let mut record = BinomialRecord {
            tableau,
            limit: self.snapshots.get(),
            jumps: solver.limits().jump_at.clone(),
            times: vec![t0],
            snapshots: vec![(0, copy_of(y0)?)],
            stride: 1,
        };
        let mut stepper = ExplicitRungeKutta::new(tableau, y0)?;
        let mut observe = |_: &ExplicitRungeKutta<S>, step: &Step<'_, S>| {
            record.observe(step.t1, step.y1);
            ControlFlow::Continue(())
        };
        let solution = solver.drive(&mut stepper, system, y0, (t0, t1), Watchers::observer(&mut observe))?;
        // The state at the end is not needed: a step is recomputed from its start.
        let end = record.times.len() - 1;
        record.snapshots.retain(|&(index, _)| index < end.max(1));
        Ok((solution, record))
    }

    fn backward(
        &self,
        system: &Sys,
        record: BinomialRecord<S>,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        record.pull_back(system, cotangent)
    }
}

impl<S: State> BinomialRecord<S> {
    /// The reverse pass that this record is for.
    pub(super) fn pull_back<Sys: DifferentiableSystem<S>>(
        self,
        system: &Sys,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        let Self {
            tableau,
            limit,
            jumps,
            times,
            mut snapshots,
            ..
        } = self;
        if let ([t], [(_, state)]) = (&times[..], &snapshots[..]) {
            return without_steps(system, (*t, state), cotangent);
        }
        // Steps from here on have been pulled back.
        let mut end = times.len() - 1;
        let mut back = StepsBackward::new(system, tableau, (times[0], times[end]), &jumps, cotangent)?;
        let mut stepper = ExplicitRungeKutta::new(tableau, cotangent)?;
        let mut f = Evaluator::new(system, usize::MAX);
        while let Some((index, y)) = snapshots.last() {
            let (index, free) = (*index, limit - snapshots.len());
            if index + 1 == end {
                back.pull_back(system, (times[index], times[end]), y)?;
                snapshots.pop();
                end = index;
            } else if free == 0 {
                advance(&mut stepper, &mut f, y, &times[index..end], &jumps)?;
                end -= 1;
                back.pull_back(system, (times[end], times[end + 1]), stepper.state())?;
            } else {
                let next = index + split(end - index, free + 1);
                advance(&mut stepper, &mut f, y, &times[index..=next], &jumps)?;
                snapshots.push((next, copy_of(stepper.state())?));
            }
        }
        back.finish(f.evaluations())
    }
}

/// Takes the steps between `times` again, from `y` at the first of them; the right-hand side jumps at `jumps`.
fn advance<S: State, Sys: System<S>>(
    stepper: &mut ExplicitRungeKutta<S>,
    f: &mut Evaluator<'_, Sys>,
    y: &S,
    times: &[f64],
    jumps: &[f64],
) -> Result<(), SolveError<Sys::Error>> {
    for step in times.windows(2) {
        let (start, end) = (step[0], step[1]);
        let first = start == times[0];
        if first || jumps.contains(&start) {
            f.stay_inside(Window::after(jumps, start, end > start));
            let y = if first { y.clone() } else { stepper.state().clone() };
            stepper.start(f, start, &y)?;
        }
        stepper.attempt(f, end)?;
        stepper.accept();
    }
    Ok(())
}
