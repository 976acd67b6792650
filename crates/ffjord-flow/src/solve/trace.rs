//! The trace of a batch's Jacobians: of which matrix, and with which vectors.

use crate::error::{FlowError, Result};
use candle_core::{Device, Tensor};
use ffjord_nn::VectorField;
use ffjord_trace::{ProbeDistribution, Probes, TraceError};
use rand::RngCore;
use std::fmt;
use std::sync::Arc;

/// How the trace of the Jacobian is computed along a path.
///
/// ```
/// use ffjord_flow::{Cnf, TraceMode};
/// use ffjord_trace::ProbeDistribution;
///
/// let trace = TraceMode::Hutchinson { distribution: ProbeDistribution::Rademacher, probes: 2 };
/// let cnf = Cnf::builder(10).training_trace(trace).build()?; // Evaluation keeps the exact trace.
/// assert!(matches!(cnf.settings().evaluation.trace, TraceMode::Exact));
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TraceMode {
    /// `Σᵢ eᵢᵀ J eᵢ` over the unit vectors: D products an evaluation, no variance.
    Exact,
    /// Hutchinson's estimate `1/K Σₖ εₖᵀ J εₖ` with K probes, drawn once a solve (FFJORD, eq. 7 and 8).
    Hutchinson {
        /// The distribution of the probes.
        distribution: ProbeDistribution,
        /// The number K of probes a row, at least 1.
        probes: usize,
    },
    /// The exact trace of `(∂h/∂z)(∂g/∂h)` for an encoder–decoder network `f = g∘h` with a narrow middle of width H,
    /// which is that of the Jacobian: H products an evaluation (FFJORD, eq. 9).
    ///
    /// By a kernel for an [`EncoderDecoder`](ffjord_nn::EncoderDecoder), by tensor operations for other fields.
    BottleneckExact,
    /// The same by probes of width H: the variance is that of an H × H matrix.
    Bottleneck {
        /// The distribution of the probes.
        distribution: ProbeDistribution,
        /// The number K of probes a row, at least 1.
        probes: usize,
    },
    /// An estimator of your own.
    Own(Arc<dyn TraceVectors>),
    /// An estimator of your own for the trace at the bottleneck, with vectors of width H.
    BottleneckOwn(Arc<dyn TraceVectors>),
}

/// A trace estimator of your own: vectors whose weighted quadratic forms estimate a trace, `tr J ≈ w Σₖ vₖᵀ J vₖ`.
///
/// ```
/// use ffjord_flow::{TraceMode, TraceVectors};
/// use ffjord_trace::{Probes, TraceError};
/// use rand::{Rng, RngCore};
/// use std::sync::Arc;
///
/// /// One random unit vector e: `D eᵀ J e`.
/// #[derive(Debug)]
/// struct OneEntry;
///
/// impl TraceVectors for OneEntry {
///     fn draw(&self, rows: usize, dimension: usize, rng: &mut dyn RngCore) -> Result<Probes<f64>, TraceError> {
///         let mut vectors = vec![0.0; rows * dimension];
///         for row in vectors.chunks_exact_mut(dimension) {
///             row[rng.random_range(0..dimension)] = 1.0;
///         }
///         Probes::from_vectors(1, rows, dimension, vectors)
///     }
///     fn weight(&self, _count: usize, dimension: usize) -> f64 { dimension as f64 }
/// }
///
/// let trace = TraceMode::Own(Arc::new(OneEntry));
/// # let _ = trace;
/// ```
pub trait TraceVectors: fmt::Debug + Send + Sync {
    /// The vectors `[K, R, D]` of this many rows.
    ///
    /// # Errors
    /// When they cannot be drawn.
    fn draw(
        &self,
        rows: usize,
        dimension: usize,
        rng: &mut dyn RngCore,
    ) -> std::result::Result<Probes<f64>, TraceError>;

    /// The weight w of every form; 1/K, the mean, unless the estimator says otherwise.
    fn weight(&self, count: usize, dimension: usize) -> f64 {
        let _ = dimension;
        1.0 / count.max(1) as f64
    }
}

impl TraceMode {
    /// The number of probes; none where the trace is exact or an own one's.
    pub(crate) fn probes(&self) -> Option<usize> {
        match self {
            Self::Hutchinson { probes, .. } | Self::Bottleneck { probes, .. } => Some(*probes),
            Self::Exact | Self::BottleneckExact | Self::Own(_) | Self::BottleneckOwn(_) => None,
        }
    }

    /// The matrix whose trace is taken.
    pub(crate) fn of(&self) -> TraceOf {
        match self {
            Self::Exact | Self::Hutchinson { .. } | Self::Own(_) => TraceOf::Jacobian,
            Self::BottleneckExact | Self::Bottleneck { .. } | Self::BottleneckOwn(_) => TraceOf::Bottleneck,
        }
    }

    /// The trace for a batch of this many rows of a field's states: unit vectors, or probes from the generator.
    pub(crate) fn form(&self, field: &dyn VectorField, rows: usize, rng: &mut dyn RngCore) -> Result<TraceForm> {
        let of = self.of();
        let shape = match of {
            TraceOf::Jacobian => field.state_shape(),
            TraceOf::Bottleneck => field.bottleneck_shape().unwrap_or_default(),
        };
        let (probes, weight) = self.draw(rows, shape.iter().product(), rng)?;
        let mut stacked = vec![probes.count(), probes.batch()];
        stacked.extend_from_slice(shape);
        let vectors = Tensor::from_slice(probes.vectors(), stacked.as_slice(), &Device::Cpu)?
            .to_dtype(field.dtype())?
            .to_device(field.device())?;
        stacked[1] = rows;
        let vectors = vectors.broadcast_as(stacked)?;
        Ok(TraceForm { vectors, weight, of })
    }

    /// The vectors of all rows, or of one where they are the same for each, and the weight of their forms.
    fn draw(&self, rows: usize, dimension: usize, rng: &mut dyn RngCore) -> Result<(Probes<f64>, f64)> {
        Ok(match self {
            Self::Exact | Self::BottleneckExact => (Probes::unit_vectors(rows.min(1), dimension)?, 1.0),
            Self::Hutchinson { distribution, probes } | Self::Bottleneck { distribution, probes } => {
                let drawn = Probes::draw(*distribution, *probes, rows, dimension, rng)?;
                (drawn, 1.0 / *probes as f64)
            }
            Self::Own(vectors) | Self::BottleneckOwn(vectors) => {
                let drawn = vectors.draw(rows, dimension, rng)?;
                if drawn.batch() != rows || drawn.dimension() != dimension || drawn.count() == 0 {
                    return Err(FlowError::InputShape {
                        what: "stack of an own trace estimator's vectors",
                        given: (drawn.count(), drawn.batch(), drawn.dimension()).into(),
                        expected: format!("[K, {rows}, {dimension}] with at least one vector a row"),
                    });
                }
                let weight = vectors.weight(drawn.count(), dimension);
                (drawn, weight)
            }
        })
    }
}

/// A trace estimate that is a weighted sum of quadratic forms, `tr J ≈ w Σₖ vₖᵀ J vₖ`.
///
/// The vectors are drawn once before a solve and stay fixed for all of it (FFJORD, Algorithm 1).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{TraceForm, TraceOf};
///
/// // The unit vectors of one row in two dimensions give the trace itself.
/// let vectors = Tensor::eye(2, DType::F64, &Device::Cpu)?.reshape((2, 1, 2))?;
/// let form = TraceForm { vectors, weight: 1.0, of: TraceOf::Jacobian };
/// let jacobian = Tensor::new(&[[1.0, 5.0], [-3.0, 2.0]], &Device::Cpu)?;
/// let v = form.vectors.flatten_to(1)?;
/// let forms = (v.matmul(&jacobian.t()?)? * &v)?.sum_all()?.to_scalar::<f64>()?;
/// assert_eq!(form.weight * forms, 3.0);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TraceForm {
    /// `[K, B, …]`; of an exact trace a view of the unit vectors of one row, so that a large batch holds them once: what
    /// reads memory in order calls `contiguous` first.
    pub vectors: Tensor,
    /// The weight w of every form.
    pub weight: f64,
    /// Of which matrix.
    pub of: TraceOf,
}

/// The matrix whose trace is taken.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::TraceOf;
///
/// // A field with a bottleneck of one number: z ↦ h = z₁ + 2 z₂ ↦ (3 h, h).
/// let device = &Device::Cpu;
/// let (to_h, from_h) = (Tensor::new(&[[1.0, 2.0]], device)?, Tensor::new(&[[3.0], [1.0]], device)?);
/// let matrix = |of: TraceOf| match of {
///     TraceOf::Jacobian => from_h.matmul(&to_h),
///     TraceOf::Bottleneck => to_h.matmul(&from_h),
/// };
/// let large = matrix(TraceOf::Jacobian)?.to_vec2::<f64>()?;
/// assert_eq!(large[0][0] + large[1][1], 5.0);
/// assert_eq!(matrix(TraceOf::Bottleneck)?.to_vec2::<f64>()?, [[5.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceOf {
    /// The Jacobian `J` `[D, D]`.
    Jacobian,
    /// `(∂h/∂z)(∂g/∂h)` `[H, H]` of a field `g∘h`, which has the same trace (FFJORD, eq. 9).
    Bottleneck,
}
