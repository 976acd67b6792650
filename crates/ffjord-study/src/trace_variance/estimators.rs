//! Every estimator at every cost, measured against the exact trace.

use super::Matrices;
use crate::error::Result;
use ffjord_trace::{
    AdaptiveHutchinson, Exact, HutchPlusPlus, Hutchinson, LinearOperator, ProbeDistribution, Probes, TraceError,
    TraceEstimate, TraceEstimator, XNysTrace, XTrace,
};
use ffjord_train::{Purpose, Streams};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Products that estimators are given, as far as they are of use in the dimension.
const COSTS: [usize; 13] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96];
/// Standard errors that the adaptive estimator is given, as fractions of the exact traces' root mean square.
const TARGETS: [f64; 2] = [0.5, 0.1];
const LEAST_PROBES: usize = 8;
const MOST_PROBES: usize = 512;

/// What one estimator was measured to do at one cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// The estimator.
    pub estimator: String,
    /// The matrix whose trace is taken: `jacobian` or `bottleneck`.
    pub of: &'static str,
    /// Products with one matrix, the mean over calls.
    pub products: f64,
    /// Mean square of the difference from the exact trace, over matrices and repetitions.
    pub variance: Option<f64>,
    /// Mean of the variance that the estimator reports itself; none where it reports none.
    pub reported: Option<f64>,
    /// Why there are no numbers.
    pub refusal: Option<String>,
}

type Call = Box<dyn Fn(&Matrices, &mut ChaCha8Rng) -> Result<TraceEstimate, TraceError>>;

/// An estimator with its settings.
struct Candidate {
    name: String,
    call: Call,
}

impl Candidate {
    fn new(name: impl Into<String>, estimator: impl TraceEstimator<f64> + 'static) -> Self {
        Self {
            name: name.into(),
            call: Box::new(move |matrices, rng| estimator.draw_and_estimate(matrices, rng)),
        }
    }
}

/// Measures every estimator on the matrices, with `repetitions` independent draws each.
///
/// # Errors
/// When the exact traces cannot be found.
pub fn measure(matrices: &Matrices, of: &'static str, repetitions: usize, streams: &Streams) -> Result<Vec<Measured>> {
    let units = Probes::unit_vectors(matrices.batch(), matrices.dimension())?;
    let exact = Exact.estimate(matrices, &units)?.trace;
    let scale = (exact.iter().map(|trace| trace * trace).sum::<f64>() / exact.len() as f64).sqrt();
    Ok(candidates(matrices.dimension(), scale)
        .into_iter()
        .enumerate()
        .map(|(index, candidate)| {
            let mut rng = streams.rng(Purpose::Probe, index as u64, 0);
            take(&candidate, matrices, &exact, of, repetitions, &mut rng)
        })
        .collect())
}

fn candidates(dimension: usize, scale: f64) -> Vec<Candidate> {
    let mut candidates = vec![Candidate::new("exact", Exact)];
    let costs = || COSTS.into_iter().filter(|cost| *cost <= 2 * dimension);
    for distribution in ProbeDistribution::ALL {
        let few = |cost: &usize| *cost <= dimension;
        candidates.extend(costs().filter(few).map(|probes| {
            Candidate::new(
                format!("hutchinson, {distribution}"),
                Hutchinson { distribution, probes },
            )
        }));
    }
    let distribution = ProbeDistribution::Rademacher;
    candidates.extend(
        costs()
            .filter(|cost| *cost >= 3)
            .map(|products| Candidate::new("hutch++", HutchPlusPlus { distribution, products })),
    );
    let even = |cost: &usize| cost.is_multiple_of(2);
    candidates.extend(
        costs()
            .filter(even)
            .map(|products| Candidate::new("xtrace", XTrace { products })),
    );
    candidates.push(Candidate::new(
        "xnystrace",
        XNysTrace {
            products: dimension.div_ceil(2),
        },
    ));
    candidates.extend(TARGETS.into_iter().map(|target| {
        Candidate::new(
            format!("adaptive to {:.0} %", 100.0 * target),
            AdaptiveHutchinson {
                distribution,
                // Traces that all are 0 need no probes; the target must only be one.
                standard_error: (target * scale).max(f64::MIN_POSITIVE.sqrt()),
                least: LEAST_PROBES,
                most: MOST_PROBES,
            },
        )
    }));
    candidates
}

fn take(
    candidate: &Candidate,
    matrices: &Matrices,
    exact: &[f64],
    of: &'static str,
    repetitions: usize,
    rng: &mut ChaCha8Rng,
) -> Measured {
    let (mut products, mut square) = (0.0, 0.0);
    let mut reported = Some(0.0);
    for _ in 0..repetitions {
        let estimate = match (candidate.call)(matrices, rng) {
            Ok(estimate) => estimate,
            Err(error) => {
                return Measured {
                    estimator: candidate.name.clone(),
                    of,
                    products: f64::NAN,
                    variance: None,
                    reported: None,
                    refusal: Some(error.to_string()),
                };
            }
        };
        products += estimate.products as f64;
        let errors = estimate
            .trace
            .iter()
            .zip(exact)
            .map(|(trace, exact)| (trace - exact).powi(2));
        square += errors.sum::<f64>() / exact.len() as f64;
        let own = estimate
            .variance
            .map(|own| own.iter().sum::<f64>() / exact.len() as f64);
        reported = reported.zip(own).map(|(sum, own)| sum + own);
    }
    let mean = |sum: f64| sum / repetitions as f64;
    Measured {
        estimator: candidate.name.clone(),
        of,
        products: mean(products),
        variance: Some(mean(square)),
        reported: reported.map(mean),
        refusal: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ffjord_trace::DenseOperator;

    #[test]
    fn measured_variances_are_those_of_the_formula() -> Result<()> {
        let matrix = vec![1.0, 2.0, 0.5, -1.0, 3.0, 0.0, 0.25, 1.0, -2.0];
        let matrices = DenseOperator::new(3, matrix.repeat(50))?;
        let measured = measure(&matrices, "jacobian", 200, &Streams::new(1))?;
        let of = |name: &str, products: f64| -> Option<f64> {
            let found = measured
                .iter()
                .find(|one| one.estimator == name && one.products == products);
            found.and_then(|one| one.variance)
        };
        assert_eq!(of("exact", 3.0), Some(0.0));
        for distribution in ProbeDistribution::ALL {
            let expected = ffjord_trace::single_probe_variance(distribution, 3, &matrix)?;
            let one = of(&format!("hutchinson, {distribution}"), 1.0).unwrap_or(f64::NAN);
            assert!(
                (one / expected - 1.0).abs() < 0.1,
                "{distribution}: {one} against {expected}"
            );
        }
        // D orthogonal probes are exact, and so is a sketch of D vectors.
        assert!(of("hutchinson, orthogonal", 3.0).is_some_and(|variance| variance < 1e-20));
        // A matrix that is not positive semi-definite is none for XNysTrace.
        let refused = measured.iter().find(|one| one.estimator == "xnystrace");
        assert!(refused.is_some_and(|one| one.refusal.is_some()));
        Ok(())
    }
}
