//! Gradients of what a loss sees at several times, or where an event happens.

use super::{Adjoint, DifferentiableSystem};
use crate::{
    error::{SetupError, SolveError},
    save::check_times,
    solution::{OnBudget, Saved, Stats},
    solver::Solver,
    state::{State, copy_of},
    system::{Evaluator, System},
};

/// What a reverse pass returns, for a scalar `L` of the states at several times.
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
/// // dy/dt = -y, and a loss L = y(1) + y(2).
/// let (adjoint, solver) = (Checkpointed::new(), Solver::new(Method::Rk4).fixed_steps(50));
/// let (states, records) = adjoint.forward_at(&solver, &Decay, &[2.0], 0.0, &[1.0, 2.0])?;
/// let gradient = adjoint.backward_at(&Decay, records, &[[1.0], [1.0]])?;
/// assert!((gradient.y0[0] - (-1.0_f64).exp() - (-2.0_f64).exp()).abs() < 1e-7);
/// // Only y(1) moves with the first time: dL/dt = f(y(1)).
/// assert!((gradient.times[0] + states[0].state[0]).abs() < 1e-7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GradientAtTimes<S, G> {
    /// dL/dy(t0).
    pub y0: S,
    /// dL/dθ.
    pub gradient: G,
    /// dL/dt0.
    pub t0: f64,
    /// dL/dt for each of the times.
    pub times: Vec<f64>,
    /// What the reverse pass took.
    pub stats: Stats,
}

/// The states at several times, and a record for the way between each two of them.
pub type ForwardAt<S, R, E> = Result<(Vec<Saved<S>>, Vec<R>), SolveError<E>>;

/// A solve from time to time, each a part with a record of its own.
pub(super) fn forward<S, Sys, A>(
    adjoint: &A,
    solver: &Solver,
    system: &Sys,
    y0: &S,
    t0: f64,
    times: &[f64],
) -> ForwardAt<S, A::Record, Sys::Error>
where
    S: State,
    Sys: DifferentiableSystem<S>,
    A: Adjoint<S, Sys> + ?Sized,
{
    check_times("save", times, t0, times.last().copied().unwrap_or(t0))?;
    let mut start = Saved {
        t: t0,
        state: copy_of(y0)?,
    };
    let (mut states, mut records) = (Vec::with_capacity(times.len()), Vec::with_capacity(times.len()));
    for &t in times {
        // A state that was not reached has no gradient.
        let part = solver.between(start.t, t).on_budget(OnBudget::Fail);
        let (solution, record) = adjoint.forward(&part, system, &start.state, start.t, t)?;
        start = Saved {
            t,
            state: solution.state,
        };
        states.push(start.clone());
        records.push(record);
    }
    Ok((states, records))
}

/// Pulls the cotangents back from part to part.
pub(super) fn backward<S, Sys, A>(
    adjoint: &A,
    system: &Sys,
    records: Vec<A::Record>,
    cotangents: &[S],
) -> Result<GradientAtTimes<S, Sys::Gradient>, SolveError<Sys::Error>>
where
    S: State,
    Sys: DifferentiableSystem<S>,
    A: Adjoint<S, Sys> + ?Sized,
{
    let (expected, found) = (records.len(), cotangents.len());
    let Some(last) = cotangents.last().filter(|_| expected == found) else {
        return Err(SetupError::CotangentCount { expected, found }.into());
    };
    let mut back = GradientAtTimes {
        y0: last.zeros_like()?,
        gradient: system
            .zero_gradient()
            .map_err(|source| SolveError::System { t: 0.0, source })?,
        t0: 0.0,
        times: vec![0.0; expected],
        stats: Stats::default(),
    };
    for (i, (record, cotangent)) in records.into_iter().zip(cotangents).enumerate().rev() {
        let mut arriving = cotangent.zeros_like()?;
        arriving.set_sum(&[(1.0, cotangent), (1.0, &back.y0)])?;
        let part = adjoint.backward(system, record, &arriving)?;
        // The time between two parts is the end of one and the start of the other.
        back.times[i] = part.t1 + back.t0;
        back.t0 = part.t0;
        back.y0 = part.y0;
        let mut gradient = back.gradient.zeros_like()?;
        gradient.set_sum(&[(1.0, &back.gradient), (1.0, &part.gradient)])?;
        back.gradient = gradient;
        back.stats += part.stats;
    }
    Ok(back)
}

/// The cotangent to pull back from an event, so that the event's time moves with the solution: for a loss L(t, y) of the
/// time and the state at which g(t, y) passes through zero,
///
/// ```text
/// a = ∂L/∂y − (∂L/∂t + ∂L/∂y·f) / (∂g/∂t + ∂g/∂y·f) ∂g/∂y.
/// ```
///
/// `event` is the point (t, y), `function` are ∂g/∂t and ∂g/∂y there, `loss` ∂L/∂t and ∂L/∂y. A forward solve by an
/// adjoint up to the event's time leaves the record to pull it back through; dL/dy(t0), dL/dθ and dL/dt0 are then those of
/// the loss, and what it says of t1, which is not free, counts for nothing. It is infinite where the solution touches the
/// zero without passing through it.
///
/// ```
/// use ffjord_ode::adjoint::event_cotangent;
/// // A stone that falls from a height y₀ lands at t = √(2 y₀ / 9.81): what is dt/dy₀?
/// let fall = |_t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -9.81];
/// let t = (2.0_f64 * 5.0 / 9.81).sqrt();
/// let landed = [0.0, -9.81 * t];
/// let cotangent = event_cotangent(&fall, (t, &landed), (0.0, &[1.0, 0.0]), (1.0, &[0.0, 0.0]))?;
/// // The height at a fixed time moves as y₀ does.
/// assert!((cotangent[0] - 1.0 / (9.81 * t)).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the right-hand side fails or states do not fit together.
pub fn event_cotangent<S, Sys>(
    system: &Sys,
    event: (f64, &S),
    function: (f64, &S),
    loss: (f64, &S),
) -> Result<S, SolveError<Sys::Error>>
where
    S: State,
    Sys: System<S>,
{
    let (t, y) = event;
    let mut f = Evaluator::new(system, usize::MAX);
    let mut slope = y.zeros_like()?;
    f.rhs(t, y, &mut slope)?;
    let speed = function.0 + function.1.dot(&slope)?;
    let owed = loss.0 + loss.1.dot(&slope)?;
    let mut cotangent = y.zeros_like()?;
    cotangent.set_sum(&[(1.0, loss.1), (-owed / speed, function.1)])?;
    Ok(cotangent)
}
