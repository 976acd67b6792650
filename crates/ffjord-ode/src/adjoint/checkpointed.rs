//! The exact gradient of the steps that were taken.

use std::ops::ControlFlow;

use super::{
    Adjoint, AdjointSolution, DifferentiableSystem, Forward,
    kept::{Evaluation, Keeping},
    require_end_only, require_tableau,
    steps_backward::StepsBackward,
    without_steps,
};
use crate::{
    error::SolveError,
    integrate::Watchers,
    solution::Saved,
    solver::Solver,
    state::{State, copy_of},
    step::Step,
    stepper::ExplicitRungeKutta,
    tableau::Tableau,
};

/// Discretise, then optimise: keeps the state of every step, recomputes a step's stages and pulls them back.
///
/// The gradient is that of the steps taken, exact to rounding whatever the tolerance. Their sizes are held as fractions
/// of the interval, so dL/dt0 and dL/dt1 are exact for the steps, too, and tend to −λ(t0)·f and λ(t1)·f with them.
/// Memory: one state a step, and the tapes of one step. Work: one linearisation and one reverse product a stage.
///
/// With a budget of memory the forward solve also keeps its tapes, those of the first steps, for as long as they fit.
/// Their linearisations need not be computed again; the gradient is the same, bit for bit.
///
/// [`DifferentiableSystem`] has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpointed {
    tape_budget: usize,
}

impl Checkpointed {
    /// Keeps states only.
    #[must_use]
    pub const fn new() -> Self {
        Self { tape_budget: 0 }
    }

    /// Keeps tapes of up to `bytes` of a solve as well.
    ///
    /// ```
    /// use ffjord_ode::adjoint::Checkpointed;
    /// assert_eq!(Checkpointed::new().keep_tapes(64 << 20).tape_budget(), 64 << 20);
    /// ```
    #[must_use]
    pub const fn keep_tapes(self, bytes: usize) -> Self {
        Self { tape_budget: bytes }
    }

    /// Bytes of tapes that a solve may keep.
    #[must_use]
    pub const fn tape_budget(&self) -> usize {
        self.tape_budget
    }
}

/// The states of the steps of a forward solve, and the evaluations of as many of the first steps as were kept.
#[derive(Debug, Clone)]
pub struct CheckpointRecord<S, T> {
    tableau: &'static Tableau,
    /// Where the right-hand side jumps.
    jumps: Vec<f64>,
    /// The initial state and the state after every step.
    steps: Vec<Saved<S>>,
    kept: Vec<Vec<Evaluation<S, T>>>,
}

impl<S, T> CheckpointRecord<S, T> {
    /// The initial state and the state after every step.
    pub fn steps(&self) -> &[Saved<S>] {
        &self.steps
    }

    /// The number of steps, the first ones, whose tapes were kept.
    pub fn kept_steps(&self) -> usize {
        self.kept.len()
    }
}

impl<S: State, Sys: DifferentiableSystem<S>> Adjoint<S, Sys> for Checkpointed {
    type Record = CheckpointRecord<S, Sys::Tape>;

    fn forward(&self, solver: &Solver, system: &Sys, y0: &S, t0: f64, t1: f64) -> Forward<S, Self::Record, Sys::Error> {
        require_end_only(solver)?;
        let tableau = require_tableau("checkpointed", solver.method())?;
        let keeping = Keeping::new(system, tableau, self.tape_budget);
        let mut steps = vec![Saved {
            t: t0,
            state: copy_of(y0)?,
        }];
        let mut observe = |stepper: &ExplicitRungeKutta<S>, step: &Step<'_, S>| {
            keeping.accept(stepper.evaluations());
            steps.push(Saved {
                t: step.t1,
                state: step.y1.clone(),
            });
            ControlFlow::Continue(())
        };
        let mut stepper = ExplicitRungeKutta::new(tableau, y0)?;
        let solution = solver.drive(&mut stepper, &keeping, y0, (t0, t1), Watchers::observer(&mut observe))?;
        let kept = keeping.into_steps();
        let record = CheckpointRecord {
            tableau,
            jumps: solver.limits().jump_at.clone(),
            steps,
            kept,
        };
        Ok((solution, record))
    }

    fn backward(
        &self,
        system: &Sys,
        record: Self::Record,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        record.pull_back(system, cotangent)
    }
}

impl<S: State, T> CheckpointRecord<S, T> {
    /// The reverse pass that this record is for.
    pub(super) fn pull_back<Sys: DifferentiableSystem<S, Tape = T>>(
        self,
        system: &Sys,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        let Self {
            tableau,
            jumps,
            mut steps,
            mut kept,
        } = self;
        if let [Saved { t, state }] = &steps[..] {
            return without_steps(system, (*t, state), cotangent);
        }
        let start = steps.first().map_or(0.0, |first| first.t);
        let end = steps.last().map_or(start, |last| last.t);
        let mut back = StepsBackward::new(system, tableau, (start, end), &jumps, cotangent)?;
        let mut t_next = end;
        // The state at the end itself is not needed: a step is recomputed from its start.
        steps.pop();
        while let Some(Saved { t, state }) = steps.pop() {
            let evaluations = if steps.len() < kept.len() { kept.pop() } else { None };
            match evaluations {
                Some(evaluations) => back.pull_back_kept(system, (t, t_next), evaluations)?,
                None => back.pull_back(system, (t, t_next), &state)?,
            }
            t_next = t;
        }
        back.finish(0)
    }
}
