//! Landing on given times exactly.

use super::{Attempt, Controller, Verdict};
use crate::norm::ErrorMeasure;

/// A controller whose steps end exactly on given times, the end of the solve among them.
///
/// The controller inside goes on with its own step after such a time.
#[derive(Debug, Clone)]
pub(crate) struct Clipped<C> {
    inner: C,
    /// Times to land on, in the order of the solve.
    stops: Vec<f64>,
    passed: usize,
}

impl<C: Controller> Clipped<C> {
    /// Clips `inner` to `stops`, which are in the order of the solve and end with its end.
    pub(crate) fn new(inner: C, stops: Vec<f64>) -> Self {
        Self {
            inner,
            stops,
            passed: 0,
        }
    }
}

impl<C: Controller> Controller for Clipped<C> {
    fn measure(&self) -> Option<ErrorMeasure> {
        self.inner.measure()
    }

    fn first_step(&self) -> Option<f64> {
        self.inner.first_step()
    }

    fn begin(&mut self, t0: f64, t1: f64, first: f64) {
        self.passed = self.stops.partition_point(|stop| (stop - t0) * (t1 - t0) <= 0.0);
        self.inner.begin(t0, t1, first);
    }

    fn next_time(&self, t: f64) -> f64 {
        /// Part of a step by which it is stretched rather than leave a sliver to the stop.
        const STRETCH: f64 = 0.01;
        let next = self.inner.next_time(t);
        match self.stops.get(self.passed) {
            // Compared in units of the step, so that both directions of time are one case.
            Some(&stop) if (stop - next) / (next - t) <= STRETCH => stop,
            _ => next,
        }
    }

    fn judge(&mut self, attempt: &Attempt) -> Verdict {
        let verdict = self.inner.judge(attempt);
        if verdict == Verdict::Accept && self.stops.get(self.passed) == Some(&attempt.t_next) {
            self.passed += 1;
        }
        verdict
    }

    fn min_step(&self) -> f64 {
        self.inner.min_step()
    }
}
