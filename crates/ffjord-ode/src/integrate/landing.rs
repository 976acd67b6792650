//! Times that steps must end on, and the sides of jumps.

use super::Limits;
use crate::{error::SetupError, save::check_times};

/// The times that steps must end on exactly, the end of the solve among them.
#[derive(Debug, Clone)]
pub(crate) struct Landing {
    /// In the order of the solve.
    stops: Vec<f64>,
    passed: usize,
}

impl Landing {
    /// The stop times and jumps of a solve from `t0` to `t1`.
    ///
    /// # Errors
    /// [`SetupError::InvalidTimes`] for times that lie outside the solve or are out of order.
    pub(crate) fn new(limits: &Limits, t0: f64, t1: f64) -> Result<Self, SetupError> {
        check_times("stop", &limits.stop_at, t0, t1)?;
        check_times("jump", &limits.jump_at, t0, t1)?;
        let mut stops: Vec<f64> = limits.stop_at.iter().chain(&limits.jump_at).copied().collect();
        stops.push(t1);
        let forwards = t1 >= t0;
        stops.sort_by(|a, b| if forwards { a.total_cmp(b) } else { b.total_cmp(a) });
        stops.dedup();
        let passed = stops.partition_point(|&stop| if forwards { stop <= t0 } else { stop >= t0 });
        Ok(Self { stops, passed })
    }

    /// The end of a step from `t` that was to end at `next`.
    pub(crate) fn clip(&self, t: f64, next: f64) -> f64 {
        /// Part of a step by which it is stretched rather than leave a sliver to the stop.
        const STRETCH: f64 = 0.01;
        match self.stops.get(self.passed) {
            // Compared in units of the step, so that both directions of time are one case.
            Some(&stop) if next.is_infinite() || (stop - next) / (next - t) <= STRETCH => stop,
            _ => next,
        }
    }

    /// Takes note of a step that ended at `t`.
    pub(crate) fn arrive(&mut self, t: f64) {
        if self.stops.get(self.passed) == Some(&t) {
            self.passed += 1;
        }
    }
}

/// Times between two jumps of the right-hand side: it is evaluated inside them alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub(crate) earliest: f64,
    pub(crate) latest: f64,
}

impl Window {
    /// All times.
    pub(crate) const EVERYWHERE: Self = Self {
        earliest: f64::NEG_INFINITY,
        latest: f64::INFINITY,
    };

    /// What lies between the jumps around a step from `t`, forwards or backwards in time: up to the numbers next to them.
    pub(crate) fn after(jumps: &[f64], t: f64, forwards: bool) -> Self {
        let behind = |jump: f64| if forwards { jump <= t } else { jump >= t };
        let (before, after): (Vec<f64>, Vec<f64>) = jumps.iter().partition(|&&jump| behind(jump));
        let (earlier, later) = if forwards { (before, after) } else { (after, before) };
        let earliest = earlier.into_iter().map(f64::next_up);
        let latest = later.into_iter().map(f64::next_down);
        Self {
            earliest: earliest.fold(f64::NEG_INFINITY, f64::max),
            latest: latest.fold(f64::INFINITY, f64::min),
        }
    }

    /// The time inside the window that is nearest to `t`.
    pub(crate) fn nearest(&self, t: f64) -> f64 {
        t.max(self.earliest).min(self.latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_next_to_their_jumps() {
        let jumps = [1.0, 2.0];
        let window = Window::after(&jumps, 1.0, true);
        assert_eq!((window.nearest(1.0), window.nearest(1.5)), (1.0_f64.next_up(), 1.5));
        assert_eq!(window.nearest(2.0), 2.0_f64.next_down());
        let back = Window::after(&[2.0, 1.0], 2.0, false);
        assert_eq!(back, window);
        assert_eq!(Window::after(&jumps, 0.0, true).nearest(-7.0), -7.0);
        assert_eq!(Window::after(&[], 0.0, true), Window::EVERYWHERE);
    }
}
