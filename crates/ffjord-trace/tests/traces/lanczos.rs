//! Functions of operators and log-determinants against closed forms.

use ffjord_trace::{
    DenseOperator, FunctionOf, FunctionOperator, Hutchinson, LanczosQuadrature, LinearOperator, LogDeterminant,
    ProbeDistribution, Probes, TraceError, TraceEstimator,
    rand::{Rng, SeedableRng, rngs::StdRng},
};
use std::f64::consts::PI;

const D: usize = 40;

/// The second-difference matrix plus a shift, as dense entries: its eigenvectors are sines.
fn dense(shift: f64) -> Vec<f64> {
    let entry = |i: usize, j: usize| match i.abs_diff(j) {
        0 => 2.0 + shift,
        1 => -1.0,
        _ => 0.0,
    };
    (0..D * D).map(|index| entry(index / D, index % D)).collect()
}

fn eigenvalue(k: usize, shift: f64) -> f64 {
    shift + 2.0 - 2.0 * (PI * (k + 1) as f64 / (D + 1) as f64).cos()
}

/// `f(A) v` from the known eigenvectors.
fn exact(shift: f64, v: &[f64], function: impl Fn(f64) -> f64) -> Vec<f64> {
    let sine =
        |i: usize, k: usize| (2.0 / (D + 1) as f64).sqrt() * (PI * ((i + 1) * (k + 1)) as f64 / (D + 1) as f64).sin();
    let along: Vec<f64> = (0..D).map(|k| (0..D).map(|i| sine(i, k) * v[i]).sum()).collect();
    (0..D)
        .map(|i| {
            (0..D)
                .map(|k| sine(i, k) * function(eigenvalue(k, shift)) * along[k])
                .sum()
        })
        .collect()
}

fn log_determinant(shift: f64) -> f64 {
    (0..D).map(|k| eigenvalue(k, shift).ln()).sum()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

fn random(count: usize) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(3);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

type Function = fn(f64) -> f64;

#[test]
fn functions_are_those_of_the_closed_form_and_errors_are_not_understated() {
    // Two operators, three vectors each.
    let shifts = [0.5, 2.0];
    let operator = DenseOperator::new(D, shifts.map(dense).concat()).unwrap();
    let vectors = random(3 * 2 * D);
    let functions: [(&str, Function); 4] = [
        ("exp", |x| (-x).exp()),
        ("root", f64::sqrt),
        ("ln", f64::ln),
        ("inverse", f64::recip),
    ];
    for (name, function) in functions {
        for steps in [4, 8, 12, 20, 30, D, 3 * D] {
            let found = FunctionOf::new(&operator, steps, function)
                .unwrap()
                .times(&vectors)
                .unwrap();
            for (index, vector) in vectors.chunks(D).enumerate() {
                let truth = exact(shifts[index % 2], vector, function);
                let off = distance(&found.products[index * D..][..D], &truth);
                let stated = found.errors[index];
                assert!(
                    off <= stated + 1e-12,
                    "{name}, {steps} steps: off by {off}, {stated} stated"
                );
                // As many steps as directions are exact, and say so.
                assert!(steps < D || (off < 1e-12 && stated < 1e-6), "{name}: {off}, {stated}");
            }
        }
        let few = FunctionOf::new(&operator, 12, function)
            .unwrap()
            .times(&vectors)
            .unwrap();
        let worst = few.errors.iter().fold(0.0, |most: f64, error| most.max(*error));
        assert!(worst < 0.02, "{name}: {worst}");
    }
}

#[test]
fn single_precision_is_as_good_as_its_products() {
    let single: Vec<f32> = dense(0.5).iter().map(|entry| *entry as f32).collect();
    let operator = DenseOperator::new(D, single).unwrap();
    let vector: Vec<f32> = random(D).iter().map(|entry| *entry as f32).collect();
    let found = FunctionOf::new(&operator, D, f64::sqrt)
        .unwrap()
        .times(&vector)
        .unwrap();
    let wide = |vector: &[f32]| vector.iter().map(|entry| f64::from(*entry)).collect::<Vec<f64>>();
    let off = distance(&wide(&found.products), &exact(0.5, &wide(&vector), f64::sqrt));
    assert!(off < 1e-5, "{off}");
}

#[test]
fn invariant_spaces_end_early_and_zeros_stay_zeros() {
    // Two different eigenvalues: two steps say all there is to say.
    let operator = FunctionOperator::new(1, 6, |v: &[f64], out: &mut [f64]| {
        for (index, (out, v)) in out.iter_mut().zip(v).enumerate() {
            *out = if index % 2 == 0 { 4.0 * v } else { 9.0 * v };
        }
    });
    let vectors = [[1.0, 2.0, -1.0, 0.5, 3.0, 1.0], [0.0; 6]].concat();
    let found = FunctionOf::new(&operator, 5, f64::sqrt)
        .unwrap()
        .times(&vectors)
        .unwrap();
    for (index, (product, v)) in found.products.iter().zip(&vectors).enumerate() {
        let root = if index % 2 == 0 { 2.0 } else { 3.0 };
        assert!((product - root * v).abs() < 1e-14);
    }
    assert_eq!(found.errors, [0.0, 0.0]);
}

#[test]
fn a_function_of_an_operator_is_an_operator_for_every_estimator() {
    let operator = DenseOperator::new(D, dense(0.5)).unwrap();
    let logarithm = FunctionOf::new(&operator, D, f64::ln).unwrap();
    let entries = DenseOperator::from_products(&logarithm).unwrap();
    let trace: f64 = entries
        .matrices()
        .map(|matrix| matrix.iter().step_by(D + 1).sum::<f64>())
        .sum();
    assert!((trace - log_determinant(0.5)).abs() < 1e-11);
    let complete = Hutchinson {
        distribution: ProbeDistribution::Orthogonal,
        probes: D,
    };
    let estimate = complete
        .draw_and_estimate(&logarithm, &mut StdRng::seed_from_u64(1))
        .unwrap();
    assert!((estimate.trace[0] - log_determinant(0.5)).abs() < 1e-11);
}

fn quadrature(probes: usize, steps: usize) -> LanczosQuadrature {
    LanczosQuadrature {
        distribution: ProbeDistribution::Orthogonal,
        probes,
        steps,
    }
}

fn found(probes: usize, steps: usize, shift: f64, above: f64) -> LogDeterminant {
    let operator = DenseOperator::new(D, dense(shift)).unwrap();
    let quadrature = quadrature(probes, steps);
    let probes = quadrature.draw(1, D, &mut StdRng::seed_from_u64(2)).unwrap();
    quadrature.log_determinant(&operator, &probes, above).unwrap()
}

#[test]
fn bounds_hold_the_log_determinant_and_close_with_the_steps() {
    // D orthogonal probes leave no error but the quadrature's.
    for shift in [1e-3, 0.1, 2.0] {
        let truth = log_determinant(shift);
        let mut width = f64::INFINITY;
        for steps in [1, 2, 4, 8, 16, 32] {
            let found = found(D, steps, shift, shift);
            let (lower, upper) = (found.lower[0], found.upper[0]);
            assert!(
                lower - 1e-10 <= truth && truth <= upper + 1e-10,
                "{shift}, {steps}: {lower} {truth} {upper}"
            );
            assert!(
                upper - lower < width,
                "{shift}, {steps}: {} after {width}",
                upper - lower
            );
            width = (upper - lower).max(1e-10);
            assert_eq!((found.estimate.trace[0], found.estimate.products), (upper, steps * D));
        }
        assert!(width < if shift < 0.01 { 1.0 } else { 1e-3 }, "{shift}: {width}");
        let complete = found(D, D, shift, 0.0);
        assert!((complete.upper[0] - truth).abs() < 1e-10);
    }
    assert_eq!(found(3, 8, 0.1, 0.0).lower, [f64::NEG_INFINITY]);
}

#[test]
fn intervals_of_bounds_and_standard_errors_cover() {
    const ROWS: usize = 400;
    for (shift, steps) in [(0.01, 6), (0.5, 4), (0.5, 20)] {
        let operator = DenseOperator::new(D, dense(shift).repeat(ROWS)).unwrap();
        let quadrature = LanczosQuadrature {
            distribution: ProbeDistribution::Rademacher,
            probes: 20,
            steps,
        };
        let probes = quadrature
            .draw(ROWS, D, &mut StdRng::seed_from_u64(steps as u64))
            .unwrap();
        let found = quadrature.log_determinant(&operator, &probes, shift).unwrap();
        let truth = log_determinant(shift);
        let intervals = found.interval(2.0).unwrap();
        let share = intervals
            .iter()
            .filter(|(low, high)| (*low..*high).contains(&truth))
            .count() as f64
            / ROWS as f64;
        // 95 of 100 expected; of 400 rows fewer than 91 in 100 one time in 10,000.
        assert!(share >= 0.91, "{shift}, {steps}: {share}");
        let errors = found.standard_error().unwrap();
        let width = |row: usize| intervals[row].1 - intervals[row].0 - 4.0 * errors[row];
        let quadrature = (0..ROWS).map(width).sum::<f64>() / ROWS as f64;
        assert!(steps < 20 || quadrature < 1e-6, "{shift}, {steps}: {quadrature}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let operator = DenseOperator::new(D, dense(0.5)).unwrap();
    assert!(matches!(
        FunctionOf::new(&operator, 0, f64::ln),
        Err(TraceError::Empty { .. })
    ));
    let root = FunctionOf::new(&operator, 4, f64::sqrt).unwrap();
    assert!(matches!(root.times(&[1.0; D + 1]), Err(TraceError::Shape { .. })));

    let probes = quadrature(4, 8).draw(1, D, &mut StdRng::seed_from_u64(0)).unwrap();
    let outcome = |operator: &DenseOperator<f64>, above| quadrature(4, 8).log_determinant(operator, &probes, above);
    for above in [-1.0, f64::NAN, f64::INFINITY, 3.0] {
        let outcome = outcome(&operator, above);
        assert!(
            matches!(outcome, Err(TraceError::SpectrumBound { .. })),
            "{above}: {outcome:?}"
        );
    }
    let indefinite = DenseOperator::new(D, dense(-1.0)).unwrap();
    assert_eq!(outcome(&indefinite, 0.0), Err(TraceError::NotPositive { row: 0 }));
    let mut lopsided = dense(0.5);
    lopsided[1] = 0.5;
    let lopsided = DenseOperator::new(D, lopsided).unwrap();
    assert_eq!(outcome(&lopsided, 0.0), Err(TraceError::NotSymmetric { row: 0 }));
    assert!(matches!(
        quadrature(5, 8).log_determinant(&operator, &probes, 0.0),
        Err(TraceError::ProbeCount { given: 4, needed: 5 })
    ));
    assert!(matches!(
        quadrature(4, 0).log_determinant(&operator, &probes, 0.0),
        Err(TraceError::Empty { .. })
    ));
}

#[test]
fn nan_stays_nan() {
    let operator = DenseOperator::new(D, vec![f64::NAN; D * D]).unwrap();
    let found = FunctionOf::new(&operator, 4, f64::exp)
        .unwrap()
        .times(&random(D))
        .unwrap();
    assert!(found.products.iter().all(|entry| entry.is_nan()));
    let probes = Probes::from_vectors(1, 1, D, random(D)).unwrap();
    let estimate = quadrature(1, 4).trace_of(&operator, &probes, f64::exp).unwrap();
    assert!(estimate.trace[0].is_nan());
}

#[test]
fn public_types_cross_threads_and_show_themselves() {
    fn asserted<T: Send + Sync + std::fmt::Debug>(_: &T) {}
    let operator = DenseOperator::new(D, dense(0.5)).unwrap();
    let root = FunctionOf::new(&operator, 4, f64::sqrt).unwrap();
    asserted(&root);
    asserted(&root.times(&random(D)).unwrap());
    asserted(&quadrature(2, 3));
    asserted(&found(2, 3, 0.5, 0.0));
    assert_eq!(LinearOperator::<f64>::dimension(&root), D);
}
