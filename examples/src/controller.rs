//! Step control of one's own: every step is a power of two.
//!
//! A step that errs too much is halved, one that errs by little is doubled for the next time. A controller sees times
//! and error ratios, no method and no state; the solver cuts the last step to end on the end of time.

use crate::{Outcome, Trained, moons};
use ffjord::flow::{Cnf, Flow, SolveSettings};
use ffjord::ode::{Attempt, Controller, ErrorMeasure, ErrorNorm, Method, Solver, Tolerance, Verdict};

/// Steps that are powers of two.
#[derive(Debug, Clone)]
pub struct PowersOfTwo {
    tolerance: Tolerance,
    /// Signed, the next step.
    step: f64,
}

impl PowersOfTwo {
    /// Control by this tolerance.
    #[must_use]
    pub fn new(tolerance: Tolerance) -> Self {
        Self { tolerance, step: 0.0 }
    }
}

impl Controller for PowersOfTwo {
    fn measure(&self) -> Option<ErrorMeasure> {
        Some(ErrorMeasure {
            tolerance: self.tolerance,
            norm: ErrorNorm::Rms,
        })
    }

    fn first_step(&self) -> Option<f64> {
        None
    }

    fn begin(&mut self, t0: f64, t1: f64, first: f64) {
        self.step = first.log2().floor().exp2().copysign(t1 - t0);
    }

    fn next_time(&self, t: f64) -> f64 {
        t + self.step
    }

    fn judge(&mut self, attempt: &Attempt) -> Verdict {
        if attempt.error_ratio > 1.0 {
            self.step /= 2.0;
            return Verdict::Reject;
        }
        // A step twice as long errs this many times as much; half of what is allowed is left for surprises.
        let growth = f64::from(attempt.error_order + 1).exp2();
        if attempt.error_ratio * growth < 0.5 {
            self.step *= 2.0;
        }
        Verdict::Accept
    }
}

/// Trains a flow whose every solve is controlled like this.
///
/// # Errors
/// When training fails.
pub fn train() -> Outcome<Trained> {
    let control = PowersOfTwo::new(Tolerance::new(1e-3, 1e-3)?);
    let solve = SolveSettings::new(Solver::new(Method::Tsit5).controlled_by(control));
    let cnf = Cnf::builder(2)
        .hidden([32, 32])
        .training(solve.clone())
        .evaluation(solve)
        .build()?;
    moons::train(&Flow::over_normal(cnf)?)
}
