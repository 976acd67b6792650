//! One step of a method and its error estimate.

mod adams;
mod any;
mod implicit;
mod radau;
mod reversible_heun;
mod runge_kutta;

use crate::{
    error::{SolveError, StateError},
    interpolant::Interpolant,
    norm::{ScaledError, Tolerance},
    state::{NonFinite, State},
    system::{Evaluator, System},
};

pub use adams::{AdamsKind, AdamsMethod, FixedAdams, VariableAdams};
pub(crate) use any::AnyStepper;
pub use implicit::Esdirk;
pub use radau::Radau5;
pub use reversible_heun::ReversibleHeun;
pub use runge_kutta::ExplicitRungeKutta;
pub(crate) use runge_kutta::{stage_time, terms};

/// A method in motion: it holds the current point, attempts steps from it, and moves on when told to.
///
/// A stepper knows no tolerance and no step control. What a method carries from step to step (the last slope, the
/// history of a multistep method, the second state of a reversible one) is its own; it must change in
/// [`accept`](Self::accept) only, so that a rejected attempt leaves no trace but, with a method of variable order, a lower
/// order.
///
/// A method of your own, here Euler's:
///
/// ```
/// use ffjord_ode::{
///     ConstantStep, Evaluator, Interpolant, Limits, ScaledError, SolveError, State, StateError, StepGrid, Stepper,
///     System,
///     Tolerance, integrate,
/// };
///
/// struct Euler<S> { t: f64, y: S, slope: S, t_next: f64, y_next: S }
///
/// impl<S: State> Stepper<S> for Euler<S> {
///     fn name(&self) -> &'static str { "my euler" }
///     fn order(&self) -> u32 { 1 }
///     fn error_order(&self) -> Option<u32> { None }
///     fn start<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t: f64, y: &S) -> Result<(), SolveError<Sys::Error>>
///     where Sys: System<S> + ?Sized {
///         (self.t, self.y) = (t, y.clone());
///         f.rhs(t, y, &mut self.slope)
///     }
///     fn time(&self) -> f64 { self.t }
///     fn state(&self) -> &S { &self.y }
///     fn initial_slope(&self) -> &S { &self.slope }
///     fn attempt<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t_next: f64) -> Result<(), SolveError<Sys::Error>>
///     where Sys: System<S> + ?Sized {
///         f.rhs(self.t, &self.y, &mut self.slope)?;
///         self.t_next = t_next;
///         Ok(self.y_next.set_sum(&[(1.0, &self.y), (t_next - self.t, &self.slope)])?)
///     }
///     fn candidate(&self) -> &S { &self.y_next }
///     fn measure_error(&mut self, _tolerance: &Tolerance) -> Result<Option<ScaledError>, StateError> { Ok(None) }
///     fn interpolant<Sys>(&mut self, _f: &mut Evaluator<'_, Sys>) -> Result<Interpolant<S>, SolveError<Sys::Error>>
///     where Sys: System<S> + ?Sized {
///         let mut rise = self.slope.zeros_like()?;
///         rise.set_sum(&[(self.t_next - self.t, &self.slope)])?;
///         Ok(Interpolant::new(self.t, self.t_next, vec![self.y.clone(), rise]))
///     }
///     fn accept(&mut self) {
///         (self.t, self.y) = (self.t_next, self.y_next.clone());
///     }
/// }
///
/// let decay = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0];
/// let mut stepper = Euler { t: 0.0, y: [0.0], slope: [0.0], t_next: 0.0, y_next: [0.0] };
/// let mut steps = ConstantStep::new(StepGrid::Count(10), 0.0, 1.0)?;
/// let solution = integrate(&decay, &[1.0], (0.0, 1.0), &mut stepper, &mut steps, &Limits::default())?;
/// assert!((solution.state[0] - 0.9_f64.powi(10)).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Stepper<S: State> {
    /// The method's name, for messages.
    fn name(&self) -> &'static str;

    /// Order of the solution.
    fn order(&self) -> u32;

    /// Order of the less accurate solution behind the error estimate; `None` for a method without an estimate.
    fn error_order(&self) -> Option<u32>;

    /// Sets out from `y` at time `t`, forgetting everything before, and evaluates the slope there.
    ///
    /// # Errors
    /// If the evaluation fails or the shape is not the one the stepper was made for.
    fn start<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t: f64, y: &S) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized;

    /// Time of the current point.
    fn time(&self) -> f64;

    /// State of the current point.
    fn state(&self) -> &S;

    /// Slope at the point set out from, as [`start`](Self::start) left it.
    fn initial_slope(&self) -> &S;

    /// Attempts a step from the current point to time `t_next`.
    ///
    /// # Errors
    /// If an evaluation fails.
    fn attempt<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t_next: f64) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized;

    /// Whether the equations of the last attempt have been solved; always, unless an implicit method says otherwise.
    ///
    /// An attempt that is not solved has no candidate and no error: it is tried again with a shorter step.
    fn is_solved(&self) -> bool {
        true
    }

    /// State at the end of the last attempt.
    fn candidate(&self) -> &S;

    /// Estimates the local error of the last attempt and measures it against `tolerance`; `None` for a method without
    /// an estimate.
    ///
    /// # Errors
    /// If the state's storage fails.
    fn measure_error(&mut self, tolerance: &Tolerance) -> Result<Option<ScaledError>, StateError>;

    /// Where the last attempt, its end or its error estimate, holds a NaN or an infinity.
    ///
    /// # Errors
    /// If the state's storage fails.
    fn non_finite(&self) -> Result<NonFinite, StateError> {
        self.candidate().non_finite()
    }

    /// The solution inside the last attempt; may evaluate the slope at its end.
    ///
    /// # Errors
    /// If an evaluation fails.
    fn interpolant<Sys>(&mut self, f: &mut Evaluator<'_, Sys>) -> Result<Interpolant<S>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized;

    /// Whether the method solves equations with a [`mass_matrix`](System::mass_matrix).
    fn takes_mass_matrix(&self) -> bool {
        false
    }

    /// Makes the end of the last attempt the current point.
    fn accept(&mut self);
}
