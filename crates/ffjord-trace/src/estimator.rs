//! Estimates of traces from products.

use crate::error::TraceError;
use crate::operator::LinearOperator;
use crate::probe::Probes;
use crate::scalar::Scalar;
use rand::Rng;

/// Traces of a batch of operators.
///
/// ```
/// use ffjord_trace::{DenseOperator, Hutchinson, ProbeDistribution, TraceEstimator};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// let operator = DenseOperator::new(2, vec![1.0, 0.5, 0.5, 2.0])?;
/// let estimator = Hutchinson { distribution: ProbeDistribution::Gaussian, probes: 100 };
/// let estimate = estimator.draw_and_estimate(&operator, &mut StdRng::seed_from_u64(0))?;
/// let standard_error = estimate.standard_error().expect("more than one probe")[0];
/// assert!((estimate.trace[0] - 3.0).abs() < 4.0 * standard_error);
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TraceEstimate {
    /// The trace of each operator, `[B]`.
    pub trace: Vec<f64>,
    /// The estimated variance of each trace, `[B]`; none where the probes say nothing about it.
    pub variance: Option<Vec<f64>>,
    /// Products with one operator that were taken.
    pub products: usize,
}

impl TraceEstimate {
    /// The standard error of each trace, `[B]`: the root of its variance; none where the probes say nothing about it.
    ///
    /// The trace is within two of them about 95 times in 100 if 20 or more probes or test vectors were used; with n of
    /// them fewer, within as many as Student's distribution with n − 1 degrees of freedom says.
    pub fn standard_error(&self) -> Option<Vec<f64>> {
        let variance = self.variance.as_ref()?;
        Some(variance.iter().map(|variance| variance.sqrt()).collect())
    }
}

/// A way to find traces from products.
///
/// Probes are drawn once and passed in, so that a caller can keep them fixed over many operators: an ODE solver that
/// meets another estimate at each evaluation sees noise where it expects a smooth function.
///
/// An estimator of your own says what it draws and what it makes of that:
///
/// ```
/// use ffjord_trace::{DenseOperator, LinearOperator, Probes, Scalar, TraceError, TraceEstimate, TraceEstimator};
/// use ffjord_trace::{Exact, rand::{Rng, SeedableRng, rngs::StdRng}};
///
/// /// The exact trace plus a share of the identity's, for operators `A + shift · I` of which A is known.
/// struct Shifted { shift: f64 }
///
/// impl<T: Scalar> TraceEstimator<T> for Shifted {
///     fn draw<R: Rng + ?Sized>(&self, batch: usize, dimension: usize, rng: &mut R) -> Result<Probes<T>, TraceError> {
///         Exact.draw(batch, dimension, rng)
///     }
///     fn estimate<A: LinearOperator<T>>(
///         &self, operator: &A, probes: &Probes<T>,
///     ) -> Result<TraceEstimate, TraceError<A::Error>> {
///         let mut estimate = Exact.estimate(operator, probes)?;
///         estimate.trace.iter_mut().for_each(|trace| *trace += self.shift * probes.dimension() as f64);
///         Ok(estimate)
///     }
/// }
///
/// let operator = DenseOperator::new(2, vec![1.0, 0.5, 0.5, 2.0])?;
/// let estimate = Shifted { shift: 0.1 }.draw_and_estimate(&operator, &mut StdRng::seed_from_u64(0))?;
/// assert!((estimate.trace[0] - 3.2).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait TraceEstimator<T: Scalar> {
    /// Draws the probes for `batch` operators of `dimension`.
    ///
    /// # Errors
    /// [`TraceError::Empty`] when a size is 0.
    fn draw<R: Rng + ?Sized>(&self, batch: usize, dimension: usize, rng: &mut R) -> Result<Probes<T>, TraceError>;

    /// The traces of a batch of operators from these probes; the same probes give the same estimate.
    ///
    /// # Errors
    /// [`TraceError::Mismatch`] or [`TraceError::ProbeCount`] when the probes are of another size or number,
    /// [`TraceError::Operator`] when a product fails.
    fn estimate<A: LinearOperator<T>>(
        &self,
        operator: &A,
        probes: &Probes<T>,
    ) -> Result<TraceEstimate, TraceError<A::Error>>;

    /// Draws probes and estimates with them.
    ///
    /// # Errors
    /// As [`TraceEstimator::draw`] and [`TraceEstimator::estimate`].
    fn draw_and_estimate<A: LinearOperator<T>, R: Rng + ?Sized>(
        &self,
        operator: &A,
        rng: &mut R,
    ) -> Result<TraceEstimate, TraceError<A::Error>> {
        let probes = self
            .draw(operator.batch(), operator.dimension(), rng)
            .map_err(TraceError::widen)?;
        self.estimate(operator, &probes)
    }
}

/// An estimator that is a weighted sum of quadratic forms, `Σₖ wₖ vₖᵀ A vₖ`.
///
/// Who has arrays of their own draws the probes here, makes the products there, and needs only the weights.
///
/// ```
/// use ffjord_trace::{Exact, Hutchinson, ProbeDistribution, QuadraticForms};
///
/// assert_eq!((Exact.count(6), Exact.weight(2)), (6, 1.0));
/// let hutchinson = Hutchinson { distribution: ProbeDistribution::Rademacher, probes: 4 };
/// assert_eq!((hutchinson.count(6), hutchinson.weight(2)), (4, 0.25));
/// ```
pub trait QuadraticForms {
    /// The number K of quadratic forms for operators of `dimension`.
    fn count(&self, dimension: usize) -> usize;

    /// The weight of the quadratic form with number `index`, counted from 0.
    fn weight(&self, index: usize) -> f64;
}

/// Fails unless an estimator has as many products as it needs at least.
pub(crate) fn require_products(estimator: &'static str, given: usize, least: usize) -> Result<(), TraceError> {
    if given < least {
        return Err(TraceError::TooFewProducts {
            estimator,
            given,
            least,
        });
    }
    Ok(())
}

/// Fails unless the probes are those of an estimator that draws `needed` for this operator.
pub(crate) fn check_probes<T: Scalar, A: LinearOperator<T>>(
    operator: &A,
    probes: &Probes<T>,
    needed: usize,
) -> Result<(), TraceError<A::Error>> {
    if (probes.batch(), probes.dimension()) != (operator.batch(), operator.dimension()) {
        return Err(TraceError::Mismatch {
            probe_rows: probes.batch(),
            probe_dimension: probes.dimension(),
            rows: operator.batch(),
            dimension: operator.dimension(),
        });
    }
    if probes.count() != needed {
        return Err(TraceError::ProbeCount {
            given: probes.count(),
            needed,
        });
    }
    Ok(())
}

/// The quadratic forms `vᵀ A v` of some vectors `[k, B, D]`: `[k, B]`.
pub(crate) fn quadratic_forms<T: Scalar, A: LinearOperator<T>>(
    operator: &A,
    vectors: &[T],
) -> Result<Vec<f64>, TraceError<A::Error>> {
    let mut products = vec![T::default(); vectors.len()];
    operator.apply(vectors, &mut products).map_err(TraceError::Operator)?;
    let dimension = operator.dimension();
    let pairs = vectors.chunks_exact(dimension).zip(products.chunks_exact(dimension));
    Ok(pairs
        .map(|(v, av)| v.iter().zip(av).map(|(v, av)| v.to_f64() * av.to_f64()).sum())
        .collect())
}

/// The mean of some numbers and the sample variance of that mean; none for a single number.
pub(crate) fn mean_with_variance(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, Option<f64>) {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance =
        (count > 1.0).then(|| values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count * (count - 1.0)));
    (mean, variance)
}

/// Joins means and variances of all rows; the variances are none if a row's is.
pub(crate) fn collect(rows: impl Iterator<Item = (f64, Option<f64>)>, products: usize) -> TraceEstimate {
    let (trace, variances): (Vec<f64>, Vec<Option<f64>>) = rows.unzip();
    TraceEstimate {
        trace,
        variance: variances.into_iter().collect(),
        products,
    }
}
