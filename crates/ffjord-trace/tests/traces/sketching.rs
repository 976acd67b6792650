//! Hutch++, XTrace, XNysTrace, orthogonal probes and adaptive numbers of probes on matrices with known traces.

use ffjord_trace::{
    AdaptiveHutchinson, DenseOperator, Exact, FunctionOperator, HutchPlusPlus, Hutchinson, LinearOperator,
    ProbeDistribution, Probes, TraceError, TraceEstimate, TraceEstimator, XNysTrace, XTrace, single_probe_variance,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cell::Cell;

const D: usize = 12;
/// Operators of one call: as many independent estimates at once.
const ROWS: usize = 4_000;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// A matrix without any symmetry.
fn matrix() -> Vec<f64> {
    let mut rng = rng(5);
    (0..D * D).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// `C Cᵀ` of rank r, as a batch of one.
fn semi_definite(rank: usize) -> Vec<f64> {
    let mut rng = rng(6);
    let factor: Vec<f64> = (0..D * rank).map(|_| rng.random_range(-1.0..1.0)).collect();
    let rows: Vec<&[f64]> = factor.chunks(rank).collect();
    let entry = |i: usize, j: usize| rows[i].iter().zip(rows[j]).map(|(a, b)| a * b).sum();
    (0..D * D).map(|index| entry(index / D, index % D)).collect()
}

fn trace(matrix: &[f64]) -> f64 {
    matrix.iter().step_by(D + 1).sum()
}

/// The same matrix for every one of many rows: one call gives as many independent estimates.
fn repeated(matrix: &[f64]) -> DenseOperator<f64> {
    DenseOperator::new(D, matrix.repeat(ROWS)).unwrap()
}

fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, square / (count - 1.0))
}

/// Fails unless the estimates are unbiased; the ratio of the mean reported variance to the real one comes back.
fn unbiased(label: &str, estimate: &TraceEstimate, exact: f64) -> f64 {
    let (mean, variance) = mean_and_variance(&estimate.trace);
    let z = (mean - exact) / (variance / ROWS as f64).sqrt();
    assert!(z.abs() < 4.0, "{label}: {mean} against {exact}, z = {z}");
    let reported = estimate.variance.as_ref().unwrap();
    reported.iter().sum::<f64>() / ROWS as f64 / variance
}

#[test]
fn every_estimator_is_unbiased_on_a_matrix_without_symmetry() {
    let (operator, exact) = (repeated(&matrix()), trace(&matrix()));
    let hutch = HutchPlusPlus {
        distribution: ProbeDistribution::Rademacher,
        products: 9,
    };
    let ratio = unbiased(
        "Hutch++",
        &hutch.draw_and_estimate(&operator, &mut rng(1)).unwrap(),
        exact,
    );
    assert!((ratio - 1.0).abs() < 0.1, "Hutch++: {ratio}");
    let estimate = XTrace { products: 10 }
        .draw_and_estimate(&operator, &mut rng(2))
        .unwrap();
    let ratio = unbiased("XTrace", &estimate, exact);
    assert!((0.9..3.0).contains(&ratio), "XTrace: {ratio}");
    assert_eq!(estimate.products, 10);
}

#[test]
fn xnystrace_is_unbiased_on_positive_matrices() {
    let matrix = semi_definite(D);
    let estimate = XNysTrace { products: 5 }
        .draw_and_estimate(&repeated(&matrix), &mut rng(3))
        .unwrap();
    let ratio = unbiased("XNysTrace", &estimate, trace(&matrix));
    assert!((0.9..3.0).contains(&ratio), "{ratio}");
    assert_eq!(estimate.products, 5);
}

#[test]
fn sketching_is_exact_where_few_directions_carry_the_operator() {
    let matrix = semi_definite(3);
    let double = DenseOperator::new(D, matrix.clone()).unwrap();
    let single = DenseOperator::new(D, matrix.iter().map(|&entry| entry as f32).collect()).unwrap();
    let hutch = HutchPlusPlus {
        distribution: ProbeDistribution::Gaussian,
        products: 12,
    };
    let (xtrace, xnys) = (XTrace { products: 10 }, XNysTrace { products: 6 });
    for (name, of_double, of_single) in [
        (
            "Hutch++",
            hutch.draw_and_estimate(&double, &mut rng(4)).unwrap(),
            hutch.draw_and_estimate(&single, &mut rng(4)).unwrap(),
        ),
        (
            "XTrace",
            xtrace.draw_and_estimate(&double, &mut rng(4)).unwrap(),
            xtrace.draw_and_estimate(&single, &mut rng(4)).unwrap(),
        ),
        (
            "XNysTrace",
            xnys.draw_and_estimate(&double, &mut rng(4)).unwrap(),
            xnys.draw_and_estimate(&single, &mut rng(4)).unwrap(),
        ),
    ] {
        let (double, single) = (of_double.trace[0], of_single.trace[0]);
        let exact = trace(&matrix);
        assert!((double - exact).abs() < 1e-9, "{name}: {double} against {exact}");
        // Nyström's shift in single precision is some 1e-5 of the operator in each of the D directions.
        assert!(
            (single - exact).abs() < 5e-4 * exact,
            "{name}: {single} against {exact}"
        );
    }
}

#[test]
fn as_many_test_vectors_as_directions_are_enough_and_more_are_not_drawn() {
    let operator = DenseOperator::new(D, matrix()).unwrap();
    let estimate = XTrace { products: 10 * D }
        .draw_and_estimate(&operator, &mut rng(0))
        .unwrap();
    assert_eq!(estimate.products, 2 * D);
    let hutch = HutchPlusPlus {
        distribution: ProbeDistribution::Sphere,
        products: 4 * D,
    };
    let estimate = hutch.draw_and_estimate(&operator, &mut rng(0)).unwrap();
    assert!((estimate.trace[0] - trace(&matrix())).abs() < 1e-10, "{estimate:?}");
    let zero = DenseOperator::new(D, vec![0.0; D * D]).unwrap();
    for estimate in [
        XTrace { products: 6 }.draw_and_estimate(&zero, &mut rng(0)).unwrap(),
        XNysTrace { products: 6 }.draw_and_estimate(&zero, &mut rng(0)).unwrap(),
    ] {
        assert_eq!((estimate.trace[0], estimate.variance), (0.0, Some(vec![0.0])));
    }
}

#[test]
fn orthogonal_probes_have_the_variance_of_their_formula_and_are_exact_when_complete() {
    let (matrix, exact) = (matrix(), trace(&matrix()));
    let single = single_probe_variance(ProbeDistribution::Orthogonal, D, &matrix).unwrap();
    for probes in [2, 4, 11] {
        let estimator = Hutchinson {
            distribution: ProbeDistribution::Orthogonal,
            probes,
        };
        let estimate = estimator.draw_and_estimate(&repeated(&matrix), &mut rng(7)).unwrap();
        let ratio = unbiased("orthogonal", &estimate, exact);
        assert!((ratio - 1.0).abs() < 0.1, "{probes}: {ratio}");
        let (_, variance) = mean_and_variance(&estimate.trace);
        let expected = single / probes as f64 * (D - probes) as f64 / (D - 1) as f64;
        assert!(
            (variance / expected - 1.0).abs() < 0.1,
            "{probes}: {variance} against {expected}"
        );
    }
    let complete = Hutchinson {
        distribution: ProbeDistribution::Orthogonal,
        probes: D,
    };
    let operator = DenseOperator::new(D, matrix).unwrap();
    let estimate = complete.draw_and_estimate(&operator, &mut rng(8)).unwrap();
    assert!((estimate.trace[0] - exact).abs() < 1e-12, "{estimate:?}");
    assert_eq!(estimate.variance, Some(vec![0.0]));
    let refused = Probes::<f64>::draw(ProbeDistribution::Orthogonal, D + 1, 1, D, &mut rng(0));
    assert!(matches!(
        refused,
        Err(TraceError::TooManyOrthogonal {
            count: 13,
            dimension: D
        })
    ));
}

#[test]
fn antithetic_probes_add_nothing() {
    let operator = DenseOperator::new(D, matrix()).unwrap();
    let probes = Probes::<f64>::draw(ProbeDistribution::Gaussian, 3, 1, D, &mut rng(9)).unwrap();
    let negative = probes.vectors().iter().map(|entry| -entry).collect();
    let negative = Probes::from_vectors(3, 1, D, negative).unwrap();
    let estimator = Hutchinson {
        distribution: ProbeDistribution::Gaussian,
        probes: 3,
    };
    assert_eq!(
        estimator.estimate(&operator, &probes),
        estimator.estimate(&operator, &negative)
    );
}

#[test]
fn probes_are_added_until_every_row_meets_the_target() {
    let (small, large) = (matrix(), matrix().iter().map(|entry| 3.0 * entry).collect::<Vec<f64>>());
    let matrices = [small.as_slice(), &large].concat();
    let dense = DenseOperator::new(D, matrices).unwrap();
    let taken = Cell::new(0);
    let counted = FunctionOperator::new(2, D, |vectors: &[f64], products: &mut [f64]| {
        taken.set(taken.get() + vectors.len() / (2 * D));
        dense.apply(vectors, products).unwrap();
    });
    let estimator = |standard_error| AdaptiveHutchinson {
        distribution: ProbeDistribution::Rademacher,
        standard_error,
        least: 8,
        most: 4_000,
    };
    let variance = single_probe_variance(ProbeDistribution::Rademacher, D, &large).unwrap();
    let estimate = estimator(0.5).draw_and_estimate(&counted, &mut rng(10)).unwrap();
    assert_eq!(estimate.products, taken.get());
    let expected = variance / 0.25;
    let ratio = estimate.products as f64 / expected;
    assert!((0.7..1.4).contains(&ratio), "{} against {expected}", estimate.products);
    assert!(estimate.variance.unwrap().iter().all(|variance| *variance <= 0.25));

    // What the budget does not reach comes back with the variance that it has.
    let estimate = estimator(0.01).draw_and_estimate(&counted, &mut rng(10)).unwrap();
    assert_eq!(estimate.products, 4_000);
    assert!(estimate.variance.unwrap()[1] > 1e-4);
    // A diagonal operator needs no more than the first probes.
    let identity = FunctionOperator::new(1, D, |v: &[f64], out: &mut [f64]| out.copy_from_slice(v));
    let estimate = estimator(0.01).draw_and_estimate(&identity, &mut rng(10)).unwrap();
    assert_eq!((estimate.products, estimate.trace[0]), (8, D as f64));
}

#[test]
fn settings_and_operators_that_do_not_fit_are_refused() {
    let operator = DenseOperator::new(D, matrix()).unwrap();
    let hutch = HutchPlusPlus {
        distribution: ProbeDistribution::Gaussian,
        products: 2,
    };
    assert!(matches!(
        hutch.draw_and_estimate(&operator, &mut rng(0)),
        Err(TraceError::TooFewProducts { least: 3, .. })
    ));
    assert!(matches!(
        XTrace { products: 1 }.draw_and_estimate(&operator, &mut rng(0)),
        Err(TraceError::TooFewProducts { least: 2, .. })
    ));
    assert!(matches!(
        XNysTrace { products: 0 }.draw_and_estimate(&operator, &mut rng(0)),
        Err(TraceError::TooFewProducts { least: 1, .. })
    ));
    let negative = FunctionOperator::new(2, D, |v: &[f64], out: &mut [f64]| {
        out.iter_mut().zip(v).for_each(|(out, v)| *out = -v);
    });
    for outcome in [
        XNysTrace { products: 4 }.draw_and_estimate(&operator, &mut rng(0)),
        XNysTrace { products: 4 }.draw_and_estimate(&negative, &mut rng(0)),
    ] {
        assert_eq!(outcome, Err(TraceError::NotPositive { row: 0 }));
    }
    let adaptive = |standard_error, least, most| AdaptiveHutchinson {
        distribution: ProbeDistribution::Sphere,
        standard_error,
        least,
        most,
    };
    for standard_error in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let outcome = adaptive(standard_error, 8, 16).draw_and_estimate(&operator, &mut rng(0));
        assert!(matches!(outcome, Err(TraceError::Target { .. })));
    }
    for (least, most) in [(2, 16), (7, 8), (8, 7)] {
        let outcome = adaptive(0.1, least, most).draw_and_estimate(&operator, &mut rng(0));
        assert!(matches!(outcome, Err(TraceError::ProbeLimits { .. })));
    }
    // Probes of another estimator are not taken for its own.
    let units = Probes::unit_vectors(1, D).unwrap();
    assert!(matches!(
        XTrace { products: 6 }.estimate(&operator, &units),
        Err(TraceError::ProbeCount { given: D, needed: 3 })
    ));
    assert_eq!(Exact.estimate(&operator, &units).unwrap().products, D);
}

#[test]
fn nan_stays_nan() {
    let operator = DenseOperator::new(D, vec![f64::NAN; D * D]).unwrap();
    let estimate = XTrace { products: 6 }
        .draw_and_estimate(&operator, &mut rng(0))
        .unwrap();
    assert!(estimate.trace[0].is_nan(), "{estimate:?}");
    let hutch = HutchPlusPlus {
        distribution: ProbeDistribution::Gaussian,
        products: 6,
    };
    assert!(hutch.draw_and_estimate(&operator, &mut rng(0)).unwrap().trace[0].is_nan());
    let outcome = XNysTrace { products: 4 }.draw_and_estimate(&operator, &mut rng(0));
    assert_eq!(outcome, Err(TraceError::NotPositive { row: 0 }));
}
