//! Values inside a step, and the dense output of a whole solve.

use std::convert::Infallible;

use crate::{
    error::{SetupError, SolveError, StateError},
    state::{State, Terms},
};

/// The solution inside one step as a polynomial `y(t₀ + θh) = Σⱼ θʲ pⱼ`, θ from 0 to 1.
///
/// ```
/// use ffjord_ode::Interpolant;
/// let parabola = Interpolant::new(2.0, 4.0, vec![[1.0], [0.0], [8.0]]);
/// assert_eq!(parabola.at(3.0)?, [3.0]);
/// # Ok::<(), ffjord_ode::StateError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Interpolant<S> {
    t0: f64,
    t1: f64,
    coefficients: Vec<S>,
}

impl<S: State> Interpolant<S> {
    /// The polynomial with coefficients p₀, p₁, … on the step from `t0` to `t1`.
    pub fn new(t0: f64, t1: f64, coefficients: Vec<S>) -> Self {
        Self { t0, t1, coefficients }
    }

    /// The cubic through the values `y` and the slopes `f` at the start and the end of the step.
    pub(crate) fn cubic_hermite(
        (t0, t1): (f64, f64),
        (y0, y1): (&S, &S),
        (f0, f1): (&S, &S),
    ) -> Result<Self, StateError> {
        let h = t1 - t0;
        let sum = |terms: &[(f64, &S)]| {
            let mut total = y0.zeros_like()?;
            total.set_sum(terms)?;
            Ok::<_, StateError>(total)
        };
        let coefficients = vec![
            y0.clone(),
            sum(&[(h, f0)])?,
            sum(&[(3.0, y1), (-3.0, y0), (-2.0 * h, f0), (-h, f1)])?,
            sum(&[(-2.0, y1), (2.0, y0), (h, f0), (h, f1)])?,
        ];
        Ok(Self::new(t0, t1, coefficients))
    }

    /// Time at which the step starts.
    pub fn t0(&self) -> f64 {
        self.t0
    }

    /// Time at which the step ends.
    pub fn t1(&self) -> f64 {
        self.t1
    }

    /// The part of the step up to `t`, as a step of its own.
    pub(crate) fn until(&self, t: f64) -> Result<Self, StateError> {
        let part = (t - self.t0) / (self.t1 - self.t0);
        let powers = std::iter::successors(Some(1.0), |power| Some(power * part));
        let scaled = powers.zip(&self.coefficients).map(|(power, coefficient)| {
            let mut scaled = coefficient.zeros_like()?;
            scaled.set_sum(&[(power, coefficient)])?;
            Ok(scaled)
        });
        Ok(Self::new(self.t0, t, scaled.collect::<Result<_, StateError>>()?))
    }

    /// The value at time `t`; outside the step this extrapolates.
    ///
    /// # Errors
    /// If the state's storage fails.
    pub fn at(&self, t: f64) -> Result<S, StateError> {
        let theta = (t - self.t0) / (self.t1 - self.t0);
        let powers = std::iter::successors(Some(1.0), |power| Some(power * theta));
        let terms: Terms<'_, S> = powers.zip(&self.coefficients).collect();
        let mut value = match self.coefficients.first() {
            Some(first) => first.zeros_like()?,
            None => return Err(StateError::LengthMismatch { expected: 1, found: 0 }),
        };
        value.set_sum(&terms)?;
        Ok(value)
    }
}

/// The solution at every time between the start and the end of a solve, a polynomial a step.
///
/// ```
/// use ffjord_ode::{Method, SaveAt, Solver, Tolerance};
/// let solver = Solver::new(Method::Tsit5).adaptive(Tolerance::new(1e-9, 1e-9)?).save_at(SaveAt::Dense);
/// let solution = solver.solve(&|_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0], &[1.0], 0.0, 2.0)?;
/// let dense = solution.dense.ok_or("asked for")?;
/// assert!((dense.at(0.7)?[0] - (-0.7_f64).exp()).abs() < 1e-8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A polynomial a step, each over its own part of the way:
///
/// ```
/// use ffjord_ode::{Method, SaveAt, Solver};
/// let solver = Solver::new(Method::Rk4).fixed_steps(4).save_at(SaveAt::Dense);
/// let solution = solver.solve(&|t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 2.0 * t, &[0.0], 0.0, 1.0)?;
/// let dense = solution.dense.ok_or("asked for")?;
/// let second = &dense.steps()[1];
/// assert_eq!((second.t0(), second.t1()), (0.25, 0.5));
/// assert!((second.at(0.3)?[0] - 0.09).abs() < 1e-14);
/// assert!(dense.at(1.5).unwrap_err().to_string().contains("1.5"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DenseOutput<S> {
    start: S,
    t0: f64,
    t1: f64,
    steps: Vec<Interpolant<S>>,
}

impl<S: State> DenseOutput<S> {
    pub(crate) fn new(t0: f64, start: S) -> Self {
        Self {
            start,
            t0,
            t1: t0,
            steps: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, step: Interpolant<S>) {
        self.t1 = step.t1;
        self.steps.push(step);
    }

    /// The polynomials, in the order of the steps.
    pub fn steps(&self) -> &[Interpolant<S>] {
        &self.steps
    }

    /// The solution at time `t`.
    ///
    /// # Errors
    /// [`SetupError::InvalidTimes`] if `t` lies outside the solve.
    pub fn at(&self, t: f64) -> Result<S, SolveError<Infallible>> {
        let direction = if self.t1 >= self.t0 { 1.0 } else { -1.0 };
        if !((t - self.t0) * direction >= 0.0 && (self.t1 - t) * direction >= 0.0) {
            return Err(SetupError::InvalidTimes {
                purpose: "dense",
                time: t,
                t0: self.t0,
                t1: self.t1,
            }
            .into());
        }
        Ok(self.nearest(t)?)
    }

    /// The solution at time `t`, or the polynomial of the step nearest to it where rounding put `t` outside the solve.
    pub(crate) fn nearest(&self, t: f64) -> Result<S, StateError> {
        let direction = if self.t1 >= self.t0 { 1.0 } else { -1.0 };
        let step = self.steps.partition_point(|step| (step.t1 - t) * direction < 0.0);
        match self.steps.get(step).or(self.steps.last()) {
            Some(step) => step.at(t),
            None => Ok(self.start.clone()),
        }
    }
}
