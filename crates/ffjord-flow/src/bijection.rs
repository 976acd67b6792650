//! Invertible maps with known log-determinants.

use crate::cnf::Cnf;
use crate::error::{FlowError, Result};
use crate::integral::PathIntegrals;
use crate::pass::Pass;
use candle_core::Tensor;
use ffjord_nn::Parameter;
use std::sync::Arc;

/// What a bijection makes of a batch.
#[derive(Debug, Clone)]
pub struct Transformed {
    /// The images of the rows, `[B, …]`.
    pub value: Tensor,
    /// `ln |det ∂value/∂input|` of each row, `[B]`, in nats; zero where the pass asks for none.
    pub log_det: Tensor,
    /// Integrals along the path of each row, `[B]` each; empty for maps without a path.
    pub integrals: PathIntegrals,
}

/// An invertible map between batches of equal shape, with the log-determinant of its Jacobian.
///
/// `forward` leads from data to noise and `inverse` back, so that
/// `ln p(x) = ln p_base(forward(x)) + log_det` (FFJORD, eq. 3 integrated).
pub trait Bijection: std::fmt::Debug + Send + Sync {
    /// From data `[B, …]` to noise.
    ///
    /// # Errors
    /// When the input does not fit, or a solve fails.
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed>;

    /// From noise `[B, …]` to data; the log-determinant is that of this direction.
    ///
    /// # Errors
    /// When the input does not fit, or a solve fails.
    fn inverse(&self, z: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed>;

    /// The trainable parameters in a fixed order, under their checkpoint names.
    fn parameters(&self) -> Vec<Parameter>;

    /// What is saved with the parameters but not trained, such as running statistics.
    fn buffers(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// The shape of one row: `[D]` or `[C, H, W]`.
    fn row_shape(&self) -> &[usize];

    /// Whether a row's image in a training pass depends on the other rows of its batch, as with batch normalisation: then a
    /// batch must not be taken in parts.
    fn uses_batch_statistics(&self) -> bool {
        false
    }

    /// The end times of the continuous parts, in order, for reports.
    fn end_times(&self) -> Vec<f64> {
        Vec::new()
    }

    /// The continuous parts, the first nearest to the data, of a map that is made of nothing else.
    fn continuous_parts(&self) -> Option<Vec<&Cnf>> {
        None
    }
}

impl<B: Bijection + ?Sized> Bijection for Arc<B> {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        self.as_ref().forward(x, pass)
    }

    fn inverse(&self, z: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        self.as_ref().inverse(z, pass)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.as_ref().parameters()
    }

    fn buffers(&self) -> Vec<Parameter> {
        self.as_ref().buffers()
    }

    fn row_shape(&self) -> &[usize] {
        self.as_ref().row_shape()
    }

    fn uses_batch_statistics(&self) -> bool {
        self.as_ref().uses_batch_statistics()
    }

    fn end_times(&self) -> Vec<f64> {
        self.as_ref().end_times()
    }

    fn continuous_parts(&self) -> Option<Vec<&Cnf>> {
        self.as_ref().continuous_parts()
    }
}

/// Fails unless `input` is a batch of rows of the bijection's shape.
pub(crate) fn check_rows(what: &'static str, input: &Tensor, row_shape: &[usize]) -> Result<()> {
    if input.rank() == row_shape.len() + 1 && &input.dims()[1..] == row_shape && input.dim(0)? > 0 {
        return Ok(());
    }
    Err(FlowError::InputShape {
        what,
        given: input.shape().clone(),
        expected: format!("at least one row, of shape {row_shape:?} each"),
    })
}
