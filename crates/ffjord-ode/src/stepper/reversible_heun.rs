//! Reversible Heun steps (Kidger, Foster, Li, Lyons, NeurIPS 2021, "Efficient and accurate gradients for neural SDEs").

use super::Stepper;
use crate::{
    error::{SolveError, StateError},
    interpolant::Interpolant,
    norm::{ScaledError, Tolerance},
    state::{NonFinite, State},
    system::{Evaluator, System},
};

/// Heun's method carried along by a second state ŷ, which makes its steps invertible; one evaluation a step.
///
/// ```text
/// ŷ₁ = 2 y₀ − ŷ₀ + h f(t₀, ŷ₀),    y₁ = y₀ + h/2 (f(t₀, ŷ₀) + f(t₁, ŷ₁)),    ŷ = y at the start,
/// ```
///
/// and the step from `(t₁, y₁, ŷ₁)` by −h leads back to `(t₀, y₀, ŷ₀)`. Order 2, with Euler's method as the embedded
/// estimate. It is not damped: on the linear test equation it is stable on the imaginary axis alone, so that the
/// difference of y and ŷ grows where the solution decays fast.
///
/// ```
/// use ffjord_ode::{Evaluator, ReversibleHeun, Stepper};
/// let pendulum = |_t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -y[0].sin()];
/// let mut f = Evaluator::new(&pendulum, usize::MAX);
/// let mut stepper = ReversibleHeun::new(&[2.0, 0.0])?;
/// stepper.start(&mut f, 0.0, &[2.0, 0.0])?;
/// for t in [0.1, 0.2, 0.1, 0.0] {
///     stepper.attempt(&mut f, t)?;
///     stepper.accept();
/// }
/// // Two steps, and both of them undone: y and ŷ are those of the start.
/// assert!((stepper.state()[0] - 2.0).abs() < 1e-15 && stepper.state()[1].abs() < 1e-15);
/// assert!((stepper.companion()[0] - 2.0).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReversibleHeun<S> {
    t: f64,
    t_next: f64,
    here: Point<S>,
    candidate: Point<S>,
    /// The error estimate.
    error: S,
}

/// A point of the path with all that the next step needs.
#[derive(Debug, Clone)]
struct Point<S> {
    y: S,
    /// ŷ.
    companion: S,
    /// f(t, ŷ).
    slope: S,
}

impl<S: State> Point<S> {
    fn zeros_like(y: &S) -> Result<Self, StateError> {
        Ok(Self {
            y: y.zeros_like()?,
            companion: y.zeros_like()?,
            slope: y.zeros_like()?,
        })
    }

    /// Writes the point a step of `h` from `start` to time `t` leads to.
    fn set_step<Sys>(
        &mut self,
        f: &mut Evaluator<'_, Sys>,
        start: &Self,
        t: f64,
        h: f64,
    ) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let (y, companion, slope) = (&start.y, &start.companion, &start.slope);
        self.companion.set_sum(&[(2.0, y), (-1.0, companion), (h, slope)])?;
        f.rhs(t, &self.companion, &mut self.slope)?;
        Ok(self.y.set_sum(&[(1.0, y), (0.5 * h, slope), (0.5 * h, &self.slope)])?)
    }
}

impl<S> ReversibleHeun<S> {
    pub(crate) const NAME: &'static str = "reversible_heun";
    pub(crate) const ORDER: u32 = 2;
}

impl<S: State> ReversibleHeun<S> {
    /// A stepper for states like `y`.
    ///
    /// # Errors
    /// If the work space cannot be had.
    pub fn new(y: &S) -> Result<Self, StateError> {
        Ok(Self {
            t: 0.0,
            t_next: 0.0,
            here: Point::zeros_like(y)?,
            candidate: Point::zeros_like(y)?,
            error: y.zeros_like()?,
        })
    }

    /// ŷ at the end of the last attempt.
    pub(crate) fn next_companion(&self) -> &S {
        &self.candidate.companion
    }

    /// ŷ at the current point: with the state it determines the whole path.
    pub fn companion(&self) -> &S {
        &self.here.companion
    }
}

impl<S: State> Stepper<S> for ReversibleHeun<S> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn order(&self) -> u32 {
        Self::ORDER
    }

    fn error_order(&self) -> Option<u32> {
        Some(1)
    }

    fn start<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t: f64, y: &S) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        (self.t, self.t_next) = (t, t);
        self.here.y.set_sum(&[(1.0, y)])?;
        self.here.companion.set_sum(&[(1.0, y)])?;
        f.rhs(t, &self.here.companion, &mut self.here.slope)
    }

    fn time(&self) -> f64 {
        self.t
    }

    fn state(&self) -> &S {
        &self.here.y
    }

    fn initial_slope(&self) -> &S {
        &self.here.slope
    }

    fn attempt<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t_next: f64) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        self.t_next = t_next;
        self.candidate.set_step(f, &self.here, t_next, t_next - self.t)
    }

    fn candidate(&self) -> &S {
        &self.candidate.y
    }

    fn measure_error(&mut self, tolerance: &Tolerance) -> Result<Option<ScaledError>, StateError> {
        let half = 0.5 * (self.t_next - self.t);
        self.error
            .set_sum(&[(half, &self.candidate.slope), (-half, &self.here.slope)])?;
        self.error
            .scaled_error(&self.here.y, &self.candidate.y, tolerance)
            .map(Some)
    }

    fn non_finite(&self) -> Result<NonFinite, StateError> {
        self.candidate.y.non_finite()?.or_else(|| self.error.non_finite())
    }

    fn interpolant<Sys>(&mut self, _f: &mut Evaluator<'_, Sys>) -> Result<Interpolant<S>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let (here, next) = (&self.here, &self.candidate);
        Ok(Interpolant::cubic_hermite(
            (self.t, self.t_next),
            (&here.y, &next.y),
            (&here.slope, &next.slope),
        )?)
    }

    fn accept(&mut self) {
        std::mem::swap(&mut self.here, &mut self.candidate);
        self.t = self.t_next;
    }
}
