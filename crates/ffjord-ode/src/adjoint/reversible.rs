//! The exact gradient of reversible steps, whose path is reconstructed on the way back.

use super::{
    Adjoint, AdjointSolution, DifferentiableSystem, Forward, require_end_only, require_finite,
    reverse_step::TimeSensitivity,
    reversible_step::{StepCostate, Unrolled},
    steps_backward::EndSensitivity,
};
use crate::{
    error::{SetupError, SolveError},
    integrate::Watchers,
    methods::Method,
    solution::Stats,
    solver::Solver,
    state::{State, copy_of},
    stepper::ReversibleHeun,
};

/// Discretise, then optimise, with nothing kept but the end: the steps of [`Method::ReversibleHeun`] are undone one by
/// one (Kidger et al. 2021, Algorithm 2).
///
/// The gradient is that of the steps taken, exact but for the rounding errors that undoing them adds up. Memory: three
/// states, one tape, and 8 bytes a step for its time. Work: one linearisation and one reverse product a step, as many
/// as the forward solve took evaluations of accepted steps. It does not go with other methods.
///
/// ```
/// use ffjord_ode::{Method, SetupError, SolveError, Solver};
/// use ffjord_ode::adjoint::{Adjoint, AdjointMethod};
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
/// // dy/dt = -y
/// let reversible: AdjointMethod = "reversible".parse()?;
/// let solver = Solver::new(Method::ReversibleHeun).fixed_steps(1000);
/// let (_, record) = reversible.forward(&solver, &Decay, &[2.0], 0.0, 1.0)?;
/// let gradient = reversible.backward(&Decay, record, &[1.0])?;
/// assert!((gradient.y0[0] - (-1.0_f64).exp()).abs() < 1e-6);
///
/// let heun = Solver::new(Method::Heun).fixed_steps(1000);
/// let refused = reversible.forward(&heun, &Decay, &[2.0], 0.0, 1.0);
/// assert!(matches!(refused, Err(SolveError::Setup(SetupError::AdjointNeedsMethod { .. }))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reversible;

/// Refuses a method whose steps cannot be undone.
pub(super) fn require_reversible(method: Method) -> Result<(), SetupError> {
    match method {
        Method::ReversibleHeun => Ok(()),
        _ => Err(SetupError::AdjointNeedsMethod {
            adjoint: "reversible",
            method: method.name(),
            accepted: Method::ReversibleHeun.name().to_owned(),
        }),
    }
}

/// The end of a forward solve and the times of its steps.
#[derive(Debug, Clone)]
pub struct ReversibleRecord<S> {
    /// The start, and the end of every step.
    times: Vec<f64>,
    y: S,
    /// ŷ.
    companion: S,
}

impl<S: State, Sys: DifferentiableSystem<S>> Adjoint<S, Sys> for Reversible {
    type Record = ReversibleRecord<S>;

    fn forward(
        &self,
        solver: &Solver,
        system: &Sys,
        y0: &S,
        t0: f64,
        t1: f64,
    ) -> Forward<S, ReversibleRecord<S>, Sys::Error> {
        require_end_only(solver)?;
        require_reversible(solver.method())?;
        let mut stepper = ReversibleHeun::new(y0)?;
        let mut times = vec![t0];
        let mut observe = |stepper: &ReversibleHeun<S>| times.push(stepper.next_time());
        let solution = solver.drive(&mut stepper, system, y0, (t0, t1), Watchers::observer(&mut observe))?;
        // A solve without a step has not touched the stepper.
        let companion = if times.len() > 1 { stepper.companion() } else { y0 };
        let record = ReversibleRecord {
            times,
            y: copy_of(&solution.state)?,
            companion: copy_of(companion)?,
        };
        Ok((solution, record))
    }

    fn backward(
        &self,
        system: &Sys,
        record: ReversibleRecord<S>,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        record.pull_back(system, cotangent)
    }
}

impl<S: State> ReversibleRecord<S> {
    /// The reverse pass that this record is for.
    pub(super) fn pull_back<Sys: DifferentiableSystem<S>>(
        self,
        system: &Sys,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        let (start, end) = (self.times[0], self.times[self.times.len() - 1]);
        require_finite(cotangent, end)?;
        let at = |t: f64| move |source| SolveError::System { t, source };
        let mut gradient = system.zero_gradient().map_err(at(end))?;
        let mut ends = EndSensitivity::new(start, end);
        let mut evaluations = 0;
        let mut linearize = |t: f64, point: &S, slope: &mut S| {
            evaluations += 1;
            system.linearize(t, point, slope).map_err(at(t))
        };
        let mut path = Unrolled::new(self.y, self.companion)?;
        let mut costate = StepCostate::new(cotangent)?;
        // What nothing depends on is not evaluated.
        if end != start {
            let mut tape = linearize(end, &path.companion, &mut path.slope)?;
            for times in self.times.windows(2).rev() {
                let (t, t_next) = (times[0], times[1]);
                let h = t_next - t;
                let tau =
                    costate.pull_back(h, |v, g| system.pullback(tape, v, g, &mut gradient).map_err(at(t_next)))?;
                path.undo_companion(h)?;
                tape = linearize(t, &path.companion, &mut path.earlier_slope)?;
                path.undo_state(h)?;
                let dh = costate.along_size(&path)?;
                ends.add((t, t_next), &TimeSensitivity { t: tau, h: dh + tau });
                costate.undo_step(h)?;
                path.finish_step();
            }
            let tau = costate.pull_back(0.0, |v, g| {
                system.pullback(tape, v, g, &mut gradient).map_err(at(start))
            })?;
            ends.add((start, start), &TimeSensitivity { t: tau, h: 0.0 });
        }
        let stats = Stats {
            nfe: evaluations,
            accepted: self.times.len() - 1,
            rejected: 0,
        };
        ends.solution(costate.into_initial()?, gradient, stats)
    }
}
