//! The exact gradient of the steps that were taken.

use super::{
    Adjoint, AdjointSolution, DifferentiableSystem, Forward, require_end_only, require_finite,
    reverse_step::ReverseStep,
};
use crate::{
    error::{SetupError, SolveError},
    methods::Method,
    solution::{SaveAt, Saved, Stats},
    solver::Solver,
    state::State,
    tableau::Tableau,
};

/// Discretise, then optimise: keeps the state of every step, recomputes a step's stages and pulls them back.
///
/// The gradient is that of the steps taken, exact to rounding whatever the tolerance. Their sizes are held as fractions
/// of the interval, so dL/dt0 and dL/dt1 are exact for the steps, too, and tend to −λ(t0)·f and λ(t1)·f with them.
/// Memory: one state a step, and the tapes of one step. Work: one linearisation and one reverse product a stage.
///
/// [`DifferentiableSystem`] has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpointed;

/// The states of the steps of a forward solve.
#[derive(Debug, Clone)]
pub struct CheckpointRecord<S> {
    tableau: &'static Tableau,
    /// The initial state and the state after every step.
    steps: Vec<Saved<S>>,
}

impl<S> CheckpointRecord<S> {
    /// The initial state and the state after every step.
    pub fn steps(&self) -> &[Saved<S>] {
        &self.steps
    }
}

impl<S: State, Sys: DifferentiableSystem<S>> Adjoint<S, Sys> for Checkpointed {
    type Record = CheckpointRecord<S>;

    fn forward(
        &self,
        solver: &Solver,
        system: &Sys,
        y0: &S,
        t0: f64,
        t1: f64,
    ) -> Forward<S, CheckpointRecord<S>, Sys::Error> {
        require_end_only(solver)?;
        let method = solver.method();
        let tableau = method.tableau().ok_or_else(|| SetupError::NotRecomputable {
            method: method.name(),
            accepted: Method::names(|method| method.tableau().is_some()),
        })?;
        let mut solution = solver.clone().save_at(SaveAt::Steps).solve(system, y0, t0, t1)?;
        let steps = std::mem::take(&mut solution.saved);
        Ok((solution, CheckpointRecord { tableau, steps }))
    }

    fn backward(
        &self,
        system: &Sys,
        record: CheckpointRecord<S>,
        cotangent: &S,
    ) -> Result<AdjointSolution<S, Sys::Gradient>, SolveError<Sys::Error>> {
        let CheckpointRecord { tableau, mut steps } = record;
        let start = steps.first().map_or(0.0, |first| first.t);
        let end = steps.last().map_or(start, |last| last.t);
        require_finite(cotangent, end)?;
        let mut gradient = system
            .zero_gradient()
            .map_err(|source| SolveError::System { t: end, source })?;
        let mut reverse = ReverseStep::new(tableau, cotangent)?;
        let mut stats = Stats::default();
        let (mut d_t0, mut d_t1) = (0.0, 0.0);
        let mut t_next = end;
        // The state at the end itself is not needed: a step is recomputed from its start.
        steps.pop();
        while let Some(Saved { t, state }) = steps.pop() {
            let step = reverse.pull_back(system, (t, t_next), &state, &mut gradient)?;
            // t = t0 + θ (t1 − t0) and h = Δθ (t1 − t0), with the fractions θ held.
            let (fraction, width) = ((t - start) / (end - start), (t_next - t) / (end - start));
            d_t0 += step.t * (1.0 - fraction) - step.h * width;
            d_t1 += step.t * fraction + step.h * width;
            stats += Stats {
                nfe: reverse.evaluations(),
                accepted: 1,
                rejected: 0,
            };
            t_next = t;
        }
        let y0 = reverse.into_cotangent();
        require_finite(&y0, start)?;
        Ok(AdjointSolution {
            y0,
            gradient,
            t0: d_t0,
            t1: d_t1,
            stats,
        })
    }
}
