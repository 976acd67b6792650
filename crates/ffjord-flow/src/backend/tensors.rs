//! The flow's equation on tensors: state, log-determinant and path integrals together.

use super::blocks::{Block, BlockSystem, Engine};
use crate::error::{FlowError, Result};
use crate::integral::{BatchCotangent, BatchEvaluation, Needs, PathIntegral};
use crate::solve::{TraceForm, TraceOf};
use candle_core::{D, Tensor};
use ffjord_nn::{Along, Linearization, NnError, OutputCotangents, Request, Tangents, VectorField};
use ffjord_ode::System;
use ffjord_ode::adjoint::DifferentiableSystem;
use std::sync::Arc;

/// A field by its own tensor operations.
#[derive(Debug)]
pub(super) struct TensorEngine {
    pub(super) field: Arc<dyn VectorField>,
}

impl Engine for TensorEngine {
    type State = Tensor;
    type Tape = EvaluationTape;
    type System<'a> = TensorSystem<'a>;

    fn system<'a>(&'a self, block: &Block, integrals: &'a [PathIntegral], _: bool) -> Result<TensorSystem<'a>> {
        let trace = block.trace.as_ref().map(|trace| {
            Ok::<_, FlowError>(TraceForm {
                vectors: trace.vectors.contiguous()?,
                ..*trace
            })
        });
        Ok(TensorSystem {
            field: self.field.as_ref(),
            rows: block.rows.len(),
            given: block.given.clone(),
            trace: trace.transpose()?,
            integrals,
        })
    }
}

/// `d/dt [z, ln det, integrals…]` on states `[R, D + 1 + m]`, or `[R, D]` without a trace.
#[derive(Debug)]
pub(super) struct TensorSystem<'a> {
    field: &'a dyn VectorField,
    rows: usize,
    given: Option<Tensor>,
    trace: Option<TraceForm>,
    integrals: &'a [PathIntegral],
}

/// One evaluation kept for its reverse mode.
#[derive(Debug)]
pub(super) struct EvaluationTape {
    linearization: Linearization,
    value: Tensor,
    products: Option<Tensor>,
    along: Vec<Tensor>,
}

impl TensorSystem<'_> {
    /// The number of elements of one row of z.
    fn dimension(&self) -> usize {
        self.field.state_shape().iter().product()
    }

    /// The number of the field's parameters.
    fn parameter_count(&self) -> usize {
        let counts = self.field.parameters().iter();
        counts.map(|parameter| parameter.var.elem_count()).sum()
    }

    /// z as the field wants it, from the first columns of the state.
    fn position(&self, state: &Tensor) -> Result<Tensor, NnError> {
        let mut shape = vec![state.dim(0)?];
        shape.extend_from_slice(self.field.state_shape());
        Ok(state.narrow(1, 0, self.dimension())?.contiguous()?.reshape(shape)?)
    }

    /// The derivatives along the path that the integrals need, each once.
    fn along(&self) -> Vec<Along> {
        let mut along = Vec::new();
        for integral in self.integrals {
            if let Needs::Along(kind) = integral.needs()
                && self.trace.is_some()
                && !along.contains(&kind)
            {
                along.push(kind);
            }
        }
        along
    }

    /// The field's value with products and derivatives along the path.
    fn linearize_field(&self, t: f64, state: &Tensor) -> Result<Linearization, NnError> {
        let tangents = match &self.trace {
            None => Tangents::None,
            Some(trace) if trace.of == TraceOf::Bottleneck => Tangents::Bottleneck(&trace.vectors),
            Some(trace) => Tangents::State(&trace.vectors),
        };
        let request = Request {
            tangents,
            along: &self.along(),
        };
        self.field
            .linearize(t, &self.position(state)?, self.given.as_ref(), &request)
    }

    /// The augmented derivative from the field's value `[B, …]`, products `[K, B, …]` and derivatives along the path.
    fn assemble(&self, value: &Tensor, products: Option<&Tensor>, along: &[Tensor]) -> Result<Tensor, NnError> {
        let value = value.flatten_from(1)?;
        let (Some(trace), Some(products)) = (&self.trace, products) else {
            return Ok(value);
        };
        let (probes, products) = (trace.vectors.flatten_from(2)?, products.flatten_from(2)?);
        let log_det = ((&products * &probes)?.sum(D::Minus1)?.sum(0)? * trace.weight)?.unsqueeze(1)?;
        let evaluation = BatchEvaluation {
            value: &value,
            probes: &probes,
            products: &products,
            weight: trace.weight,
        };
        let mut columns = vec![value.clone(), log_det];
        for integral in self.integrals {
            columns.push(evaluation.integrand(*integral, self.along_of(*integral, along)?.as_ref())?);
        }
        Ok(Tensor::cat(&columns, 1)?)
    }

    /// The derivative along the path that an integral measures, `[B, D]`.
    fn along_of(&self, integral: PathIntegral, along: &[Tensor]) -> Result<Option<Tensor>, NnError> {
        let Needs::Along(kind) = integral.needs() else {
            return Ok(None);
        };
        let place = self.along().iter().position(|present| *present == kind);
        let tensor = place.and_then(|place| along.get(place));
        Ok(tensor.map(|tensor| tensor.flatten_from(1)).transpose()?)
    }

    /// The cotangents of value, products and derivatives along the path that belong to a cotangent of the augmented
    /// derivative.
    fn disassemble(
        &self,
        tape: &EvaluationTape,
        cotangent: &Tensor,
    ) -> Result<(Tensor, Option<Tensor>, Vec<Tensor>), NnError> {
        let dimension = self.dimension();
        let (Some(trace), Some(products)) = (&self.trace, &tape.products) else {
            return Ok((self.position(cotangent)?, None, Vec::new()));
        };
        let column = |index: usize| cotangent.narrow(1, dimension + index, 1)?.contiguous();
        let (value, probes) = (tape.value.flatten_from(1)?, trace.vectors.flatten_from(2)?);
        let flat = products.flatten_from(2)?;
        let evaluation = BatchEvaluation {
            value: &value,
            probes: &probes,
            products: &flat,
            weight: trace.weight,
        };
        let mut of_value = cotangent.narrow(1, 0, dimension)?.contiguous()?;
        let mut of_products = (probes.broadcast_mul(&column(0)?)? * trace.weight)?;
        let mut of_along: Vec<Tensor> = tape.along.iter().map(Tensor::zeros_like).collect::<Result<_, _>>()?;
        for (index, integral) in self.integrals.iter().enumerate() {
            let along = self.along_of(*integral, &tape.along)?;
            match evaluation.pull_back(*integral, &column(index + 1)?, along.as_ref())? {
                BatchCotangent::Value(slope) => of_value = (of_value + slope)?,
                BatchCotangent::Products(slope) => of_products = (of_products + slope)?,
                BatchCotangent::ValueAndProducts(value, products) => {
                    of_value = (of_value + value)?;
                    of_products = (of_products + products)?;
                }
                BatchCotangent::Along(slope) => {
                    let kinds = self.along();
                    let place = |kind: &Along| integral.needs() == Needs::Along(*kind);
                    if let Some(sum) = kinds.iter().position(place).and_then(|place| of_along.get_mut(place)) {
                        *sum = (&*sum + slope.reshape(sum.shape())?)?;
                    }
                }
            }
        }
        let of_value = of_value.reshape(tape.value.shape())?;
        Ok((of_value, Some(of_products.reshape(products.shape())?), of_along))
    }
}

impl System<Tensor> for TensorSystem<'_> {
    type Error = NnError;

    fn rhs(&self, t: f64, y: &Tensor, dy: &mut Tensor) -> Result<(), NnError> {
        *dy = match &self.trace {
            None => {
                let value = self.field.value(t, &self.position(y)?, self.given.as_ref())?;
                self.assemble(&value, None, &[])?
            }
            Some(_) => {
                let linearization = self.linearize_field(t, y)?;
                let (value, products) = (linearization.value(), linearization.products());
                self.assemble(&value, products.as_ref(), &linearization.along())?
            }
        };
        Ok(())
    }
}

impl BlockSystem<Tensor> for TensorSystem<'_> {
    fn initial(&self, z: &Tensor) -> candle_core::Result<Tensor> {
        let z = z.flatten_from(1)?;
        match &self.trace {
            None => z.contiguous(),
            Some(_) => z.pad_with_zeros(1, 0, 1 + self.integrals.len()),
        }
    }

    fn to_tensor(&self, state: &Tensor) -> candle_core::Result<Tensor> {
        Ok(state.clone())
    }

    fn state_of(&self, tensor: &Tensor) -> candle_core::Result<Tensor> {
        Ok(tensor.clone())
    }

    fn gradients(&self, gradient: Tensor) -> candle_core::Result<(Tensor, Option<Tensor>)> {
        let count = self.parameter_count();
        let given = match &self.given {
            None => None,
            Some(given) => Some(gradient.narrow(0, count, given.elem_count())?.reshape(given.shape())?),
        };
        Ok((gradient.narrow(0, 0, count)?, given))
    }

    /// Tensors count rows already.
    fn row_of(&self, index: usize) -> usize {
        index.min(self.rows.saturating_sub(1))
    }
}

impl DifferentiableSystem<Tensor> for TensorSystem<'_> {
    type Tape = EvaluationTape;
    /// The gradients of all parameters one after the other `[P]`, then those of what the rows were given `[R, G]`.
    type Gradient = Tensor;

    fn zero_gradient(&self) -> Result<Tensor, NnError> {
        let count = self.parameter_count() + self.given.as_ref().map_or(0, Tensor::elem_count);
        Ok(Tensor::zeros(count, self.field.dtype(), self.field.device())?)
    }

    fn linearize(&self, t: f64, y: &Tensor, dy: &mut Tensor) -> Result<EvaluationTape, NnError> {
        let linearization = self.linearize_field(t, y)?;
        let (value, products, along) = (linearization.value(), linearization.products(), linearization.along());
        *dy = self.assemble(&value, products.as_ref(), &along)?;
        Ok(EvaluationTape {
            linearization,
            value,
            products,
            along,
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
        let (value, products, along) = self.disassemble(&tape, v)?;
        let of_outputs = OutputCotangents {
            value: &value,
            products: products.as_ref(),
            along: &along,
        };
        let cotangents = tape.linearization.pullback(self.field.parameters(), &of_outputs)?;
        let state = cotangents.state.flatten_from(1)?;
        let rest = v.dim(1)? - self.dimension();
        *grad_y = if rest == 0 {
            state
        } else {
            state.pad_with_zeros(1, 0, rest)?
        };
        let parts = cotangents.parameters.iter().chain(&cotangents.given);
        let flat = parts.map(Tensor::flatten_all).collect::<Result<Vec<_>, _>>()?;
        if !flat.is_empty() {
            *gradient = (&*gradient + Tensor::cat(&flat, 0)?)?;
        }
        Ok(cotangents.time)
    }
}
