//! The trace of a batch's Jacobians: of which matrix, and with which vectors.

use super::{Cnf, TraceMode};
use crate::error::Result;
use crate::pass::Pass;
use candle_core::{Device, Tensor};
use ffjord_trace::Probes;

/// A trace estimate that is a weighted sum of quadratic forms, `tr J ≈ w Σₖ vₖᵀ J vₖ`.
///
/// The vectors are drawn once before a solve and stay fixed for all of it (FFJORD, Algorithm 1).
#[derive(Debug, Clone)]
pub(crate) struct TraceForm {
    /// `[K, B, …]`.
    pub(crate) vectors: Tensor,
    /// The weight w of every form.
    pub(crate) weight: f64,
    /// Of which matrix.
    pub(crate) of: TraceOf,
}

/// The matrix whose trace is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TraceOf {
    /// The Jacobian `J` `[D, D]`.
    Jacobian,
    /// `(∂h/∂z)(∂g/∂h)` `[H, H]` of a field `g∘h`, which has the same trace (FFJORD, eq. 9).
    Bottleneck,
}

impl Cnf {
    /// The trace for a batch: unit vectors, or probes from the pass's generator.
    pub(super) fn draw_trace(&self, mode: TraceMode, rows: usize, pass: &mut Pass<'_>) -> Result<TraceForm> {
        let of = mode.of();
        let shape = match of {
            TraceOf::Jacobian => self.row_shape.as_slice(),
            TraceOf::Bottleneck => self.field.bottleneck_shape().unwrap_or_default(),
        };
        let dimension = shape.iter().product();
        let (probes, weight) = match mode.probes() {
            None => (Probes::<f64>::unit_vectors(rows, dimension)?, 1.0),
            Some((distribution, probes)) => (
                Probes::draw(distribution, probes, rows, dimension, pass.rng())?,
                1.0 / probes as f64,
            ),
        };
        let mut stacked = vec![probes.count(), rows];
        stacked.extend_from_slice(shape);
        let vectors = Tensor::from_slice(probes.vectors(), stacked, &Device::Cpu)?
            .to_dtype(self.field.dtype())?
            .to_device(self.field.device())?;
        // The condition does not move: its part of the trace is zero without any product.
        let vectors = match (of, self.field.condition_width()) {
            (TraceOf::Bottleneck, _) | (_, 0) => vectors,
            (TraceOf::Jacobian, width) => vectors.pad_with_zeros(2, 0, width)?,
        };
        Ok(TraceForm { vectors, weight, of })
    }
}
