//! Hutchinson's estimator and its variance.

use crate::error::TraceError;
use crate::estimator::{
    QuadraticForms, TraceEstimate, TraceEstimator, check_probes, collect, mean_with_variance, quadratic_forms,
};
use crate::operator::LinearOperator;
use crate::probe::{ProbeDistribution, Probes};
use crate::scalar::Scalar;
use rand::Rng;

/// `tr A ≈ 1/K Σₖ εₖᵀ A εₖ` with K probes (Hutchinson 1990; FFJORD, eq. 7).
///
/// Antithetic probes, ε with −ε, do nothing here: `(−ε)ᵀ A (−ε)` is the same number, so the second half of the products
/// would be wasted. What reduces the variance at the same cost are [orthogonal](ProbeDistribution::Orthogonal) probes.
///
/// ```
/// use ffjord_trace::{DenseOperator, Hutchinson, ProbeDistribution, TraceEstimator};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// let operator = DenseOperator::new(2, vec![1.0, 0.5, -0.5, 2.0])?;
/// let estimator = Hutchinson { distribution: ProbeDistribution::Rademacher, probes: 4 };
/// let mut rng = StdRng::seed_from_u64(0);
/// let estimate = estimator.draw_and_estimate(&operator, &mut rng)?;
/// // Signs see the diagonal exactly; what is off it cancels here, since the operator's symmetric part is diagonal.
/// assert_eq!(estimate.trace, [3.0]);
/// assert_eq!(estimate.variance, Some(vec![0.0]));
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hutchinson {
    /// The distribution of the probes.
    pub distribution: ProbeDistribution,
    /// The number K of probes for each operator, at least 1.
    pub probes: usize,
}

impl<T: Scalar> TraceEstimator<T> for Hutchinson {
    fn draw<R: Rng + ?Sized>(&self, batch: usize, dimension: usize, rng: &mut R) -> Result<Probes<T>, TraceError> {
        Probes::draw(self.distribution, self.probes, batch, dimension, rng)
    }

    /// The mean of the quadratic forms; with two probes or more, the sample variance of that mean.
    fn estimate<A: LinearOperator<T>>(
        &self,
        operator: &A,
        probes: &Probes<T>,
    ) -> Result<TraceEstimate, TraceError<A::Error>> {
        check_probes(operator, probes, self.probes)?;
        let forms = quadratic_forms(operator, probes.vectors())?;
        Ok(summarise(
            self.distribution,
            &forms,
            operator.batch(),
            operator.dimension(),
        ))
    }
}

/// Mean and variance over the quadratic forms `[k, B]` of each row's probes.
pub(crate) fn summarise(
    distribution: ProbeDistribution,
    forms: &[f64],
    batch: usize,
    dimension: usize,
) -> TraceEstimate {
    let count = forms.len() / batch;
    // Orthogonal probes are drawn without replacement from D directions: the variance of a finite population.
    let correction = match distribution {
        ProbeDistribution::Orthogonal => 1.0 - count as f64 / dimension as f64,
        _ => 1.0,
    };
    let of_row = |row: usize| mean_with_variance((0..count).map(move |probe| forms[probe * batch + row]));
    let rows = (0..batch).map(of_row);
    collect(
        rows.map(|(mean, variance)| (mean, variance.map(|variance| variance * correction))),
        count,
    )
}

impl QuadraticForms for Hutchinson {
    fn count(&self, _dimension: usize) -> usize {
        self.probes
    }

    fn weight(&self, _index: usize) -> f64 {
        1.0 / self.probes as f64
    }
}

/// The variance of `εᵀ A ε` for one probe ε and a row-major matrix A `[D, D]`.
///
/// With `S = (A + Aᵀ)/2`: Gaussian `2‖S‖_F²`; Rademacher `2(‖S‖_F² − Σ sᵢᵢ²)`; sphere
/// `2D/(D + 2) · (‖S‖_F² − (tr S)²/D)` (Epperly, Tropp, Webber 2024, table 2), also for a single one of orthogonal
/// probes. The mean of K independent probes has a K-th of it, that of K orthogonal ones `(D − K)/(D − 1)` of that.
///
/// # Errors
/// [`TraceError::Shape`] when the matrix does not have D² entries.
///
/// ```
/// use ffjord_trace::{ProbeDistribution, single_probe_variance};
/// let swap = [0.0, 1.0, 1.0, 0.0];
/// assert_eq!(single_probe_variance(ProbeDistribution::Rademacher, 2, &swap)?, 4.0);
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
pub fn single_probe_variance(
    distribution: ProbeDistribution,
    dimension: usize,
    matrix: &[f64],
) -> Result<f64, TraceError> {
    if dimension == 0 || dimension.checked_mul(dimension) != Some(matrix.len()) {
        return Err(TraceError::Shape {
            given: matrix.len(),
            count: dimension,
            batch: 1,
            dimension,
        });
    }
    let entry = |i: usize, j: usize| 0.5 * (matrix[i * dimension + j] + matrix[j * dimension + i]);
    let square: f64 = (0..dimension)
        .flat_map(|i| (0..dimension).map(move |j| (i, j)))
        .map(|(i, j)| entry(i, j).powi(2))
        .sum();
    let diagonal = || (0..dimension).map(|i| entry(i, i));
    Ok(match distribution {
        ProbeDistribution::Gaussian => 2.0 * square,
        ProbeDistribution::Rademacher => 2.0 * (square - diagonal().map(|d| d * d).sum::<f64>()),
        ProbeDistribution::Sphere | ProbeDistribution::Orthogonal => {
            let d = dimension as f64;
            2.0 * d / (d + 2.0) * (square - diagonal().sum::<f64>().powi(2) / d)
        }
    })
}
