//! As many probes as a wanted accuracy takes.

use crate::error::TraceError;
use crate::estimator::{TraceEstimate, TraceEstimator, check_probes, quadratic_forms};
use crate::hutchinson::summarise;
use crate::operator::LinearOperator;
use crate::probe::{ProbeDistribution, Probes};
use crate::scalar::Scalar;
use rand::Rng;

/// The least number of probes whose variance can end a search.
pub(crate) const LEAST_PROBES: usize = 8;

/// Hutchinson's estimate with as many probes as bring every row's standard error below a target.
///
/// From `least` probes on, their number grows by what the variance asks for, at most twofold a time, until no row's
/// standard error is above the target or `most` are used: then the estimate comes back with the variance that it has.
/// All probes are drawn beforehand, so that the same probes give the same estimate; products are only taken with those
/// that are needed.
///
/// Whoever stops as soon as the sample variance is small has picked a small one. Therefore the variance asked for, and
/// reported, is not the sample variance itself but a bound that the true one is below 95 times in 100: 3.2 times it for
/// 8 probes, 1.4 times for 64, 1.2 times for 256. That is what a standard error to rely on costs in further probes.
///
/// ```
/// use ffjord_trace::{AdaptiveHutchinson, DenseOperator, ProbeDistribution, TraceEstimator};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// let operator = DenseOperator::new(2, vec![1.0, 0.8, 0.8, 2.0])?;
/// let estimator = AdaptiveHutchinson {
///     distribution: ProbeDistribution::Rademacher,
///     standard_error: 0.1,
///     least: 8,
///     most: 10_000,
/// };
/// let estimate = estimator.draw_and_estimate(&operator, &mut StdRng::seed_from_u64(0))?;
/// // A single probe has the variance 1.6²: 256 of them would do if that were known; the bound takes some 300.
/// assert!((240..360).contains(&estimate.products));
/// assert!(estimate.standard_error().is_some_and(|standard_error| standard_error[0] <= 0.1));
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveHutchinson {
    /// The distribution of the probes.
    pub distribution: ProbeDistribution,
    /// The standard error aimed at for every row, in units of the trace.
    pub standard_error: f64,
    /// Probes to begin with, at least 8: the variance of fewer is near zero too often to stop by it.
    pub least: usize,
    /// The largest number of probes.
    pub most: usize,
}

impl AdaptiveHutchinson {
    fn check(&self) -> Result<(), TraceError> {
        if !(self.standard_error.is_finite() && self.standard_error > 0.0) {
            return Err(TraceError::Target {
                given: self.standard_error.to_string(),
            });
        }
        let (least, most) = (self.least, self.most);
        if least < LEAST_PROBES || most < least {
            return Err(TraceError::ProbeLimits { least, most });
        }
        Ok(())
    }

    /// How many probes to go on with after an estimate; none when it is good enough or nothing is left.
    fn next(&self, estimate: &TraceEstimate) -> Option<usize> {
        let done = estimate.products;
        let worst = estimate.variance.iter().flatten().copied().fold(0.0, f64::max);
        let ratio = worst / self.standard_error.powi(2);
        if ratio <= 1.0 || done >= self.most {
            return None;
        }
        // Saturates where the variance is infinite.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let wanted = (done as f64 * ratio).ceil() as usize;
        Some(wanted.clamp(done + 1, done.saturating_mul(2)).min(self.most))
    }
}

/// What the sample variance of `count` numbers has to be multiplied by to be a bound that the true one is below 95
/// times in 100: ν over the lower quantile of χ² with `ν = count − 1` degrees of freedom (Wilson, Hilferty 1931).
fn bound(count: usize) -> f64 {
    const Z: f64 = 1.645;
    let part = 2.0 / (9.0 * (count - 1) as f64);
    (1.0 - part - Z * part.sqrt()).powi(3).recip()
}

impl<T: Scalar> TraceEstimator<T> for AdaptiveHutchinson {
    /// The largest number of probes that may be needed.
    ///
    /// # Errors
    /// [`TraceError::Target`] or [`TraceError::ProbeLimits`] when a field is outside its range; otherwise as
    /// [`Probes::draw`].
    fn draw<R: Rng + ?Sized>(&self, batch: usize, dimension: usize, rng: &mut R) -> Result<Probes<T>, TraceError> {
        self.check()?;
        Probes::draw(self.distribution, self.most, batch, dimension, rng)
    }

    fn estimate<A: LinearOperator<T>>(
        &self,
        operator: &A,
        probes: &Probes<T>,
    ) -> Result<TraceEstimate, TraceError<A::Error>> {
        self.check().map_err(TraceError::widen)?;
        check_probes(operator, probes, self.most)?;
        let (batch, dimension) = (operator.batch(), operator.dimension());
        let block = batch * dimension;
        let mut forms = quadratic_forms(operator, &probes.vectors()[..self.least * block])?;
        loop {
            let mut estimate = summarise(self.distribution, &forms, batch, dimension);
            let factor = bound(estimate.products);
            estimate
                .variance
                .iter_mut()
                .flatten()
                .for_each(|variance| *variance *= factor);
            let Some(next) = self.next(&estimate) else {
                return Ok(estimate);
            };
            let more = &probes.vectors()[estimate.products * block..next * block];
            forms.extend(quadratic_forms(operator, more)?);
        }
    }
}
