//! What a solve returns.

use crate::{error::SolveError, event::EventPoint, interpolant::DenseOutput};

/// Which values of the solution a solve returns beside the last.
///
/// ```
/// use ffjord_ode::{Method, SaveAt, Solver};
/// let solver = Solver::new(Method::Rk4).fixed_steps(4).save_at(SaveAt::Times(vec![0.0, 0.3, 1.0]));
/// let solution = solver.solve(&|_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 2.0, &[1.0], 0.0, 1.0)?;
/// let values: Vec<f64> = solution.saved.iter().map(|point| point.state[0]).collect();
/// assert!(values.iter().zip([1.0, 1.6, 3.0]).all(|(value, exact)| (value - exact).abs() < 1e-12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum SaveAt {
    /// Only the state at the end.
    #[default]
    End,
    /// The states at these times, in the order of the solve; found by interpolation, steps are not cut short.
    Times(Vec<f64>),
    /// The initial state and the state after every accepted step.
    Steps,
    /// The solution at every time, as [`DenseOutput`].
    Dense,
    /// All that these ask for; times and steps in one list, in the order of the solve, every step's end once.
    ///
    /// ```
    /// use ffjord_ode::{Method, SaveAt, Solver};
    /// let several = SaveAt::Several(vec![SaveAt::Steps, SaveAt::Times(vec![0.3, 0.5]), SaveAt::Dense]);
    /// let solver = Solver::new(Method::Rk4).fixed_steps(2).save_at(several);
    /// let solution = solver.solve(&|_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 2.0, &[1.0], 0.0, 1.0)?;
    /// let times: Vec<f64> = solution.saved.iter().map(|point| point.t).collect();
    /// assert_eq!(times, [0.0, 0.3, 0.5, 1.0]);
    /// assert!(solution.dense.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Several(Vec<SaveAt>),
}

/// A state of the solution that was asked for.
///
/// ```
/// use ffjord_ode::{Method, SaveAt, Solver};
/// let solver = Solver::new(Method::Rk4).fixed_steps(2).save_at(SaveAt::Steps);
/// let solution = solver.solve(&|_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 2.0, &[1.0], 0.0, 1.0)?;
/// let line: Vec<(f64, f64)> = solution.saved.iter().map(|point| (point.t, point.state[0])).collect();
/// assert_eq!(line, [(0.0, 1.0), (0.5, 2.0), (1.0, 3.0)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Saved<S> {
    /// Its time.
    pub t: f64,
    /// The state at that time.
    pub state: S,
}

/// What a solve took.
///
/// ```
/// use ffjord_ode::{Method, Solver, Stats};
/// let solver = Solver::new(Method::Rk4).fixed_steps(10);
/// let decay = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0];
/// let stats = solver.solve(&decay, &[1.0], 0.0, 1.0)?.stats;
/// assert_eq!(stats, Stats { nfe: 40, accepted: 10, rejected: 0 });        // four evaluations a step
/// let mut both = stats;
/// both += stats;
/// assert_eq!(both.nfe, 80);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Stats {
    /// Evaluations of the right-hand side; in a reverse pass, of the right-hand side with its reverse product.
    pub nfe: usize,
    /// Steps accepted.
    pub accepted: usize,
    /// Steps rejected.
    pub rejected: usize,
}

impl std::ops::AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.nfe += other.nfe;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
    }
}

/// What ended a solve early.
///
/// ```
/// use ffjord_ode::{Method, OnBudget, Outcome, Solver, StopReason, Tolerance};
/// // y = 1 / (1 − t) ends at t = 1.
/// let blow_up = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = y[0] * y[0];
/// let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-6, 1e-6)?).on_budget(OnBudget::Partial);
/// let solution = solver.solve(&blow_up, &[1.0], 0.0, 2.0)?;
/// assert!(matches!(solution.outcome, Outcome::Partial(StopReason::StepTooSmall { min_step }) if min_step < 1e-12));
/// assert!((solution.t - 1.0).abs() < 1e-2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum StopReason {
    /// The budget of attempted steps.
    MaxSteps {
        /// The budget.
        limit: usize,
    },
    /// The budget of evaluations.
    MaxEvaluations {
        /// The budget.
        limit: usize,
    },
    /// The smallest step allowed.
    StepTooSmall {
        /// The smallest step allowed there.
        min_step: f64,
    },
    /// Numbers of time too far apart for the steps.
    TimeTooCoarse {
        /// Distance to the next number.
        spacing: f64,
    },
    /// A NaN or an infinity that no smaller step avoids.
    NonFinite {
        /// Step of the last attempt.
        dt: f64,
    },
    /// Equations of an implicit step, which no smaller step makes solvable.
    NotConverged {
        /// Step of the last attempt.
        dt: f64,
    },
    /// A tolerance finer than what the state's element type can tell apart.
    Rounding {
        /// Rounding relative to the tolerance.
        ratio: f64,
    },
    /// Slow components that are lost in the rounding of fast ones.
    TooStiff {
        /// Step of the last attempt.
        dt: f64,
    },
}

impl StopReason {
    /// What is behind an error, if it is one that a partial solution may end with.
    pub(crate) fn of<E: std::error::Error>(error: &SolveError<E>) -> Option<Self> {
        match *error {
            SolveError::MaxSteps { limit, .. } => Some(Self::MaxSteps { limit }),
            SolveError::MaxEvaluations { limit, .. } => Some(Self::MaxEvaluations { limit }),
            SolveError::StepTooSmall { min_step, .. } => Some(Self::StepTooSmall { min_step }),
            SolveError::TimeTooCoarse { spacing, .. } => Some(Self::TimeTooCoarse { spacing }),
            // A step of size 0 says that the solve did not even set out.
            SolveError::NonFinite { dt, .. } if dt != 0.0 => Some(Self::NonFinite { dt }),
            SolveError::NotConverged { dt, .. } => Some(Self::NotConverged { dt }),
            SolveError::Rounding { ratio, .. } => Some(Self::Rounding { ratio }),
            SolveError::TooStiff { dt, .. } => Some(Self::TooStiff { dt }),
            _ => None,
        }
    }
}

/// Whether a solve reached its end.
///
/// ```
/// use ffjord_ode::{Method, OnBudget, Outcome, Solver, StopReason};
/// let decay = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0];
/// let solver = Solver::new(Method::Rk4).fixed_steps(10);
/// assert_eq!(solver.solve(&decay, &[1.0], 0.0, 1.0)?.outcome, Outcome::Complete);
/// let few = solver.max_steps(7).on_budget(OnBudget::Partial).solve(&decay, &[1.0], 0.0, 1.0)?;
/// assert_eq!(few.outcome, Outcome::Partial(StopReason::MaxSteps { limit: 7 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It did.
    Complete,
    /// A terminal event ended it before: the event's index.
    Event(usize),
    /// A budget ended it before, or a step that could not be taken; only with [`OnBudget::Partial`].
    Partial(StopReason),
    /// The observer of its steps ended it before.
    Stopped,
}

/// What a solve does when a budget is used up, or when no step that is small enough leads on.
///
/// ```
/// use ffjord_ode::{Method, OnBudget, Outcome, Solver, StopReason};
/// let solver = Solver::new(Method::Rk4).fixed_steps(10).max_evaluations(20).on_budget(OnBudget::Partial);
/// let solution = solver.solve(&|_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 1.0, &[0.0], 0.0, 1.0)?;
/// assert_eq!((solution.t, solution.stats.nfe), (0.5, 20));
/// assert_eq!(solution.outcome, Outcome::Partial(StopReason::MaxEvaluations { limit: 20 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnBudget {
    /// It fails.
    #[default]
    Fail,
    /// It returns what it has, marked as [`Outcome::Partial`].
    Partial,
}

/// The solution of an initial-value problem.
///
/// ```
/// use ffjord_ode::{Method, SaveAt, Solver, Tolerance};
///
/// let decay = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0];
/// let solver = Solver::new(Method::Tsit5).adaptive(Tolerance::new(1e-8, 1e-8)?).save_at(SaveAt::Dense);
/// let solution = solver.solve(&decay, &[1.0], 0.0, 2.0)?;
/// assert!(solution.is_complete() && (solution.state[0] - (-2.0f64).exp()).abs() < 1e-7);
/// let dense = solution.dense.as_ref().ok_or("it was asked for")?;
/// assert!((dense.at(0.5)?[0] - (-0.5f64).exp()).abs() < 1e-6);
/// assert!(solution.stats.nfe > solution.stats.accepted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Solution<S> {
    /// Time that was reached: the end of the solve, or less if the solution is partial or a terminal event happened.
    pub t: f64,
    /// State at that time.
    pub state: S,
    /// States asked for with [`SaveAt::Times`] and [`SaveAt::Steps`], as far as they were reached.
    pub saved: Vec<Saved<S>>,
    /// Dense output asked for with [`SaveAt::Dense`].
    pub dense: Option<DenseOutput<S>>,
    /// The events that happened, in the order of the solve; a terminal one last.
    pub events: Vec<EventPoint<S>>,
    /// What it took.
    pub stats: Stats,
    /// Whether the end was reached.
    pub outcome: Outcome,
}

impl<S> Solution<S> {
    /// Whether the end was reached.
    pub fn is_complete(&self) -> bool {
        self.outcome == Outcome::Complete
    }
}
