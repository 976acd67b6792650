//! Gradients of a solve: what `L(y(t1))` owes to the initial state, the parameters and both ends of time.

mod at_times;
mod augmented;
mod backsolve;
mod binomial;
mod checkpointed;
mod costate;
mod kept;
mod method;
mod reverse_step;
mod reversible;
mod reversible_step;
mod schedule;
mod steps_backward;

use crate::{
    error::{SetupError, SolveError},
    methods::Method,
    solution::{SaveAt, Solution, Stats},
    solver::Solver,
    state::{State, copy_of},
    system::{Evaluator, System},
    tableau::Tableau,
};

pub use at_times::{ForwardAt, GradientAtTimes, event_cotangent};
pub use backsolve::{AdjointNorm, Backsolve, BacksolveRecord, StatePath};
pub use binomial::{Binomial, BinomialRecord};
pub use checkpointed::{CheckpointRecord, Checkpointed};
pub use method::{AdjointMethod, AdjointRecord};
pub use reversible::{Reversible, ReversibleRecord};

/// A system `f(t, y; θ)` that offers products with its transposed Jacobians.
///
/// ```
/// use ffjord_ode::{Method, Solver, System};
/// use ffjord_ode::adjoint::{Adjoint, Checkpointed, DifferentiableSystem};
///
/// /// dy/dt = -θ y
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
/// impl DifferentiableSystem<[f64; 1]> for Decay {
///     type Tape = f64;
///     type Gradient = [f64; 1];
///     fn zero_gradient(&self) -> Result<[f64; 1], Self::Error> {
///         Ok([0.0])
///     }
///     fn linearize(&self, t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<f64, Self::Error> {
///         self.rhs(t, y, dy)?;
///         Ok(y[0])
///     }
///     fn pullback(
///         &self, y: f64, v: &[f64; 1], grad_y: &mut [f64; 1], gradient: &mut [f64; 1],
///     ) -> Result<f64, Self::Error> {
///         grad_y[0] = -self.rate * v[0];
///         gradient[0] -= y * v[0];
///         Ok(0.0)
///     }
/// }
///
/// let (system, solver) = (Decay { rate: 0.5 }, Solver::new(Method::Rk4).fixed_steps(50));
/// let adjoint = Checkpointed::new();
/// let (solution, record) = adjoint.forward(&solver, &system, &[2.0], 0.0, 1.0)?;
/// let gradient = adjoint.backward(&system, record, &[1.0])?;
/// let exact = 2.0 * (-0.5_f64).exp();                        // y(1) = 2 exp(-θ)
/// assert!((solution.state[0] - exact).abs() < 1e-8);
/// assert!((gradient.y0[0] - exact / 2.0).abs() < 1e-8);       // dy(1)/dy(0)
/// assert!((gradient.gradient[0] + exact).abs() < 1e-8);       // dy(1)/dθ
/// assert!((gradient.t1 + 0.5 * exact).abs() < 1e-8);          // dy(1)/dt1 = f
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait DifferentiableSystem<S: State>: System<S> {
    /// What one evaluation leaves behind for its reverse product.
    type Tape;

    /// The gradient with respect to the parameters.
    type Gradient: State;

    /// A zero gradient.
    ///
    /// # Errors
    /// The system's own.
    fn zero_gradient(&self) -> Result<Self::Gradient, Self::Error>;

    /// `dy = f(t, y)`, bit for bit as [`System::rhs`], and whatever the reverse product needs.
    ///
    /// # Errors
    /// The system's own.
    fn linearize(&self, t: f64, y: &S, dy: &mut S) -> Result<Self::Tape, Self::Error>;

    /// Bytes of memory that a tape holds, for adjoints that keep tapes within a budget; `usize::MAX` is never kept.
    ///
    /// Unless overridden the size of the type, which is right for tapes that own nothing on the heap.
    fn tape_bytes(&self, _tape: &Self::Tape) -> usize {
        size_of::<Self::Tape>()
    }

    /// `grad_y = (∂f/∂y)ᵀ v` (overwritten), `gradient += (∂f/∂θ)ᵀ v`; returns `(∂f/∂t) · v`.
    ///
    /// # Errors
    /// The system's own.
    fn pullback(
        &self,
        tape: Self::Tape,
        v: &S,
        grad_y: &mut S,
        gradient: &mut Self::Gradient,
    ) -> Result<f64, Self::Error>;
}

/// What a reverse pass returns, for a scalar `L` of the final state.
///
/// ```
/// use ffjord_ode::{Method, Solver};
/// use ffjord_ode::adjoint::{Adjoint, Checkpointed};
/// # use ffjord_ode::{System, adjoint::DifferentiableSystem};
/// # struct Decay;
/// # impl System<[f64; 1]> for Decay {
/// #     type Error = std::convert::Infallible;
/// #     fn rhs(&self, _t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> {
/// #         dy[0] = -y[0];
/// #         Ok(())
/// #     }
/// # }
/// # impl DifferentiableSystem<[f64; 1]> for Decay {
/// #     type Tape = ();
/// #     type Gradient = [f64; 0];
/// #     fn zero_gradient(&self) -> Result<[f64; 0], Self::Error> { Ok([]) }
/// #     fn linearize(&self, t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> { self.rhs(t, y, dy) }
/// #     fn pullback(
/// #         &self, _: (), v: &[f64; 1], grad_y: &mut [f64; 1], _: &mut [f64; 0],
/// #     ) -> Result<f64, Self::Error> {
/// #         grad_y[0] = -v[0];
/// #         Ok(0.0)
/// #     }
/// # }
/// // Ten steps of Euler's method for dy/dt = -y from t0 to t1 end at y = 2 (1 - (t1 - t0) / 10)¹⁰.
/// let solver = Solver::new(Method::Euler).fixed_steps(10);
/// let (_, record) = Checkpointed::new().forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// let gradient = Checkpointed::new().backward(&Decay, record, &[1.0])?;
/// let slope = 2.0 * 0.9_f64.powi(9);
/// assert!((gradient.t1 + slope).abs() < 1e-14 && (gradient.t0 - slope).abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct AdjointSolution<S, G> {
    /// dL/dy(t0).
    pub y0: S,
    /// dL/dθ.
    pub gradient: G,
    /// dL/dt0.
    pub t0: f64,
    /// dL/dt1.
    pub t1: f64,
    /// What the reverse pass took; its evaluations are counted apart from the forward solve's.
    pub stats: Stats,
}

/// What a forward solve returns: the solution, and the record for the reverse pass.
pub type Forward<S, R, E> = Result<(Solution<S>, R), SolveError<E>>;

/// A way to differentiate a solve.
///
/// The record is owned data, so that it can wait in an autograd node until the reverse pass.
///
/// An adjoint of your own says what to keep, and how to pull back:
///
/// ```
/// use ffjord_ode::{Method, SolveError, Solver};
/// use ffjord_ode::adjoint::{Adjoint, AdjointSolution, Forward};
/// # use ffjord_ode::{System, adjoint::DifferentiableSystem};
/// # struct Decay;
/// # impl System<[f64; 1]> for Decay {
/// #     type Error = std::convert::Infallible;
/// #     fn rhs(&self, _t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> {
/// #         dy[0] = -y[0];
/// #         Ok(())
/// #     }
/// # }
/// # impl DifferentiableSystem<[f64; 1]> for Decay {
/// #     type Tape = ();
/// #     type Gradient = [f64; 0];
/// #     fn zero_gradient(&self) -> Result<[f64; 0], Self::Error> { Ok([]) }
/// #     fn linearize(&self, t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> { self.rhs(t, y, dy) }
/// #     fn pullback(
/// #         &self, _: (), v: &[f64; 1], grad_y: &mut [f64; 1], _: &mut [f64; 0],
/// #     ) -> Result<f64, Self::Error> {
/// #         grad_y[0] = -v[0];
/// #         Ok(0.0)
/// #     }
/// # }
///
/// /// For linear equations of one component without parameters: dL/dy0 = dL/dy1 · y1 / y0.
/// struct Linear;
///
/// impl<Sys: DifferentiableSystem<[f64; 1], Gradient = [f64; 0]>> Adjoint<[f64; 1], Sys> for Linear {
///     /// dy1/dy0, and the slopes at both ends.
///     type Record = (f64, [f64; 2]);
///
///     fn forward(
///         &self, solver: &Solver, system: &Sys, y0: &[f64; 1], t0: f64, t1: f64,
///     ) -> Forward<[f64; 1], Self::Record, Sys::Error> {
///         let solution = solver.solve(system, y0, t0, t1)?;
///         let slope = |t, y: &[f64; 1]| {
///             let mut dy = [0.0];
///             system.rhs(t, y, &mut dy).map_err(|source| SolveError::System { t, source })?;
///             Ok::<_, SolveError<Sys::Error>>(dy[0])
///         };
///         let growth = solution.state[0] / y0[0];
///         let record = (growth, [slope(t0, y0)?, slope(t1, &solution.state)?]);
///         Ok((solution, record))
///     }
///
///     fn backward(
///         &self, system: &Sys, (growth, [at_start, at_end]): Self::Record, cotangent: &[f64; 1],
///     ) -> Result<AdjointSolution<[f64; 1], [f64; 0]>, SolveError<Sys::Error>> {
///         let y0 = [growth * cotangent[0]];
///         let (t0, t1) = (-at_start * y0[0], at_end * cotangent[0]);
///         Ok(AdjointSolution { y0, gradient: [], t0, t1, stats: Default::default() })
///     }
/// }
///
/// // dy/dt = -y
/// let solver = Solver::new(Method::Rk4).fixed_steps(50);
/// let (_, record) = Linear.forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// let gradient = Linear.backward(&Decay, record, &[1.0])?;
/// assert!((gradient.y0[0] - (-1.0_f64).exp()).abs() < 1e-8);
/// assert!((gradient.t0 + gradient.t1).abs() < 1e-8);           // an equation without t: the length alone counts
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Adjoint<S: State, Sys: DifferentiableSystem<S>> {
    /// What the forward solve keeps for the reverse pass.
    type Record;

    /// Solves forward and keeps a record.
    ///
    /// # Errors
    /// As [`Solver::solve`]; also [`SetupError::AdjointSavesEndOnly`] if the solver is asked to save more than the end.
    fn forward(&self, solver: &Solver, system: &Sys, y0: &S, t0: f64, t1: f64) -> Forward<S, Self::Record, Sys::Error>;

    /// Pulls `cotangent` = dL/dy(t1) back through the solve that left `record`.
    ///
    /// # Errors
    /// [`SolveError::NonFiniteCotangent`] or [`SolveError::NonFiniteGradient`] if the cotangent or the result is not finite,
    /// and as [`Solver::solve`] where the reverse pass solves.
    fn backward(
        &self,
        system: &Sys,
        record: Self::Record,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>>;

    /// Solves from time to time, up to the last of `times`, and keeps a record of every part.
    ///
    /// Every part sets out anew, which takes an evaluation, or two where the first step is selected.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and [`SetupError::InvalidTimes`] for times out of order. A budget that is used up is
    /// an error whatever the solver says.
    fn forward_at(
        &self,
        solver: &Solver,
        system: &Sys,
        y0: &S,
        t0: f64,
        times: &[f64],
    ) -> ForwardAt<S, Self::Record, Sys::Error> {
        at_times::forward(self, solver, system, y0, t0, times)
    }

    /// Pulls dL/dy at every time of [`forward_at`](Self::forward_at) back through the solve that left `records`.
    ///
    /// # Errors
    /// As [`backward`](Self::backward), and [`SetupError::CotangentCount`] unless there is one for every time.
    fn backward_at(
        &self,
        system: &Sys,
        records: Vec<Self::Record>,
        cotangents: &[S],
    ) -> Result<GradientAtTimes<S, Sys::Gradient>, SolveError<Sys::Error>> {
        at_times::backward(self, system, records, cotangents)
    }
}

/// Refuses a solver that saves more than the end.
fn require_end_only(solver: &Solver) -> Result<(), SetupError> {
    match solver.limits().save_at {
        SaveAt::End => Ok(()),
        _ => Err(SetupError::AdjointSavesEndOnly),
    }
}

/// Refuses a method other than the explicit Runge–Kutta methods.
fn require_tableau(adjoint: &'static str, method: Method) -> Result<&'static Tableau, SetupError> {
    method.tableau().ok_or_else(|| SetupError::AdjointNeedsMethod {
        adjoint,
        method: method.name(),
        accepted: Method::names(|method| method.tableau().is_some()),
    })
}

/// Refuses a cotangent that is not finite.
fn require_finite<S: State, E: std::error::Error>(cotangent: &S, t: f64) -> Result<(), SolveError<E>> {
    let found = cotangent.non_finite()?;
    if found.is_empty() {
        Ok(())
    } else {
        Err(SolveError::NonFiniteCotangent { t, found })
    }
}

/// a·f(t, y).
fn slope_along<S: State, Sys: System<S>>(
    f: &mut Evaluator<'_, Sys>,
    t: f64,
    y: &S,
    adjoint: &S,
) -> Result<f64, SolveError<Sys::Error>> {
    let mut slope = y.zeros_like()?;
    f.rhs(t, y, &mut slope)?;
    Ok(adjoint.dot(&slope)?)
}

/// The gradient of a solve without a step, whose end is its start `(t, y)`: dL/dt1 = a·f = −dL/dt0.
fn without_steps<S: State, Sys: DifferentiableSystem<S>>(
    system: &Sys,
    (t, y): (f64, &S),
    cotangent: &S,
) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
    require_finite(cotangent, t)?;
    let mut f = Evaluator::new(system, usize::MAX);
    let along = slope_along(&mut f, t, y, cotangent)?;
    Ok(AdjointSolution {
        y0: copy_of(cotangent)?,
        gradient: system
            .zero_gradient()
            .map_err(|source| SolveError::System { t, source })?,
        t0: -along,
        t1: along,
        stats: Stats {
            nfe: f.evaluations(),
            ..Stats::default()
        },
    })
}
