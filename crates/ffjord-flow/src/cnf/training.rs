//! Solves of training passes: one node of the autograd graph each.

use super::blocks::{BatchSolve, weighted_mean};
use super::node::SolveNode;
use super::trace::TraceForm;
use super::{Cnf, Direction, count_forward};
use crate::bijection::Transformed;
use crate::error::Result;
use crate::pass::SolveCost;
use candle_core::Tensor;

/// What a training pass chooses for its solve.
#[derive(Debug, Clone, Copy)]
pub(super) struct DifferentiablePass {
    pub(super) direction: Direction,
    /// What T is multiplied with.
    pub(super) end_factor: f64,
    /// What the tolerances are multiplied with.
    pub(super) tolerance_factor: f64,
}

impl Cnf {
    /// A solve from `input`, rows with their condition, as one node of the autograd graph.
    pub(super) fn differentiable(
        &self,
        input: &Tensor,
        pass: DifferentiablePass,
        trace: TraceForm,
        cost: &SolveCost,
    ) -> Result<Transformed> {
        let DifferentiablePass {
            direction,
            end_factor,
            tolerance_factor,
        } = pass;
        let span = self.span(direction, end_factor)?;
        let settings = self.settings.training.with_tolerance_factor(tolerance_factor)?;
        let fused = self.fused(&settings, &self.settings.integrals)?;
        let solve = BatchSolve {
            field: self.field(),
            fused: fused.as_ref().map(|fused| (fused, &*self.memory)),
            settings: &settings,
            span,
            trace: Some(trace),
            integrals: &self.settings.integrals,
        };
        let (solved, records) = solve.solve_recorded(input, &self.settings.adjoint)?;
        count_forward(cost, &solved);
        let pullback = {
            let (field, settings, cost) = (self.field.clone(), self.settings.clone(), cost.clone());
            let memory = self.memory.clone();
            let input_shape = input.dims().to_vec();
            move |cotangent: &Tensor| {
                let solve = BatchSolve {
                    field: field.as_ref(),
                    fused: fused.as_ref().map(|fused| (fused, &*memory)),
                    settings: &settings.training,
                    span,
                    trace: None,
                    integrals: &settings.integrals,
                };
                let gradient = solve
                    .pull_back(records, &settings.adjoint, cotangent)
                    .map_err(candle_core::Error::wrap)?;
                cost.add_backward(weighted_mean(&gradient.blocks, |stats| stats.nfe));
                let dimension: usize = field.state_shape().iter().product();
                let state = gradient
                    .state
                    .narrow(1, 0, dimension)?
                    .contiguous()?
                    .reshape(input_shape)?;
                let end_time = match direction {
                    Direction::Forward => gradient.span.1,
                    Direction::Inverse => gradient.span.0,
                };
                let end_time = Tensor::new(end_time, cotangent.device())?.to_dtype(cotangent.dtype())?;
                Ok((state, gradient.parameters, Some(end_time)))
            }
        };
        let node = SolveNode::new(solved.state, pullback);
        let end_time = if self.settings.learn_end_time {
            self.sqrt_end_time.sqr()?
        } else {
            self.sqrt_end_time.as_detached_tensor().sqr()?
        };
        let end_time = (end_time * end_factor)?;
        let state = input
            .contiguous()?
            .apply_op3(&self.flat_parameters()?, &end_time, node)?;
        self.split(&state, &self.settings.integrals)
    }

    /// All parameters of the field one after the other, `[P]`, connected to them in the autograd graph.
    pub(super) fn flat_parameters(&self) -> Result<Tensor> {
        let flat = self
            .field
            .parameters()
            .iter()
            .map(|parameter| parameter.var.flatten_all())
            .collect::<candle_core::Result<Vec<_>>>()?;
        if flat.is_empty() {
            return Ok(Tensor::zeros(0, self.field.dtype(), self.field.device())?);
        }
        Ok(Tensor::cat(&flat, 0)?)
    }
}
