//! Steps fixed in advance.

use super::{Attempt, Controller, Verdict};
use crate::{error::SetupError, norm::ErrorMeasure};

/// A grid of times fixed in advance; its last point is the end of the solve exactly.
///
/// ```
/// use ffjord_ode::{Method, Solver, StepGrid};
/// assert_eq!(StepGrid::Count(8).steps(0.0, 1.0)?, 8);
/// assert_eq!(StepGrid::Size(0.3).steps(0.0, 1.0)?, 4);                    // the last one is 0.1 long
/// assert!(StepGrid::Size(-0.3).steps(0.0, 1.0).unwrap_err().to_string().contains("-0.3"));
/// let still = |_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 0.0;
/// let solution = Solver::new(Method::Euler).fixed_size(0.3).solve(&still, &[1.0], 1.0, 0.0)?;
/// assert_eq!((solution.t, solution.stats.accepted), (0.0, 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum StepGrid {
    /// This many equal steps.
    Count(usize),
    /// Steps of this positive size, the last one shorter where they do not fit.
    Size(f64),
}

impl StepGrid {
    /// The number of steps from `t0` to `t1`.
    ///
    /// # Errors
    /// [`SetupError::InvalidSetting`] for no steps, or a size that is not positive and finite.
    pub fn steps(&self, t0: f64, t1: f64) -> Result<usize, SetupError> {
        /// What a whole number of steps may miss the span by, in steps, because of rounding.
        const SLACK: f64 = 1e-9;
        match *self {
            Self::Count(0) => Err(SetupError::InvalidSetting {
                setting: "number of fixed steps",
                given: 0.0,
                accepted: "at least 1",
            }),
            Self::Count(n) => Ok(n),
            Self::Size(dt) if dt > 0.0 && dt.is_finite() => {
                // A float too large for an integer saturates; the budget of steps then refuses it.
                Ok((((t1 - t0).abs() / dt - SLACK).ceil() as usize).max(1))
            }
            Self::Size(dt) => Err(SetupError::InvalidSetting {
                setting: "fixed step size",
                given: dt,
                accepted: "positive and finite",
            }),
        }
    }
}

/// A controller that walks a [`StepGrid`] and accepts every step.
///
/// ```
/// use ffjord_ode::{ConstantStep, ExplicitRungeKutta, Limits, Method, StepGrid, integrate};
/// let growth = |t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 2.0 * t;
/// let mut stepper = ExplicitRungeKutta::new(Method::Midpoint.tableau().ok_or("explicit")?, &[0.0])?;
/// let mut steps = ConstantStep::new(StepGrid::Size(0.4), 0.0, 1.0)?;
/// assert_eq!(steps.steps(), 3);
/// let solution = integrate(&growth, &[0.0], (0.0, 1.0), &mut stepper, &mut steps, &Limits::default())?;
/// assert!((solution.state[0] - 1.0).abs() < 1e-15);                       // exact for polynomials of degree 2
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConstantStep {
    grid: StepGrid,
    steps: usize,
    taken: usize,
    t0: f64,
    t1: f64,
}

impl ConstantStep {
    /// A controller for `grid` between `t0` and `t1`.
    ///
    /// # Errors
    /// As [`StepGrid::steps`].
    pub fn new(grid: StepGrid, t0: f64, t1: f64) -> Result<Self, SetupError> {
        Ok(Self {
            grid,
            steps: grid.steps(t0, t1)?,
            taken: 0,
            t0,
            t1,
        })
    }

    /// The number of steps in all.
    pub fn steps(&self) -> usize {
        self.steps
    }

    fn grid_time(&self, index: usize) -> f64 {
        if index >= self.steps {
            return self.t1;
        }
        match self.grid {
            StepGrid::Count(n) => self.t0 + (self.t1 - self.t0) * (index as f64 / n as f64),
            StepGrid::Size(dt) => self.t0 + (index as f64 * dt).copysign(self.t1 - self.t0),
        }
    }
}

impl Controller for ConstantStep {
    fn measure(&self) -> Option<ErrorMeasure> {
        None
    }

    fn first_step(&self) -> Option<f64> {
        Some((self.grid_time(1) - self.t0).abs())
    }

    fn begin(&mut self, _t0: f64, _t1: f64, _first: f64) {
        self.taken = 0;
    }

    fn next_time(&self, _t: f64) -> f64 {
        self.grid_time(self.taken + 1)
    }

    fn judge(&mut self, attempt: &Attempt) -> Verdict {
        // A step cut short by a stop time has not reached the grid point yet.
        if attempt.t_next == self.grid_time(self.taken + 1) {
            self.taken += 1;
        }
        Verdict::Accept
    }
}
