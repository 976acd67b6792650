//! Evaluations of a forward solve that are kept for its reverse pass.

use std::cell::RefCell;

use super::DifferentiableSystem;
use crate::{
    state::{State, copy_of},
    system::System,
    tableau::Tableau,
};

/// One evaluation: its slope, and the tape of its reverse product.
#[derive(Debug, Clone)]
pub(super) struct Evaluation<S, T> {
    pub(super) slope: S,
    pub(super) tape: T,
}

/// A system that keeps the evaluations of accepted explicit Runge–Kutta steps for as long as they fit into a budget of
/// memory: those of the first steps.
pub(super) struct Keeping<'a, S: State, Sys: DifferentiableSystem<S>> {
    system: &'a Sys,
    tableau: &'static Tableau,
    log: RefCell<Log<S, Sys::Tape>>,
}

struct Log<S, T> {
    /// Bytes that may still be taken; none once an evaluation did not fit.
    left: Option<usize>,
    /// Evaluations of the solve so far.
    count: usize,
    /// Evaluations that may belong to the step under way, with their numbers, counted from 1.
    pending: Vec<(usize, Evaluation<S, T>)>,
    /// The stages of every accepted step that all fitted.
    steps: Vec<Vec<Evaluation<S, T>>>,
}

impl<'a, S: State, Sys: DifferentiableSystem<S>> Keeping<'a, S, Sys> {
    /// Keeps at most `bytes` of tapes of a solve of `system` by the method of this tableau.
    pub(super) fn new(system: &'a Sys, tableau: &'static Tableau, bytes: usize) -> Self {
        let log = Log {
            left: (bytes > 0).then_some(bytes),
            count: 0,
            pending: Vec::new(),
            steps: Vec::new(),
        };
        Self {
            system,
            tableau,
            log: RefCell::new(log),
        }
    }

    /// Sorts the evaluations since the last accepted step: those that the stages of the step now accepted come from are
    /// kept, those of rejected attempts and of the size of the first step are not.
    pub(super) fn accept(&self, stages: &[usize]) {
        let log = &mut *self.log.borrow_mut();
        if log.left.is_none() {
            return;
        }
        let needed = &stages[..self.tableau.stages_of_solution()];
        // The last stage of a first-same-as-last method is the next step's first.
        let next = self.tableau.fsal.then(|| stages[stages.len() - 1]);
        let mut step = Vec::with_capacity(needed.len());
        let mut freed = 0;
        for (number, evaluation) in std::mem::take(&mut log.pending) {
            if needed.contains(&number) {
                step.push(evaluation);
            } else if next == Some(number) {
                log.pending.push((number, evaluation));
            } else {
                freed += self.system.tape_bytes(&evaluation.tape);
            }
        }
        if step.len() < needed.len() {
            (log.left, log.pending) = (None, Vec::new());
            return;
        }
        log.left = log.left.map(|left| left + freed);
        log.steps.push(step);
    }

    /// The stages of the first steps.
    pub(super) fn into_steps(self) -> Vec<Vec<Evaluation<S, Sys::Tape>>> {
        self.log.into_inner().steps
    }
}

impl<S: State, Sys: DifferentiableSystem<S>> System<S> for Keeping<'_, S, Sys> {
    type Error = Sys::Error;

    fn rhs(&self, t: f64, y: &S, dy: &mut S) -> Result<(), Sys::Error> {
        let log = &mut *self.log.borrow_mut();
        log.count += 1;
        let Some(left) = log.left else {
            return self.system.rhs(t, y, dy);
        };
        let tape = self.system.linearize(t, y, dy)?;
        log.left = left.checked_sub(self.system.tape_bytes(&tape));
        match (log.left, copy_of(dy)) {
            (Some(_), Ok(slope)) => log.pending.push((log.count, Evaluation { slope, tape })),
            // From here on everything is computed again: this step's evaluations are of no use.
            _ => (log.left, log.pending) = (None, Vec::new()),
        }
        Ok(())
    }
}
