//! The exact trace.

use crate::error::TraceError;
use crate::estimator::{TraceEstimate, TraceEstimator, quadratic_forms};
use crate::operator::LinearOperator;
use crate::probe::Probes;
use crate::scalar::Scalar;
use rand::Rng;

/// `tr A = Σᵢ eᵢᵀ A eᵢ` over the D unit vectors.
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
        let forms = quadratic_forms(operator, probes)?;
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
