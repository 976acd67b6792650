//! The log-determinant of a large sparse matrix, `ln det A = tr ln A`, in three ways.
//!
//! A is the five-point Laplacian of a square grid plus a shift, positive definite with a known spectrum. Lanczos
//! quadrature is made for this; `ln A` as an operator takes twice the products and works with every estimator. Nothing
//! of the size of A is stored.
//!
//! `cargo run --release -p ffjord-trace --example log_determinant`

use ffjord_trace::{
    AdaptiveHutchinson, FunctionOf, FunctionOperator, HutchPlusPlus, LanczosQuadrature, ProbeDistribution,
    TraceEstimate, TraceEstimator,
    rand::{SeedableRng, rngs::StdRng},
};
use std::error::Error;
use std::f64::consts::PI;

/// Points a side of the grid: the matrix has the square of that many rows.
const SIDE: usize = 60;
/// No eigenvalue is below it.
const SHIFT: f64 = 0.5;

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

fn report(name: &str, products: usize, estimate: &TraceEstimate, exact: f64) {
    let standard_error = estimate.standard_error().map_or(f64::NAN, |errors| errors[0]);
    println!(
        "{name:<26}{products:>6} products{:>12.3} ± {standard_error:.3}   (off by {:+.3})",
        estimate.trace[0],
        estimate.trace[0] - exact
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let dimension = SIDE * SIDE;
    let operator = FunctionOperator::new(1, dimension, |vectors: &[f64], products: &mut [f64]| {
        let products = products.chunks_exact_mut(dimension);
        vectors
            .chunks_exact(dimension)
            .zip(products)
            .for_each(|(v, out)| laplacian(v, out));
    });
    // The Laplacian's eigenvalues are sums of those of its two directions.
    let along = |k: usize| 2.0 - 2.0 * (PI * (k + 1) as f64 / (SIDE + 1) as f64).cos();
    let exact: f64 = (0..dimension)
        .map(|k| (along(k / SIDE) + along(k % SIDE) + SHIFT).ln())
        .sum();
    println!("ln det of a matrix of {dimension} rows; exact: {exact:.3}");

    let mut rng = StdRng::seed_from_u64(0);
    let distribution = ProbeDistribution::Rademacher;
    let quadrature = LanczosQuadrature {
        distribution,
        probes: 30,
        steps: 15,
    };
    let probes = quadrature.draw(1, dimension, &mut rng)?;
    let found = quadrature.log_determinant(&operator, &probes, SHIFT)?;
    report("Lanczos quadrature", found.estimate.products, &found.estimate, exact);
    println!(
        "{:<26}{:.1e} is the most that it is off for these probes",
        "",
        found.upper[0] - found.lower[0]
    );

    let steps = 30;
    let logarithm = FunctionOf::new(&operator, steps, f64::ln)?;
    let estimator = HutchPlusPlus {
        distribution,
        products: 30,
    };
    let estimate = estimator.draw_and_estimate(&logarithm, &mut rng)?;
    report("Hutch++ on ln A", steps * estimate.products, &estimate, exact);
    let estimator = AdaptiveHutchinson {
        distribution,
        standard_error: 3.0,
        least: 8,
        most: 500,
    };
    let estimate = estimator.draw_and_estimate(&logarithm, &mut rng)?;
    report("to a standard error of 3", steps * estimate.products, &estimate, exact);
    Ok(())
}
