//! The log-determinant of a large sparse matrix: `ln det A = tr ln A`, with a polynomial in place of the logarithm.
//!
//! A is the five-point Laplacian of a square grid plus a shift, positive definite with a known spectrum. Chebyshev's
//! expansion of ln on an interval that holds the spectrum turns `ln(A) v` into products with A (Han, Malioutov, Shin
//! 2015), and so `ln A` into a `LinearOperator`, for which every estimator works. Nothing of the size of A is stored.
//!
//! `cargo run --release -p ffjord-trace --example log_determinant`

use ffjord_trace::{
    AdaptiveHutchinson, FunctionOperator, HutchPlusPlus, Hutchinson, ProbeDistribution, TraceError, TraceEstimate,
    TraceEstimator,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;

/// Points a side of the grid: the matrix has the square of that many rows.
const SIDE: usize = 60;
const SHIFT: f64 = 0.5;
/// Every eigenvalue lies between: Gershgorin's circles.
const SPECTRUM: (f64, f64) = (SHIFT, 8.0 + SHIFT);
/// The polynomial's degree, one product with A for each.
const DEGREE: usize = 40;

/// `A v`: `4 + SHIFT` on the diagonal, −1 for each neighbour on the grid.
fn laplacian(v: &[f64], out: &mut [f64]) {
    for (index, out) in out.iter_mut().enumerate() {
        let (row, column) = (index / SIDE, index % SIDE);
        let mut neighbours = 0.0;
        if row > 0 {
            neighbours += v[index - SIDE];
        }
        if row + 1 < SIDE {
            neighbours += v[index + SIDE];
        }
        if column > 0 {
            neighbours += v[index - 1];
        }
        if column + 1 < SIDE {
            neighbours += v[index + 1];
        }
        *out = (4.0 + SHIFT) * v[index] - neighbours;
    }
}

/// Coefficients of Chebyshev's expansion of ln on the spectrum's interval.
fn coefficients() -> Vec<f64> {
    let (middle, half) = (0.5 * (SPECTRUM.0 + SPECTRUM.1), 0.5 * (SPECTRUM.1 - SPECTRUM.0));
    let angle = |point: usize| PI * (point as f64 + 0.5) / (DEGREE + 1) as f64;
    (0..=DEGREE)
        .map(|degree| {
            let sum: f64 = (0..=DEGREE)
                .map(|point| (middle + half * angle(point).cos()).ln() * (degree as f64 * angle(point)).cos())
                .sum();
            sum * if degree == 0 { 1.0 } else { 2.0 } / (DEGREE + 1) as f64
        })
        .collect()
}

/// `ln(A) v = Σⱼ cⱼ Tⱼ(B) v` with B = A moved to [−1, 1], by `Tⱼ₊₁ = 2 B Tⱼ − Tⱼ₋₁`.
fn logarithm(coefficients: &[f64], v: &[f64], out: &mut [f64]) {
    let (middle, half) = (0.5 * (SPECTRUM.0 + SPECTRUM.1), 0.5 * (SPECTRUM.1 - SPECTRUM.0));
    let moved = |v: &[f64], out: &mut [f64]| {
        laplacian(v, out);
        out.iter_mut()
            .zip(v)
            .for_each(|(out, v)| *out = (*out - middle * v) / half);
    };
    let (mut before, mut now, mut next) = (v.to_vec(), vec![0.0; v.len()], vec![0.0; v.len()]);
    moved(v, &mut now);
    for (index, out) in out.iter_mut().enumerate() {
        *out = coefficients[0] * before[index] + coefficients[1] * now[index];
    }
    for coefficient in &coefficients[2..] {
        moved(&now, &mut next);
        for (index, out) in out.iter_mut().enumerate() {
            next[index] = 2.0 * next[index] - before[index];
            *out += coefficient * next[index];
        }
        std::mem::swap(&mut before, &mut now);
        std::mem::swap(&mut now, &mut next);
    }
}

fn report(name: &str, estimate: &TraceEstimate, exact: f64) {
    let standard_error = estimate.standard_error().map_or(f64::NAN, |errors| errors[0]);
    println!(
        "{name:<28}{:>6} × {DEGREE} products{:>12.3} ± {standard_error:.3}   (off by {:+.3})",
        estimate.products,
        estimate.trace[0],
        estimate.trace[0] - exact
    );
}

fn main() -> Result<(), TraceError> {
    let dimension = SIDE * SIDE;
    let coefficients = coefficients();
    let operator = FunctionOperator::new(1, dimension, |vectors: &[f64], products: &mut [f64]| {
        for (v, out) in vectors
            .chunks_exact(dimension)
            .zip(products.chunks_exact_mut(dimension))
        {
            logarithm(&coefficients, v, out);
        }
    });
    // The Laplacian's eigenvalues are sums of those of its two directions.
    let along = |k: usize| 2.0 - 2.0 * (PI * (k + 1) as f64 / (SIDE + 1) as f64).cos();
    let exact: f64 = (0..dimension)
        .map(|k| (along(k / SIDE) + along(k % SIDE) + SHIFT).ln())
        .sum();
    println!("ln det of a matrix of {dimension} rows; exact: {exact:.3}");

    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let distribution = ProbeDistribution::Rademacher;
    let estimator = Hutchinson {
        distribution,
        probes: 30,
    };
    report("Hutchinson", &estimator.draw_and_estimate(&operator, &mut rng)?, exact);
    let estimator = HutchPlusPlus {
        distribution,
        products: 30,
    };
    report("Hutch++", &estimator.draw_and_estimate(&operator, &mut rng)?, exact);
    let estimator = AdaptiveHutchinson {
        distribution,
        standard_error: 3.0,
        least: 8,
        most: 500,
    };
    report(
        "to a standard error of 3",
        &estimator.draw_and_estimate(&operator, &mut rng)?,
        exact,
    );
    Ok(())
}
