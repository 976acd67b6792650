//! Whether standard errors are what they say: two of them cover the trace 95 times in 100.

use ffjord_trace::{
    AdaptiveHutchinson, FunctionOperator, LinearOperator, ProbeDistribution, TraceEstimate, TraceEstimator, XNysTrace,
    XTrace,
    rand::{SeedableRng, rngs::StdRng},
};

const D: usize = 100;
/// Rows of one call, all with the same operator: as many independent estimates.
const ROWS: usize = 400;
/// 400 rows of which 95 % are covered show fewer than this one time in 10,000.
const COVERED: f64 = 0.91;

type Spectrum = fn(f64) -> f64;

/// From hardly any decay to a fast one, and a step that no sketch of 20 vectors sees the end of.
const SPECTRA: [(&str, Spectrum); 6] = [
    ("1 to 1.01", |i| 1.0 + 0.01 * i / D as f64),
    ("1 to 3", |i| 1.0 + 2.0 * i / D as f64),
    ("1/i", |i| 1.0 / (i + 1.0)),
    ("0.9^i", |i| 0.9_f64.powf(i)),
    ("0.7^i", |i| 0.7_f64.powf(i)),
    ("30 of 1", |i| if i < 30.0 { 1.0 } else { 1e-3 }),
];

/// The diagonal operator; test vectors on the sphere see no difference between it and its rotations.
fn operator(rows: usize, eigenvalues: &[f64]) -> impl LinearOperator<f64> {
    FunctionOperator::new(rows, D, |vectors: &[f64], products: &mut [f64]| {
        for (product, (vector, eigenvalue)) in products.iter_mut().zip(vectors.iter().zip(eigenvalues.iter().cycle())) {
            *product = eigenvalue * vector;
        }
    })
}

/// The share of rows within two standard errors of the trace, and the root mean squares of the standard errors and of
/// the errors.
fn covered(estimate: &TraceEstimate, exact: f64) -> (f64, f64, f64) {
    let standard_errors = estimate.standard_error().unwrap();
    let errors: Vec<f64> = estimate.trace.iter().map(|trace| trace - exact).collect();
    let within = errors
        .iter()
        .zip(&standard_errors)
        .filter(|(error, standard)| error.abs() <= 2.0 * *standard);
    let share = within.count() as f64 / ROWS as f64;
    let root_mean_square = |values: &[f64]| (values.iter().map(|x| x * x).sum::<f64>() / ROWS as f64).sqrt();
    (share, root_mean_square(&standard_errors), root_mean_square(&errors))
}

#[test]
fn two_standard_errors_of_sketching_cover_the_trace() {
    for (index, (name, spectrum)) in SPECTRA.into_iter().enumerate() {
        let eigenvalues: Vec<f64> = (0..D).map(|i| spectrum(i as f64)).collect();
        let exact: f64 = eigenvalues.iter().sum();
        let (operator, mut rng) = (operator(ROWS, &eigenvalues), StdRng::seed_from_u64(index as u64));
        for (estimator, estimate) in [
            ("XTrace", XTrace { products: 40 }.draw_and_estimate(&operator, &mut rng)),
            (
                "XNysTrace",
                XNysTrace { products: 20 }.draw_and_estimate(&operator, &mut rng),
            ),
        ] {
            let (share, reported, observed) = covered(&estimate.unwrap(), exact);
            println!(
                "{estimator}, {name}: {share} covered, {:.2} reported over observed",
                reported / observed
            );
            assert!(share >= COVERED, "{estimator}, {name}: {share}");
            assert!(
                (0.95..8.0).contains(&(reported / observed)),
                "{estimator}, {name}: {reported} for {observed}"
            );
        }
    }
}

/// Many estimates of one row each: a call stops when the worst of its rows meets the target.
fn adaptive(estimator: &AdaptiveHutchinson, eigenvalues: &[f64], seed: u64) -> TraceEstimate {
    let (operator, mut rng) = (operator(1, eigenvalues), StdRng::seed_from_u64(seed));
    let mut all = estimator.draw_and_estimate(&operator, &mut rng).unwrap();
    for _ in 1..ROWS {
        let next = estimator.draw_and_estimate(&operator, &mut rng).unwrap();
        all.trace.extend(next.trace);
        all.variance.as_mut().unwrap().extend(next.variance.unwrap());
    }
    all
}

#[test]
fn stopping_at_a_standard_error_does_not_make_it_too_small() {
    for (index, (name, spectrum)) in SPECTRA.into_iter().enumerate() {
        let eigenvalues: Vec<f64> = (0..D).map(|i| spectrum(i as f64)).collect();
        let (exact, square): (f64, f64) = (eigenvalues.iter().sum(), eigenvalues.iter().map(|x| x * x).sum());
        for (least, probes) in [(8, 4.0), (8, 16.0), (8, 64.0), (16, 64.0)] {
            let estimator = AdaptiveHutchinson {
                distribution: ProbeDistribution::Gaussian,
                // What so many probes would reach if the variance were known.
                standard_error: (2.0 * square / probes).sqrt(),
                least,
                most: 300,
            };
            let estimate = adaptive(&estimator, &eigenvalues, index as u64);
            let (share, reported, observed) = covered(&estimate, exact);
            println!(
                "{probes} from {least}, {name}: {share} covered, {:.2}",
                reported / observed
            );
            assert!(share >= COVERED, "{probes} from {least}, {name}: {share}");
            assert!(
                (0.95..2.0).contains(&(reported / observed)),
                "{probes} from {least}, {name}: {reported} for {observed}"
            );
            assert!(
                estimate
                    .standard_error()
                    .unwrap()
                    .iter()
                    .all(|error| *error <= estimator.standard_error)
            );
        }
    }
}
