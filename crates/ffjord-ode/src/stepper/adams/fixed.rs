//! Adams methods of fixed order.

use super::step::AdamsStep;
use crate::{
    error::{SetupError, SolveError, StateError},
    interpolant::Interpolant,
    methods::adams_starter,
    norm::{ScaledError, Tolerance},
    state::{NonFinite, State},
    stepper::{ExplicitRungeKutta, Stepper},
    system::{Evaluator, System},
};

/// Whether the slope at the end of a step counts.
///
/// ```
/// use ffjord_ode::{AdamsKind, AdamsMethod, ConstantStep, FixedAdams, Limits, StepGrid, integrate};
/// let decay = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0];
/// let solve = |kind| -> Result<(f64, usize), Box<dyn std::error::Error>> {
///     let mut stepper = FixedAdams::new(AdamsMethod::new("order 3", kind, 3)?, &[0.0])?;
///     let mut steps = ConstantStep::new(StepGrid::Count(100), 0.0, 1.0)?;
///     let solution = integrate(&decay, &[1.0], (0.0, 1.0), &mut stepper, &mut steps, &Limits::default())?;
///     Ok(((solution.state[0] - (-1.0_f64).exp()).abs(), solution.stats.nfe))
/// };
/// let (predicted, corrected) = (solve(AdamsKind::Bashforth)?, solve(AdamsKind::BashforthMoulton)?);
/// assert!(corrected.0 < predicted.0 && corrected.1 > predicted.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdamsKind {
    /// Adams–Bashforth: past slopes alone, one evaluation a step.
    Bashforth,
    /// Adams–Bashforth–Moulton: predict, evaluate, correct, evaluate; two evaluations a step.
    BashforthMoulton,
}

/// An Adams method of one order p, as numbers.
///
/// Its first p − 1 steps are those of a Runge–Kutta method: `dopri5` up to p = 4, `dopri8` above.
///
/// ```
/// use ffjord_ode::{AdamsKind, AdamsMethod, FixedAdams, Stepper};
/// let method = AdamsMethod::new("ab3", AdamsKind::Bashforth, 3)?;
/// let stepper = FixedAdams::new(method, &[0.0])?;
/// assert_eq!((stepper.name(), Stepper::<[f64; 1]>::order(&stepper), stepper.error_order()), ("ab3", 3, None));
/// let refused = AdamsMethod::new("ab9", AdamsKind::Bashforth, 9).unwrap_err().to_string();
/// assert!(refused.contains('9'), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdamsMethod {
    pub(crate) name: &'static str,
    pub(crate) kind: AdamsKind,
    pub(crate) order: u32,
}

impl AdamsMethod {
    /// The largest order: that for which the starting steps and their dense output are accurate enough.
    const MAX_ORDER: u32 = 7;

    /// The method of order 1 to 7, called `name` in messages.
    ///
    /// # Errors
    /// [`SetupError::InvalidSetting`] for another order.
    pub fn new(name: &'static str, kind: AdamsKind, order: u32) -> Result<Self, SetupError> {
        if (1..=Self::MAX_ORDER).contains(&order) {
            Ok(Self { name, kind, order })
        } else {
            Err(SetupError::InvalidSetting {
                setting: "order of an Adams method",
                given: f64::from(order),
                accepted: "from 1 to 7",
            })
        }
    }
}

/// An [`AdamsMethod`] in motion, in steps of any sizes, without an error estimate.
///
/// Dense output is the integrated polynomial itself: continuous, and of order p.
///
/// ```
/// use ffjord_ode::{AdamsKind, AdamsMethod, ConstantStep, FixedAdams, Limits, StepGrid, integrate};
///
/// let decay = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0];
/// let method = AdamsMethod::new("abm6", AdamsKind::BashforthMoulton, 6)?;
/// let mut stepper = FixedAdams::new(method, &[0.0])?;
/// let mut steps = ConstantStep::new(StepGrid::Count(40), 0.0, 1.0)?;
/// let solution = integrate(&decay, &[1.0], (0.0, 1.0), &mut stepper, &mut steps, &Limits::default())?;
/// assert!((solution.state[0] - (-1.0_f64).exp()).abs() < 1e-10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FixedAdams<S> {
    method: AdamsMethod,
    step: AdamsStep<S>,
    starter: ExplicitRungeKutta<S>,
    /// Whether the step under way is one of the starter's.
    starting: bool,
}

impl<S: State> FixedAdams<S> {
    /// A stepper for states like `y`.
    ///
    /// # Errors
    /// If the work space cannot be had.
    pub fn new(method: AdamsMethod, y: &S) -> Result<Self, StateError> {
        Ok(Self {
            method,
            step: AdamsStep::new(y, method.order as usize)?,
            starter: ExplicitRungeKutta::new(adams_starter(method.order), y)?,
            starting: false,
        })
    }
}

impl<S: State> Stepper<S> for FixedAdams<S> {
    fn name(&self) -> &'static str {
        self.method.name
    }

    fn order(&self) -> u32 {
        self.method.order
    }

    fn error_order(&self) -> Option<u32> {
        None
    }

    fn start<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t: f64, y: &S) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        self.step.start(f, t, y)
    }

    fn time(&self) -> f64 {
        self.step.t
    }

    fn state(&self) -> &S {
        &self.step.y
    }

    fn initial_slope(&self) -> &S {
        self.step.slope()
    }

    fn attempt<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t_next: f64) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let order = self.method.order as usize;
        self.step.ensure_slope(f)?;
        self.step.t_next = t_next;
        self.starting = self.step.known() < order;
        if self.starting {
            self.starter.resume(self.step.t, &self.step.y, self.step.slope())?;
            self.starter.attempt(f, t_next)?;
            self.step.candidate.set_sum(&[(1.0, self.starter.candidate())])?;
            return Ok(());
        }
        self.step.predict(order)?;
        match self.method.kind {
            AdamsKind::Bashforth => Ok(()),
            AdamsKind::BashforthMoulton => self.step.correct(f, order - 1),
        }
    }

    fn candidate(&self) -> &S {
        &self.step.candidate
    }

    fn measure_error(&mut self, _tolerance: &Tolerance) -> Result<Option<ScaledError>, StateError> {
        Ok(None)
    }

    fn non_finite(&self) -> Result<NonFinite, StateError> {
        self.step.candidate.non_finite()
    }

    fn interpolant<Sys>(&mut self, f: &mut Evaluator<'_, Sys>) -> Result<Interpolant<S>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        if self.starting {
            self.starter.interpolant(f)
        } else {
            Ok(self.step.interpolant()?)
        }
    }

    fn accept(&mut self) {
        self.step.accept();
    }
}
