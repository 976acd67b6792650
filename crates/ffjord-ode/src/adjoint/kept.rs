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
    /// The evaluation at the current point, if the step before ended with it.
    start: Option<Evaluation<S, T>>,
    /// Evaluations since the last accepted step.
    pending: Vec<Evaluation<S, T>>,
    /// The stages of every accepted step that all fitted.
    steps: Vec<Vec<Evaluation<S, T>>>,
}

impl<'a, S: State, Sys: DifferentiableSystem<S>> Keeping<'a, S, Sys> {
    /// Keeps at most `bytes` of tapes of a solve of `system` by the method of this tableau.
    pub(super) fn new(system: &'a Sys, tableau: &'static Tableau, bytes: usize) -> Self {
        let log = Log {
            left: (bytes > 0).then_some(bytes),
            start: None,
            pending: Vec::new(),
            steps: Vec::new(),
        };
        Self {
            system,
            tableau,
            log: RefCell::new(log),
        }
    }

    /// Sorts the evaluations since the last accepted step: those of the step that has just been accepted are kept, those
    /// of rejected attempts are not.
    pub(super) fn accept(&self) {
        let log = &mut *self.log.borrow_mut();
        if log.left.is_none() {
            return;
        }
        // An attempt evaluates every stage but the first, which it shares with the attempts before.
        let of_attempt = self.tableau.stages() - 1;
        let Some(before) = log.pending.len().checked_sub(of_attempt) else {
            log.left = None;
            return;
        };
        let attempt = log.pending.split_off(before);
        let first = log.start.take().or_else(|| log.pending.drain(..).next());
        let mut rejected: usize = log.pending.iter().map(|e| self.system.tape_bytes(&e.tape)).sum();
        log.pending.clear();
        let mut stages: Vec<_> = first.into_iter().chain(attempt).collect();
        if self.tableau.fsal {
            log.start = stages.pop();
        }
        for unused in stages.drain(self.tableau.stages_of_solution().min(stages.len())..) {
            rejected += self.system.tape_bytes(&unused.tape);
        }
        log.left = log.left.map(|left| left + rejected);
        log.steps.push(stages);
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
        let Some(left) = log.left else {
            return self.system.rhs(t, y, dy);
        };
        let tape = self.system.linearize(t, y, dy)?;
        log.left = left.checked_sub(self.system.tape_bytes(&tape));
        match (log.left, copy_of(dy)) {
            (Some(_), Ok(slope)) => log.pending.push(Evaluation { slope, tape }),
            // From here on everything is computed again: this step's evaluations are of no use.
            _ => (log.left, log.start, log.pending) = (None, None, Vec::new()),
        }
        Ok(())
    }
}
