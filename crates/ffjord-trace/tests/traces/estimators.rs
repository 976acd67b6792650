//! Exactness, unbiasedness, variance and determinism on known matrices.

use ffjord_trace::{
    AdaptiveHutchinson, DenseOperator, Exact, FunctionOperator, HutchPlusPlus, Hutchinson, LinearOperator,
    ProbeDistribution, Probes, TraceError, TraceEstimate, TraceEstimator, XNysTrace, XTrace, single_probe_variance,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const D: usize = 7;
const INDEPENDENT: [ProbeDistribution; 3] = [
    ProbeDistribution::Rademacher,
    ProbeDistribution::Gaussian,
    ProbeDistribution::Sphere,
];

fn matrices(batch: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    (0..batch * D * D).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn trace(matrix: &[f64]) -> f64 {
    (0..D).map(|i| matrix[i * D + i]).sum()
}

#[test]
fn unit_vectors_give_the_exact_trace_in_both_precisions() -> Result<(), TraceError> {
    let double = DenseOperator::new(D, matrices(3))?;
    let single = DenseOperator::new(D, matrices(3).iter().map(|&entry| entry as f32).collect())?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let estimate = Exact.draw_and_estimate(&double, &mut rng)?;
    let rounded = Exact.draw_and_estimate(&single, &mut rng)?;
    for (row, matrix) in double.matrices().enumerate() {
        assert!((estimate.trace[row] - trace(matrix)).abs() < 1e-14);
        assert!((rounded.trace[row] - trace(matrix)).abs() < 1e-6);
    }
    assert_eq!((estimate.products, estimate.variance), (D, Some(vec![0.0; 3])));
    Ok(())
}

#[test]
fn every_distribution_is_unbiased_with_the_variance_of_its_formula() -> Result<(), TraceError> {
    let matrix = matrices(1);
    let operator = DenseOperator::new(D, matrix.clone())?;
    let probes = 40_000;
    for distribution in INDEPENDENT {
        let mut rng = ChaCha8Rng::seed_from_u64(17);
        let estimate = Hutchinson { distribution, probes }.draw_and_estimate(&operator, &mut rng)?;
        let expected = single_probe_variance(distribution, D, &matrix)?;
        let z = (estimate.trace[0] - trace(&matrix)) / (expected / probes as f64).sqrt();
        assert!(z.abs() < 4.0, "{distribution}: z = {z}");
        let sampled = estimate
            .variance
            .map_or(f64::NAN, |variance| variance[0] * probes as f64);
        assert!(
            (sampled / expected - 1.0).abs() < 0.05,
            "{distribution}: variance {sampled} against {expected}"
        );
    }
    Ok(())
}

#[test]
fn probes_have_mean_zero_and_unit_covariance() -> Result<(), TraceError> {
    for distribution in INDEPENDENT {
        let count = 40_000;
        let mut rng = ChaCha8Rng::seed_from_u64(23);
        let probes = Probes::<f64>::draw(distribution, count, 1, 3, &mut rng)?;
        for i in 0..3 {
            for j in 0..=i {
                let covariance: f64 = probes.vectors().chunks_exact(3).map(|v| v[i] * v[j]).sum::<f64>() / count as f64;
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!(
                    (covariance - expected).abs() < 0.03,
                    "{distribution}: covariance {i}{j} is {covariance}"
                );
            }
        }
        if distribution == ProbeDistribution::Sphere {
            assert!(
                probes
                    .vectors()
                    .chunks_exact(3)
                    .all(|v| (v.iter().map(|x| x * x).sum::<f64>() - 3.0).abs() < 1e-12)
            );
        }
    }
    Ok(())
}

#[test]
fn fixed_probes_give_the_same_estimate_and_seeds_the_same_probes() -> Result<(), TraceError> {
    let operator = DenseOperator::new(D, matrices(2))?;
    let estimator = Hutchinson {
        distribution: ProbeDistribution::Gaussian,
        probes: 3,
    };
    let draw = |seed| -> Result<Probes<f64>, TraceError> { estimator.draw(2, D, &mut ChaCha8Rng::seed_from_u64(seed)) };
    assert_eq!(draw(1)?, draw(1)?);
    assert_ne!(draw(1)?, draw(2)?);
    let probes = draw(1)?;
    assert_eq!(
        estimator.estimate(&operator, &probes)?,
        estimator.estimate(&operator, &probes)?
    );
    Ok(())
}

#[test]
fn one_probe_has_no_variance_to_report() -> Result<(), TraceError> {
    let operator = DenseOperator::new(D, matrices(2))?;
    let estimator = Hutchinson {
        distribution: ProbeDistribution::Sphere,
        probes: 1,
    };
    let estimate = estimator.draw_and_estimate(&operator, &mut ChaCha8Rng::seed_from_u64(0))?;
    assert_eq!((estimate.variance, estimate.products), (None, 1));
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<(), TraceError> {
    let operator = DenseOperator::new(D, matrices(2))?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let none = Hutchinson {
        distribution: ProbeDistribution::Rademacher,
        probes: 0,
    };
    assert!(matches!(
        none.draw_and_estimate(&operator, &mut rng),
        Err(TraceError::Empty { .. })
    ));
    let probes = Probes::<f64>::draw(ProbeDistribution::Rademacher, 1, 3, D, &mut rng)?;
    assert!(matches!(
        Exact.estimate(&operator, &probes),
        Err(TraceError::Mismatch { .. })
    ));
    // Probes of the right shape but another number: a random quadratic form must not pass for the exact trace.
    let one = Probes::<f64>::draw(ProbeDistribution::Rademacher, 1, 2, D, &mut rng)?;
    assert!(matches!(
        Exact.estimate(&operator, &one),
        Err(TraceError::ProbeCount { given: 1, needed: D })
    ));
    assert!(matches!(
        Probes::<f64>::draw(ProbeDistribution::Rademacher, usize::MAX, 2, 2, &mut rng),
        Err(TraceError::TooLarge { .. })
    ));
    assert!(matches!(
        DenseOperator::new(usize::MAX, vec![1.0]),
        Err(TraceError::Shape { .. })
    ));
    assert!(matches!(
        Probes::<f32>::unit_vectors(0, 4),
        Err(TraceError::Empty { .. })
    ));
    assert!(matches!(
        Probes::from_vectors(1, 2, 3, vec![0.0; 5]),
        Err(TraceError::Shape { .. })
    ));
    assert!(matches!(
        DenseOperator::new(2, vec![1.0; 6]),
        Err(TraceError::Shape { .. })
    ));
    assert!(matches!(
        DenseOperator::<f64>::new(0, Vec::new()),
        Err(TraceError::Empty { .. })
    ));
    assert!("uniform".parse::<ProbeDistribution>().is_err());
    Ok(())
}

#[test]
fn an_operators_own_error_is_passed_on() {
    struct Broken;
    impl LinearOperator<f64> for Broken {
        type Error = std::fmt::Error;
        fn batch(&self) -> usize {
            1
        }
        fn dimension(&self) -> usize {
            1
        }
        fn apply(&self, _: &[f64], _: &mut [f64]) -> Result<(), std::fmt::Error> {
            Err(std::fmt::Error)
        }
    }
    let outcome = Exact.draw_and_estimate(&Broken, &mut ChaCha8Rng::seed_from_u64(0));
    assert_eq!(outcome, Err(TraceError::Operator(std::fmt::Error)));
}

#[test]
fn closures_are_operators() -> Result<(), TraceError> {
    let operator = FunctionOperator::new(1, 3, |v: &[f32], out: &mut [f32]| {
        out.iter_mut()
            .zip(v)
            .enumerate()
            .for_each(|(i, (out, v))| *out = v * (i % 3) as f32);
    });
    assert_eq!(
        Exact
            .draw_and_estimate(&operator, &mut ChaCha8Rng::seed_from_u64(0))?
            .trace,
        [3.0]
    );
    Ok(())
}

#[test]
fn products_give_back_the_entries_of_a_batch() -> Result<(), TraceError> {
    let operator = DenseOperator::new(D, matrices(3))?;
    assert_eq!(DenseOperator::from_products(&operator)?, operator);
    Ok(())
}

#[test]
fn reported_variance_is_the_sample_variance_over_probes() -> Result<(), TraceError> {
    // The one-dimensional identity: the quadratic forms are the squares 1, 4 and 9.
    let operator = DenseOperator::new(1, vec![1.0])?;
    let probes = Probes::from_vectors(3, 1, 1, vec![1.0, -2.0, 3.0])?;
    let estimator = Hutchinson {
        distribution: ProbeDistribution::Gaussian,
        probes: 3,
    };
    let estimate = estimator.estimate(&operator, &probes)?;
    let mean = 14.0 / 3.0;
    let sample_variance = [1.0f64, 4.0, 9.0].map(|form| (form - mean).powi(2)).iter().sum::<f64>() / 2.0;
    assert!((estimate.trace[0] - mean).abs() < 1e-14);
    assert!((estimate.variance.map_or(f64::NAN, |variance| variance[0]) - sample_variance / 3.0).abs() < 1e-13);
    Ok(())
}

#[test]
fn public_types_cross_threads_and_show_themselves() {
    fn asserted<T: Send + Sync + std::fmt::Debug + 'static>() {}
    asserted::<Exact>();
    asserted::<Hutchinson>();
    asserted::<AdaptiveHutchinson>();
    asserted::<HutchPlusPlus>();
    asserted::<XTrace>();
    asserted::<XNysTrace>();
    asserted::<ProbeDistribution>();
    asserted::<Probes<f32>>();
    asserted::<TraceEstimate>();
    asserted::<DenseOperator<f64>>();
    asserted::<TraceError<std::fmt::Error>>();
    let operator = FunctionOperator::new(1, 3, |_: &[f32], _: &mut [f32]| ());
    assert_eq!(
        format!("{operator:?}"),
        "FunctionOperator { batch: 1, dimension: 3, .. }"
    );
}
