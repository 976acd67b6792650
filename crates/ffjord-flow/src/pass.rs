//! One pass of a batch through a flow: what it is for, where its randomness comes from, what it cost.

use crate::backend::Statistics;
use candle_core::Tensor;
use rand::RngCore;
use std::sync::{Arc, Mutex, PoisonError};

/// What a pass is for; it decides which settings the parts of a flow use.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Cnf, Density, Flow, FlowError, Pass, Purpose};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).build()?)?;
/// let x = Tensor::zeros((1, 2), DType::F32, &Device::Cpu)?;
/// let mut pass = Pass::sampling(&mut rng);
/// assert_eq!(pass.purpose(), Purpose::Sampling);
/// assert!(matches!(flow.log_prob(&x, &mut pass), Err(FlowError::NoLogDet)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Training: training solver and trace estimate, gradients, path integrals, running statistics move.
    Training,
    /// Evaluation: test solver and trace, no gradients.
    Evaluation,
    /// Sampling: test solver, no gradients, and no log-determinants.
    Sampling,
}

/// One pass of a batch through a flow.
///
/// ```
/// use ffjord_flow::{Pass, Purpose};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let pass = Pass::evaluation(&mut rng);
/// assert_eq!(pass.purpose(), Purpose::Evaluation);
/// assert_eq!(pass.cost().snapshot().forward_evaluations, 0.0);
/// ```
///
/// Looser tolerances for this pass alone, at an iteration of a training:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, Cnf, Pass};
/// use rand::SeedableRng;
///
/// let cnf = Cnf::builder(2).hidden([8]).tolerance(1e-7).dtype(DType::F64).build()?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let x = Tensor::ones((1, 2), DType::F64, &Device::Cpu)?;
/// let mut evaluations = |factor| {
///     let mut pass = Pass::training(&mut rng).tolerance(factor).at_iteration(3);
///     assert_eq!((pass.iteration(), pass.tolerance_factor()), (3, factor));
///     cnf.forward(&x, &mut pass)?;
///     Ok::<f64, ffjord_flow::FlowError>(pass.cost().snapshot().forward_evaluations)
/// };
/// assert!(evaluations(1000.0)? < evaluations(1.0)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pass<'a> {
    purpose: Purpose,
    rng: &'a mut dyn RngCore,
    cost: SolveCost,
    tolerance_factor: f64,
    iteration: u64,
    condition: Option<Tensor>,
}

impl<'a> Pass<'a> {
    fn new(purpose: Purpose, rng: &'a mut dyn RngCore) -> Self {
        Self {
            purpose,
            rng,
            cost: SolveCost::default(),
            tolerance_factor: 1.0,
            iteration: 0,
            condition: None,
        }
    }

    /// A pass whose result is differentiated; `rng` draws the probes.
    pub fn training(rng: &'a mut dyn RngCore) -> Self {
        Self::new(Purpose::Training, rng)
    }

    /// A pass that only evaluates; `rng` draws probes where the trace is not exact.
    pub fn evaluation(rng: &'a mut dyn RngCore) -> Self {
        Self::new(Purpose::Evaluation, rng)
    }

    /// A pass that maps noise to data without log-determinants; `rng` draws the noise.
    pub fn sampling(rng: &'a mut dyn RngCore) -> Self {
        Self::new(Purpose::Sampling, rng)
    }

    /// The same pass with the tolerances of its solves multiplied by `factor`, positive and finite; solves with fixed steps
    /// have none. For schedules that begin loose and end tight.
    #[must_use]
    pub fn tolerance(mut self, factor: f64) -> Self {
        self.tolerance_factor = factor;
        self
    }

    /// What the tolerances of solves are multiplied with, 1 unless set.
    #[must_use]
    pub fn tolerance_factor(&self) -> f64 {
        self.tolerance_factor
    }

    /// The same pass as part of this iteration of a training, counted from 0: for objectives that change over a run.
    #[must_use]
    pub fn at_iteration(mut self, iteration: u64) -> Self {
        self.iteration = iteration;
        self
    }

    /// The iteration of the training that the pass is part of, 0 unless set.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// The same pass given a condition `[B, C]`, one row for each row of the batch: densities become `p(x | c)`.
    ///
    /// A flow none of whose parts depends on a condition refuses it.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use ffjord_flow::Pass;
    /// use rand::SeedableRng;
    ///
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let labels = Tensor::zeros((4, 1), DType::F32, &Device::Cpu)?;
    /// let pass = Pass::evaluation(&mut rng).given(labels);
    /// assert!(pass.condition().is_some());
    /// # Ok::<(), ffjord_flow::FlowError>(())
    /// ```
    #[must_use]
    pub fn given(mut self, condition: Tensor) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Puts a condition `[B, C]`, or none, in place of the present one: for objectives, which are handed their pass.
    pub fn set_given(&mut self, condition: Option<Tensor>) {
        self.condition = condition;
    }

    /// The condition `[B, C]`, if there is one.
    #[must_use]
    pub fn condition(&self) -> Option<&Tensor> {
        self.condition.as_ref()
    }

    /// What the pass is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The generator of the pass.
    pub fn rng(&mut self) -> &mut dyn RngCore {
        self.rng
    }

    /// The cost of the solves; the handle stays valid after the pass, when gradients add to it.
    #[must_use]
    pub fn cost(&self) -> &SolveCost {
        &self.cost
    }
}

/// A shared count of what the solves of a pass and of its gradient took.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Cnf, Density, Flow, Pass, SolveCost};
/// use rand::SeedableRng;
///
/// let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).build()?)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut pass = Pass::training(&mut rng);
/// let cost: SolveCost = pass.cost().clone();
/// let loss = flow.log_prob(&Tensor::zeros((3, 2), DType::F32, &Device::Cpu)?, &mut pass)?.mean_all()?;
/// assert_eq!(cost.snapshot().backward_evaluations, 0.0);
/// // The handle outlives the pass, and gradients add to it.
/// loss.backward()?;
/// assert!(cost.snapshot().backward_evaluations > 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct SolveCost(Arc<Mutex<CostSnapshot>>);

/// What the solves of a pass took so far.
///
/// Where a batch is solved in blocks of rows, numbers are means over the blocks, weighted by rows; those of the
/// continuous parts of a chain add up.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Cnf, Density, Flow, Pass};
/// use rand::SeedableRng;
///
/// let flow = Flow::over_normal(Cnf::builder(2).hidden([16]).build()?)?;
/// let x = Tensor::zeros((3, 2), DType::F32, &Device::Cpu)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut pass = Pass::evaluation(&mut rng);
/// flow.log_prob(&x, &mut pass)?;
/// let cost = pass.cost().snapshot();
/// assert!(cost.forward_evaluations > 6.0 && cost.backward_evaluations == 0.0);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CostSnapshot {
    /// Evaluations of the vector field (NFE) in forward solves.
    pub forward_evaluations: f64,
    /// Evaluations in gradients: one with its reverse product counts as one.
    pub backward_evaluations: f64,
    /// Accepted steps of forward solves.
    pub accepted_steps: f64,
    /// Rejected steps of forward solves.
    pub rejected_steps: f64,
}

impl SolveCost {
    /// The numbers so far.
    #[must_use]
    pub fn snapshot(&self) -> CostSnapshot {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the forward solve of one part.
    pub(crate) fn add_forward(&self, solve: &Statistics) {
        let mut cost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cost.forward_evaluations += solve.evaluations;
        cost.accepted_steps += solve.accepted;
        cost.rejected_steps += solve.rejected;
    }

    /// Adds the gradient of one part.
    pub(crate) fn add_backward(&self, evaluations: f64) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .backward_evaluations += evaluations;
    }
}
