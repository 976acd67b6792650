//! The equation `dy/dt = f(t, y)`, and the counter that stands between it and a method.

use std::{convert::Infallible, fmt};

use crate::{dense::Matrix, error::SolveError, integrate::Window, norm::Tolerance, sparsity::Sparsity, state::State};

/// An ordinary differential equation `dy/dt = f(t, y)` for states of type `S`.
///
/// Closures `|t: f64, y: &S, dy: &mut S|` are systems; they return nothing, or a `Result<(), E>` if they can fail.
///
/// ```
/// use ffjord_ode::{Method, Solver, System};
///
/// struct Decay { rate: f64 }
///
/// impl System<[f64; 1]> for Decay {
///     type Error = std::convert::Infallible;
///     fn rhs(&self, _t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> {
///         dy[0] = -self.rate * y[0];
///         Ok(())
///     }
/// }
///
/// let solver = Solver::new(Method::Rk4).fixed_steps(20);
/// let solution = solver.solve(&Decay { rate: 1.0 }, &[1.0], 0.0, 1.0)?;
/// assert!((solution.state[0] - (-1.0_f64).exp()).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait System<S: State> {
    /// Why an evaluation failed; [`Infallible`] if it cannot.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Writes `f(t, y)` into `dy`, which has the shape of `y` and holds unspecified values.
    ///
    /// # Errors
    /// The system's own; the solve ends with [`SolveError::System`].
    fn rhs(&self, t: f64, y: &S, dy: &mut S) -> Result<(), Self::Error>;

    /// Writes `(∂f/∂y) v` at `(t, y)` into `product` and returns true; or returns false, as unless overridden, and leaves
    /// the product to finite differences.
    ///
    /// Only implicit methods ask for it.
    ///
    /// # Errors
    /// The system's own; the solve ends with [`SolveError::System`].
    fn jacobian_product(&self, _t: f64, _y: &S, _v: &S, _product: &mut S) -> Result<bool, Self::Error> {
        Ok(false)
    }

    /// Writes ∂f/∂y at `(t, y)` into `jacobian`, row i the derivatives of component i, and returns true; or returns false,
    /// as unless overridden, and leaves the matrix to finite differences.
    ///
    /// The matrix is zero before. Only [`Method::Radau5`](crate::Method::Radau5) asks for it.
    ///
    /// # Errors
    /// The system's own; the solve ends with [`SolveError::System`].
    fn jacobian(&self, _t: f64, _y: &S, _jacobian: &mut Matrix) -> Result<bool, Self::Error> {
        Ok(false)
    }

    /// The entries of ∂f/∂y that may differ from zero, where that is known: finite differences then cost fewer
    /// evaluations. Asked for where a solve starts and after every jump, by [`Method::Radau5`](crate::Method::Radau5).
    fn sparsity(&self) -> Option<Sparsity> {
        None
    }

    /// A constant matrix M of an equation `M dy/dt = f(t, y)`; it may be singular, with initial states that fit the
    /// equations without a derivative.
    ///
    /// Only [`Method::Radau5`](crate::Method::Radau5) solves such equations; other methods and all adjoints refuse them.
    fn mass_matrix(&self) -> Option<Matrix> {
        None
    }
}

/// What a closure may return as a right-hand side: nothing, or a `Result<(), E>`.
///
/// ```
/// use ffjord_ode::{Method, RhsOutcome, SolveError, Solver};
/// // A closure that can fail: the solve ends with its error.
/// let root = |t: f64, y: &[f64; 1], dy: &mut [f64; 1]| -> Result<(), std::io::Error> {
///     if y[0] < 0.0 {
///         return Err(std::io::Error::other(format!("the square root of {} at t = {t}", y[0])));
///     }
///     dy[0] = -1.0 - y[0].sqrt();
///     Ok(())
/// };
/// let failed = Solver::new(Method::Euler).fixed_steps(10).solve(&root, &[0.5], 0.0, 1.0);
/// assert!(matches!(&failed, Err(SolveError::System { source, .. }) if source.to_string().contains("square root")));
/// assert_eq!(().into_result(), Ok(()));                   // one that cannot
/// ```
pub trait RhsOutcome {
    /// Why the evaluation failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The outcome as a result.
    ///
    /// # Errors
    /// The closure's own.
    fn into_result(self) -> Result<(), Self::Error>;
}

impl RhsOutcome for () {
    type Error = Infallible;

    fn into_result(self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<E: std::error::Error + Send + Sync + 'static> RhsOutcome for Result<(), E> {
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

impl<S, F, R> System<S> for F
where
    S: State,
    F: Fn(f64, &S, &mut S) -> R,
    R: RhsOutcome,
{
    type Error = R::Error;

    fn rhs(&self, t: f64, y: &S, dy: &mut S) -> Result<(), R::Error> {
        self(t, y, dy).into_result()
    }
}

/// A system together with the count of its evaluations and their budget; what a [`Stepper`](crate::Stepper) calls.
///
/// ```
/// use ffjord_ode::{Evaluator, SolveError, Tolerance};
/// let square = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = y[0] * y[0];
/// let mut f = Evaluator::new(&square, 2);
/// let (mut slope, mut product) = ([0.0], [0.0]);
/// f.rhs(0.0, &[3.0], &mut slope)?;
/// // (∂f/∂y) v = 2 y v, here by a finite difference, which is an evaluation, too.
/// f.jacobian_product((0.0, &[3.0]), &slope, (&[2.0], &Tolerance::FFJORD), &mut product)?;
/// assert!(slope == [9.0] && (product[0] - 12.0).abs() < 1e-5);
/// assert_eq!(f.evaluations(), 2);
/// assert!(matches!(f.rhs(0.0, &[3.0], &mut slope), Err(SolveError::MaxEvaluations { limit: 2, .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Evaluator<'a, Sys: ?Sized> {
    system: &'a Sys,
    evaluations: usize,
    limit: usize,
    /// Where the right-hand side is evaluated: one side of its jumps.
    window: Window,
}

impl<Sys: ?Sized> fmt::Debug for Evaluator<'_, Sys> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator")
            .field("evaluations", &self.evaluations)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<'a, Sys: ?Sized> Evaluator<'a, Sys> {
    /// Counts the evaluations of `system`, and refuses any beyond `limit`.
    pub fn new(system: &'a Sys, limit: usize) -> Self {
        Self {
            system,
            evaluations: 0,
            limit,
            window: Window::EVERYWHERE,
        }
    }

    /// Evaluates inside `window` alone from here on: other times stand for the nearest inside it.
    pub(crate) fn stay_inside(&mut self, window: Window) {
        self.window = window;
    }

    /// Evaluations so far.
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// `dy = f(t, y)`, counted.
    ///
    /// # Errors
    /// [`SolveError::System`] if the system fails, [`SolveError::MaxEvaluations`] if the budget is used up.
    pub fn rhs<S: State>(&mut self, t: f64, y: &S, dy: &mut S) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S>,
    {
        let t = self.window.nearest(t);
        self.count(t)?;
        self.system
            .rhs(t, y, dy)
            .map_err(|source| SolveError::System { t, source })
    }

    /// `product = (∂f/∂y) v` at `(t, y)`, where `slope` is f(t, y): the system's own product, or a finite difference;
    /// counted as one evaluation.
    ///
    /// The difference moves component i by about `√ε (|yᵢ| + atol / rtol)`, which is small beside what the `tolerance`
    /// says of its size: components of very different sizes do not hide each other.
    ///
    /// # Errors
    /// As [`rhs`](Self::rhs).
    pub fn jacobian_product<S: State>(
        &mut self,
        (t, y): (f64, &S),
        slope: &S,
        (v, tolerance): (&S, &Tolerance),
        product: &mut S,
    ) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S>,
    {
        let t = self.window.nearest(t);
        self.count(t)?;
        let failed = |source| SolveError::System { t, source };
        if self.system.jacobian_product(t, y, v, product).map_err(failed)? {
            return Ok(());
        }
        let increment = y.epsilon().sqrt() / v.scaled_dot(v, y, y, &tolerance.sizes(y.epsilon()))?.sqrt();
        let mut ahead = y.zeros_like()?;
        ahead.set_sum(&[(1.0, y), (increment, v)])?;
        let mut slope_ahead = y.zeros_like()?;
        self.system.rhs(t, &ahead, &mut slope_ahead).map_err(failed)?;
        Ok(product.set_sum(&[(1.0 / increment, &slope_ahead), (-1.0 / increment, slope)])?)
    }

    /// Has the system write ∂f/∂y at `(t, y)` into `jacobian`; counted as one evaluation if it does, false if it does not.
    ///
    /// # Errors
    /// As [`rhs`](Self::rhs).
    pub fn jacobian<S: State>(&mut self, t: f64, y: &S, jacobian: &mut Matrix) -> Result<bool, SolveError<Sys::Error>>
    where
        Sys: System<S>,
    {
        let t = self.window.nearest(t);
        let failed = |source| SolveError::System { t, source };
        let given = self.system.jacobian(t, y, jacobian).map_err(failed)?;
        if given {
            self.count(t)?;
        }
        Ok(given)
    }

    /// The system.
    pub(crate) fn system(&self) -> &'a Sys {
        self.system
    }

    fn count<E: std::error::Error>(&mut self, t: f64) -> Result<(), SolveError<E>> {
        if self.evaluations >= self.limit {
            return Err(SolveError::MaxEvaluations { limit: self.limit, t });
        }
        self.evaluations += 1;
        Ok(())
    }
}
