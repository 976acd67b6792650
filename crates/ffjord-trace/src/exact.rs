//! The exact trace.

use crate::error::TraceError;
use crate::estimator::{QuadraticForms, TraceEstimate, TraceEstimator, check_probes, quadratic_forms};
use crate::operator::LinearOperator;
use crate::probe::Probes;
use crate::scalar::Scalar;
use rand::Rng;

/// `tr A = Σᵢ eᵢᵀ A eᵢ` over the D unit vectors.
///
/// ```
/// use ffjord_trace::{DenseOperator, Exact, Probes, TraceEstimator};
///
/// let operator = DenseOperator::new(2, vec![1.0, 9.0, 9.0, 2.0, -1.0, 9.0, 9.0, 4.0])?;
/// let estimate = Exact.estimate(&operator, &Probes::unit_vectors(2, 2)?)?;
/// assert_eq!(estimate.trace, [3.0, 3.0]);
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exact;

impl<T: Scalar> TraceEstimator<T> for Exact {
    /// The unit vectors; nothing is drawn.
    fn draw<R: Rng + ?Sized>(&self, batch: usize, dimension: usize, _rng: &mut R) -> Result<Probes<T>, TraceError> {
        Probes::unit_vectors(batch, dimension)
    }

    fn estimate<A: LinearOperator<T>>(
        &self,
        operator: &A,
        probes: &Probes<T>,
    ) -> Result<TraceEstimate, TraceError<A::Error>> {
        check_probes(operator, probes, self.count(operator.dimension()))?;
        let forms = quadratic_forms(operator, probes.vectors())?;
        let mut trace = vec![0.0; probes.batch()];
        for row in forms.chunks_exact(probes.batch()) {
            trace.iter_mut().zip(row).for_each(|(sum, form)| *sum += form);
        }
        Ok(TraceEstimate {
            trace,
            variance: Some(vec![0.0; probes.batch()]),
            products: probes.count(),
        })
    }
}

impl QuadraticForms for Exact {
    fn count(&self, dimension: usize) -> usize {
        dimension
    }

    fn weight(&self, _index: usize) -> f64 {
        1.0
    }
}
