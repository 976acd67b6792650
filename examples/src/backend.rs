//! A backend of one's own: it counts solves and gradients and hands them on.
//!
//! One that moves solves to another processor has the same two methods; [`Problem`] says what there is to solve, and
//! the [`Pullback`] of a recorded solve is its reverse mode.

use crate::{Outcome, Trained, moons};
use ffjord::candle::Tensor;
use ffjord::flow::{
    Backend, Cnf, CpuBackend, Evaluation, Flow, Gradients, Problem, Pullback, Result as FlowResult, SolveSettings,
    Solved,
};
use ffjord::ode::adjoint::AdjointMethod;
use ffjord::ode::{Method, Solver};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often something was solved, and how often a solve was differentiated.
#[derive(Debug, Default)]
pub struct Counts {
    /// Solves without a record: evaluation and sampling.
    pub plain: AtomicUsize,
    /// Solves with one: training.
    pub recorded: AtomicUsize,
    /// Gradients of those.
    pub pulled_back: AtomicUsize,
}

/// A [`CpuBackend`] that counts.
#[derive(Debug, Default)]
pub struct Counting {
    cpu: CpuBackend,
    counts: Arc<Counts>,
}

impl Counting {
    /// The counts, which go on.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }
}

impl Backend for Counting {
    fn solve(&self, problem: &Problem<'_>, record: Option<&AdjointMethod>) -> FlowResult<Solved> {
        let Counts { plain, recorded, .. } = self.counts.as_ref();
        let count = if record.is_some() { recorded } else { plain };
        count.fetch_add(1, Ordering::Relaxed);
        let mut solved = self.cpu.solve(problem, record)?;
        solved.pullback = solved.pullback.map(|pullback| -> Box<dyn Pullback> {
            Box::new(CountedPullback {
                pullback,
                counts: self.counts.clone(),
            })
        });
        Ok(solved)
    }

    fn velocity(&self, evaluation: &Evaluation<'_>) -> FlowResult<Solved> {
        self.cpu.velocity(evaluation)
    }
}

/// The reverse mode of a solve, counted.
#[derive(Debug)]
struct CountedPullback {
    pullback: Box<dyn Pullback>,
    counts: Arc<Counts>,
}

impl Pullback for CountedPullback {
    fn pull_back(self: Box<Self>, cotangent: &Tensor) -> FlowResult<Gradients> {
        self.counts.pulled_back.fetch_add(1, Ordering::Relaxed);
        self.pullback.pull_back(cotangent)
    }
}

/// Trains a flow whose solves are counted.
///
/// # Errors
/// When training fails.
pub fn train() -> Outcome<(Trained, Arc<Counts>)> {
    let backend = Counting::default();
    let counts = backend.counts();
    let solve = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(4));
    let cnf = Cnf::builder(2)
        .hidden([32, 32])
        .training(solve.clone())
        .evaluation(solve)
        .build()?;
    let flow = Flow::over_normal(cnf.with_backend(Arc::new(backend)))?;
    Ok((moons::train(&flow)?, counts))
}
