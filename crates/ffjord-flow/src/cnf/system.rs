//! The equation that a continuous flow integrates: state, log-determinant and path integrals together.

use crate::integral::PathIntegral;
use candle_core::{D, Tensor};
use ffjord_nn::{Linearization, NnError, VectorField};
use ffjord_ode::System;
use ffjord_ode::adjoint::DifferentiableSystem;

/// A trace estimate that is a weighted sum of quadratic forms, `tr J ≈ w Σₖ vₖᵀ J vₖ`.
///
/// The vectors are drawn once before a solve and stay fixed for all of it (FFJORD, Algorithm 1).
#[derive(Debug, Clone)]
pub(crate) struct TraceForm {
    /// `[K, B, …]`.
    pub(crate) vectors: Tensor,
    /// The weight w of every form.
    pub(crate) weight: f64,
}

/// `d/dt [z, ln det, integrals…]` on states `[B, D + 1 + m]`, or `[B, D]` without a trace.
#[derive(Debug)]
pub(crate) struct AugmentedSystem<'a> {
    pub(crate) field: &'a dyn VectorField,
    pub(crate) trace: Option<TraceForm>,
    pub(crate) integrals: &'a [PathIntegral],
}

/// One evaluation kept for its reverse mode.
#[derive(Debug)]
pub(crate) struct EvaluationTape {
    linearization: Linearization,
    value: Tensor,
    products: Option<Tensor>,
}

impl AugmentedSystem<'_> {
    /// The number of elements of one row of z.
    fn dimension(&self) -> usize {
        self.field.state_shape().iter().product()
    }

    /// z as the field wants it, from the first columns of the state.
    fn position(&self, state: &Tensor) -> Result<Tensor, NnError> {
        let mut shape = vec![state.dim(0)?];
        shape.extend_from_slice(self.field.state_shape());
        Ok(state.narrow(1, 0, self.dimension())?.contiguous()?.reshape(shape)?)
    }

    /// The augmented derivative from the field's value `[B, …]` and products `[K, B, …]`.
    fn assemble(&self, value: &Tensor, products: Option<&Tensor>) -> Result<Tensor, NnError> {
        let value = value.flatten_from(1)?;
        let (Some(trace), Some(products)) = (&self.trace, products) else {
            return Ok(value);
        };
        // Σₖ and the sum over a row's elements, [K, B, …] → [B, 1].
        let contract = |products: &Tensor, with: &Tensor| -> Result<Tensor, NnError> {
            Ok(((products * with)?.flatten_from(2)?.sum(D::Minus1)?.sum(0)? * trace.weight)?.unsqueeze(1)?)
        };
        let mut columns = vec![value.clone(), contract(products, &trace.vectors)?];
        for integral in self.integrals {
            columns.push(match integral {
                PathIntegral::Kinetic => value.sqr()?.sum_keepdim(1)?,
                PathIntegral::Jacobian => contract(products, products)?,
            });
        }
        Ok(Tensor::cat(&columns, 1)?)
    }

    /// The cotangents of value and products that belong to a cotangent of the augmented derivative.
    fn disassemble(&self, tape: &EvaluationTape, cotangent: &Tensor) -> Result<(Tensor, Option<Tensor>), NnError> {
        let mut value = self.position(cotangent)?;
        let (Some(trace), Some(products)) = (&self.trace, &tape.products) else {
            return Ok((value, None));
        };
        let column = |index: usize, like: &Tensor| -> Result<Tensor, NnError> {
            let column = cotangent.narrow(1, self.dimension() + index, 1)?;
            let mut shape = vec![1; like.rank()];
            shape[like.rank() - 1 - self.field.state_shape().len()] = cotangent.dim(0)?;
            Ok(column.contiguous()?.reshape(shape)?)
        };
        let mut product = trace.vectors.broadcast_mul(&column(0, &trace.vectors)?)?;
        for (index, integral) in self.integrals.iter().enumerate() {
            match integral {
                PathIntegral::Kinetic => {
                    let slope = (column(index + 1, &tape.value)? * 2.0)?;
                    value = (value + tape.value.broadcast_mul(&slope)?)?;
                }
                PathIntegral::Jacobian => {
                    let slope = (column(index + 1, products)? * 2.0)?;
                    product = (product + products.broadcast_mul(&slope)?)?;
                }
            }
        }
        Ok((value, Some((product * trace.weight)?)))
    }
}

impl System<Tensor> for AugmentedSystem<'_> {
    type Error = NnError;

    fn rhs(&self, t: f64, y: &Tensor, dy: &mut Tensor) -> Result<(), NnError> {
        let z = self.position(y)?;
        *dy = match &self.trace {
            None => self.assemble(&self.field.value(t, &z)?, None)?,
            Some(trace) => {
                let (value, products) = self.field.jvp(t, &z, &trace.vectors)?;
                self.assemble(&value, Some(&products))?
            }
        };
        Ok(())
    }
}

impl DifferentiableSystem<Tensor> for AugmentedSystem<'_> {
    type Tape = EvaluationTape;
    /// All parameters' gradients one after the other, `[P]`.
    type Gradient = Tensor;

    fn zero_gradient(&self) -> Result<Tensor, NnError> {
        let count = self
            .field
            .parameters()
            .iter()
            .map(|parameter| parameter.var.elem_count())
            .sum::<usize>();
        Ok(Tensor::zeros(count, self.field.dtype(), self.field.device())?)
    }

    fn linearize(&self, t: f64, y: &Tensor, dy: &mut Tensor) -> Result<EvaluationTape, NnError> {
        let vectors = self.trace.as_ref().map(|trace| &trace.vectors);
        let linearization = self.field.linearize(t, &self.position(y)?, vectors)?;
        let (value, products) = (linearization.value(), linearization.products());
        *dy = self.assemble(&value, products.as_ref())?;
        Ok(EvaluationTape {
            linearization,
            value,
            products,
        })
    }

    /// What a graph of tensors holds is not known.
    fn tape_bytes(&self, _: &EvaluationTape) -> usize {
        usize::MAX
    }

    fn pullback(
        &self,
        tape: EvaluationTape,
        v: &Tensor,
        grad_y: &mut Tensor,
        gradient: &mut Tensor,
    ) -> Result<f64, NnError> {
        let (value, products) = self.disassemble(&tape, v)?;
        let cotangents = tape
            .linearization
            .pullback(self.field.parameters(), &value, products.as_ref())?;
        let state = cotangents.state.flatten_from(1)?;
        let rest = v.dim(1)? - self.dimension();
        *grad_y = if rest == 0 {
            state
        } else {
            state.pad_with_zeros(1, 0, rest)?
        };
        let flat = cotangents
            .parameters
            .iter()
            .map(Tensor::flatten_all)
            .collect::<Result<Vec<_>, _>>()?;
        if !flat.is_empty() {
            *gradient = (&*gradient + Tensor::cat(&flat, 0)?)?;
        }
        Ok(cotangents.time)
    }
}
