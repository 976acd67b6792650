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
///
/// ```
/// use ffjord_ode::{Method, Solver};
/// use ffjord_ode::adjoint::{Adjoint, Checkpointed};
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
/// // Ten steps of Euler's method for dy/dt = -y: the gradient is that of these steps, not of the solution.
/// let solver = Solver::new(Method::Euler).fixed_steps(10);
/// let (_, record) = Checkpointed::new().forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// let gradient = Checkpointed::new().backward(&Decay, record, &[1.0])?;
/// assert!((gradient.y0[0] - 0.9_f64.powi(10)).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// use ffjord_ode::{Method, Solver};
/// use ffjord_ode::adjoint::{Adjoint, Checkpointed};
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
/// let solver = Solver::new(Method::Euler).fixed_steps(10);
/// let (_, states) = Checkpointed::new().forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// assert_eq!((states.steps().len(), states.kept_steps()), (11, 0));
/// assert!((states.steps()[1].state[0] - 1.8).abs() < 1e-15);
/// let (_, tapes) = Checkpointed::new().keep_tapes(1 << 20).forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// assert_eq!(tapes.kept_steps(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
