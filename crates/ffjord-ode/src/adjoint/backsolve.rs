//! The adjoint method of the paper: a second solve, backwards in time.

use super::{
    Adjoint, AdjointSolution, DifferentiableSystem, Forward,
    augmented::{AlongPath, Augmented},
    costate::{AdjointEquation, AdjointError, Costate},
    require_end_only, require_finite, slope_along,
};
use crate::{
    control::StepControl,
    error::SolveError,
    integrate::Window,
    interpolant::DenseOutput,
    norm::Tolerance,
    solution::{OnBudget, SaveAt, Stats},
    solver::Solver,
    state::State,
    system::Evaluator,
};

/// Which parts of the augmented state count in the error of a backward step.
///
/// ```
/// use ffjord_ode::{Method, Solver, Tolerance};
/// use ffjord_ode::adjoint::{Adjoint, AdjointNorm, Backsolve, StatePath};
/// # use ffjord_ode::{System, adjoint::DifferentiableSystem};
/// # struct Driven { theta: f64 }
/// # impl System<[f64; 1]> for Driven {
/// #     type Error = std::convert::Infallible;
/// #     fn rhs(&self, t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Self::Error> {
/// #         dy[0] = -y[0] + self.theta * (40.0 * t).cos();
/// #         Ok(())
/// #     }
/// # }
/// # impl DifferentiableSystem<[f64; 1]> for Driven {
/// #     type Tape = f64;
/// #     type Gradient = [f64; 1];
/// #     fn zero_gradient(&self) -> Result<[f64; 1], Self::Error> { Ok([0.0]) }
/// #     fn linearize(&self, t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<f64, Self::Error> {
/// #         self.rhs(t, y, dy).map(|()| t)
/// #     }
/// #     fn pullback(
/// #         &self, t: f64, v: &[f64; 1], grad_y: &mut [f64; 1], gradient: &mut [f64; 1],
/// #     ) -> Result<f64, Self::Error> {
/// #         grad_y[0] = -v[0];
/// #         gradient[0] += (40.0 * t).cos() * v[0];
/// #         Ok(-40.0 * self.theta * (40.0 * t).sin() * v[0])
/// #     }
/// # }
/// // dy/dt = -y + θ cos(40 t) at θ = 0: only the parameter's gradient oscillates.
/// let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-6, 1e-6)?);
/// let backward = |norm| {
///     let adjoint = Backsolve::new().norm(norm).path(StatePath::Interpolated);
///     let (_, record) = adjoint.forward(&solver, &Driven { theta: 0.0 }, &[1.0], 0.0, 4.0)?;
///     adjoint.backward(&Driven { theta: 0.0 }, record, &[1.0])
/// };
/// let (semi, full) = (backward(AdjointNorm::SemiNorm)?, backward(AdjointNorm::Full)?);
/// assert!(full.stats.nfe > 2 * semi.stats.nfe);
/// assert!((full.y0[0] - (-4.0_f64).exp()).abs() < 1e-5 && (semi.y0[0] - (-4.0_f64).exp()).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AdjointNorm {
    /// The state and its adjoint. The parameters' gradient is a plain integral that feeds back into nothing, so its
    /// error need not steer the steps (Kidger, Chen, Lyons 2021, "Hey, that's not an ODE").
    #[default]
    SemiNorm,
    /// All of it.
    Full,
}

/// Where the backward solve takes the state from.
///
/// ```
/// use ffjord_ode::{Method, Solver, Tolerance};
/// use ffjord_ode::adjoint::{Adjoint, Backsolve, StatePath};
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
/// let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-6, 1e-6)?);
/// for path in [StatePath::Resolved, StatePath::Interpolated] {
///     let adjoint = Backsolve::new().path(path);
///     let (_, record) = adjoint.forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
///     let gradient = adjoint.backward(&Decay, record, &[1.0])?;
///     assert!((gradient.y0[0] - (-1.0_f64).exp()).abs() < 1e-5);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StatePath {
    /// It solves for the state again. Memory does not grow with the number of steps; the state drifts away from the
    /// forward solution where the backward equation is unstable.
    #[default]
    Resolved,
    /// It reads the state off the forward solve's dense output, which is kept: some states a step, and the error of the
    /// interpolant in place of the drift.
    Interpolated,
}

/// Optimise, then discretise: solves `(y, a, dL/dθ)`, or `(a, dL/dθ)` along the forward solution, backwards from `t1`
/// (Grathwohl et al. 2019, eq. 6).
///
/// The gradient is that of the exact solution, up to the error of both solves: it is not the gradient of the computed
/// `L`.
///
/// ```
/// use ffjord_ode::{Method, Solver, Tolerance};
/// use ffjord_ode::adjoint::{AdjointNorm, Backsolve, StatePath};
/// let as_forward = Backsolve::new();
/// let tighter = Backsolve::new().tolerance(Tolerance::new(1e-9, 1e-9)?).norm(AdjointNorm::Full);
/// let fixed = Backsolve::new().solver(Solver::new(Method::Rk4).fixed_steps(40));
/// let interpolated = Backsolve::new().path(StatePath::Interpolated);
/// # let _ = (as_forward, tighter, fixed, interpolated);
/// # Ok::<(), ffjord_ode::SetupError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Backsolve {
    solver: BackwardSolver,
    norm: AdjointNorm,
    path: StatePath,
}

#[derive(Debug, Clone, PartialEq, Default)]
enum BackwardSolver {
    /// The forward solver.
    #[default]
    AsForward,
    /// The forward solver with this tolerance.
    Tolerance(Tolerance),
    /// A solver of its own.
    Own(Box<Solver>),
}

impl Backsolve {
    /// Backward steps controlled as the forward ones, measured by the semi-norm.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the tolerance of the backward solve; its other settings are the forward solver's, if that one has
    /// [`Adaptive`](crate::Adaptive) steps.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Tolerance) -> Self {
        self.solver = BackwardSolver::Tolerance(tolerance);
        self
    }

    /// Sets a solver for the backward solve.
    #[must_use]
    pub fn solver(mut self, solver: Solver) -> Self {
        self.solver = BackwardSolver::Own(Box::new(solver));
        self
    }

    /// Sets the error norm.
    #[must_use]
    pub fn norm(mut self, norm: AdjointNorm) -> Self {
        self.norm = norm;
        self
    }

    /// Sets where the state comes from.
    #[must_use]
    pub fn path(mut self, path: StatePath) -> Self {
        self.path = path;
        self
    }

    /// Where the state comes from.
    pub(super) fn state_path(&self) -> StatePath {
        self.path
    }

    /// The solver for the way back from a solve by `forward` between `t0` and `t1`.
    fn backward_solver(&self, forward: &Solver, t0: f64, t1: f64) -> Solver {
        let solver = match (&self.solver, forward.control()) {
            // Where the right-hand side jumps is no matter of choice.
            (BackwardSolver::Own(solver), _) => {
                let jumps = forward.clone().reversed(t0, t1).limits().jump_at.clone();
                Solver::clone(solver).jump_at(jumps)
            }
            (BackwardSolver::AsForward, _) => forward.clone().reversed(t0, t1),
            (BackwardSolver::Tolerance(tolerance), StepControl::Adaptive(settings)) => forward
                .clone()
                .adaptive_with(settings.clone().tolerance(*tolerance))
                .reversed(t0, t1),
            (BackwardSolver::Tolerance(tolerance), StepControl::Constant(_) | StepControl::Own(_)) => {
                forward.clone().adaptive(*tolerance).reversed(t0, t1)
            }
        };
        // A gradient that stops half-way would be wrong without saying so.
        solver.on_budget(OnBudget::Fail).save_at(SaveAt::End)
    }
}

/// What a forward solve kept for the backward one: its end, and its path where that is not solved for again.
///
/// ```
/// use ffjord_ode::{Method, Solver};
/// use ffjord_ode::adjoint::{Adjoint, Backsolve, BacksolveRecord};
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
/// let solver = Solver::new(Method::Rk4).fixed_steps(20);
/// let (_, record) = Backsolve::new().forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// // Owned data, which may wait on its own for a cotangent.
/// let waiting: BacksolveRecord<[f64; 1]> = record.clone();
/// let gradient = Backsolve::new().backward(&Decay, waiting, &[3.0])?;
/// assert!((gradient.y0[0] - 3.0 * (-1.0_f64).exp()).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct BacksolveRecord<S> {
    solver: Box<Solver>,
    norm: AdjointNorm,
    t0: f64,
    t1: f64,
    y1: S,
    path: Option<DenseOutput<S>>,
}

impl<S: State> BacksolveRecord<S> {
    /// The reverse pass that this record is for.
    pub(super) fn pull_back<Sys: DifferentiableSystem<S>>(
        self,
        system: &Sys,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        let Self {
            solver,
            norm,
            t0,
            t1,
            y1,
            path,
        } = self;
        require_finite(cotangent, t1)?;
        let gradient = system
            .zero_gradient()
            .map_err(|source| SolveError::System { t: t1, source })?;
        // The two slopes at the ends: dL/dt1 = a(t1)·f(t1), dL/dt0 = −a(t0)·f(t0).
        let mut f = Evaluator::new(system, usize::MAX);
        let jumps = &solver.limits().jump_at;
        f.stay_inside(Window::after(jumps, t1, t1 < t0));
        let d_t1 = slope_along(&mut f, t1, &y1, cotangent)?;
        let costate = Costate {
            adjoint: cotangent.clone(),
            gradient,
            measure_gradient: norm == AdjointNorm::Full,
        };
        let (y, costate, mut stats) = match path {
            None => {
                let equation = AdjointEquation::new(system, cotangent)?;
                let end = Augmented { y: y1, costate };
                let solution = solver
                    .solve(&equation, &end, t1, t0)
                    .map_err(AdjointError::unwrap_solve)?;
                (solution.state.y, solution.state.costate, solution.stats)
            }
            Some(path) => {
                let equation = AlongPath::new(system, &path, cotangent)?;
                let solution = solver
                    .solve(&equation, &costate, t1, t0)
                    .map_err(AdjointError::unwrap_solve)?;
                (path.nearest(t0)?, solution.state, solution.stats)
            }
        };
        let Costate { adjoint, gradient, .. } = costate;
        f.stay_inside(Window::after(jumps, t0, t1 >= t0));
        let d_t0 = -slope_along(&mut f, t0, &y, &adjoint)?;
        stats += Stats {
            nfe: f.evaluations(),
            ..Stats::default()
        };
        Ok(AdjointSolution {
            y0: adjoint,
            gradient,
            t0: d_t0,
            t1: d_t1,
            stats,
        })
    }
}

impl<S: State, Sys: DifferentiableSystem<S>> Adjoint<S, Sys> for Backsolve {
    type Record = BacksolveRecord<S>;

    fn forward(
        &self,
        solver: &Solver,
        system: &Sys,
        y0: &S,
        t0: f64,
        t1: f64,
    ) -> Forward<S, BacksolveRecord<S>, Sys::Error> {
        require_end_only(solver)?;
        if system.mass_matrix().is_some() {
            return Err(crate::error::SetupError::MassMatrix { what: "backsolve" }.into());
        }
        let save_at = match self.path {
            StatePath::Resolved => SaveAt::End,
            StatePath::Interpolated => SaveAt::Dense,
        };
        let mut solution = solver.clone().save_at(save_at).solve(system, y0, t0, t1)?;
        let record = BacksolveRecord {
            solver: Box::new(self.backward_solver(solver, t0, solution.t)),
            norm: self.norm,
            t0,
            t1: solution.t,
            y1: solution.state.clone(),
            path: solution.dense.take(),
        };
        Ok((solution, record))
    }

    fn backward(
        &self,
        system: &Sys,
        record: BacksolveRecord<S>,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        record.pull_back(system, cotangent)
    }
}
