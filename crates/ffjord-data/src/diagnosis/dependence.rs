//! Columns that follow from others.

use super::Finding;
use crate::Matrix;

/// At most so many rows, evenly spaced, are compared.
const COMPARED: usize = 20_000;
/// A column follows from others if this part of its variance is left, which text of five digits leaves at most.
const RESIDUAL: f64 = 1e-10;
/// Coefficients between standardised columns below this are rounding.
const COEFFICIENT: f64 = 1e-4;

/// Every column that is a copy or a linear function of those before it; none of them is constant.
pub(super) fn examine(table: &Matrix<f64>) -> Vec<Finding> {
    let step = table.rows().div_ceil(COMPARED).max(1);
    let rows: Vec<&[f64]> = table.iter_rows().step_by(step).collect();
    let d = table.columns();
    if rows.len() <= d {
        // Any columns are dependent then, and the few rows are said.
        return Vec::new();
    }
    let correlation = correlations(&rows, d);
    // A Cholesky factorisation that leaves dependent columns out; row i of the factor is that of column kept[i].
    let (mut kept, mut factor): (Vec<usize>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
    let mut findings = Vec::new();
    for column in 0..d {
        let mut row: Vec<f64> = Vec::with_capacity(kept.len() + 1);
        for (other, known) in kept.iter().zip(&factor) {
            let shared: f64 = row.iter().zip(known).map(|(a, b)| a * b).sum();
            let pivot = known[row.len()];
            row.push((correlation[column * d + other] - shared) / pivot);
        }
        let left = 1.0 - row.iter().map(|value| value * value).sum::<f64>();
        if left > RESIDUAL {
            row.push(left.sqrt());
            kept.push(column);
            factor.push(row);
            continue;
        }
        let coefficients = solve(&factor, row);
        let pairs = kept.iter().zip(coefficients);
        let of: Vec<usize> = pairs
            .filter(|(_, coefficient)| coefficient.abs() > COEFFICIENT)
            .map(|(other, _)| *other)
            .collect();
        findings.push(match of[..] {
            [other] if rows.iter().all(|row| row[column] == row[other]) => Finding::Copy { column, of: other },
            _ => Finding::Dependent { column, of },
        });
    }
    findings
}

/// Lᵀ β = l by substitution from the last unknown on.
fn solve(factor: &[Vec<f64>], mut right: Vec<f64>) -> Vec<f64> {
    for at in (0..right.len()).rev() {
        right[at] /= factor[at][at];
        for before in 0..at {
            right[before] -= factor[at][before] * right[at];
        }
    }
    right
}

/// Pearson's correlations `[d, d]` of columns that are not constant; columns constant among these rows have none.
fn correlations(rows: &[&[f64]], d: usize) -> Vec<f64> {
    let count = rows.len() as f64;
    let column = |column: usize| {
        let mean = rows.iter().map(|row| row[column]).sum::<f64>() / count;
        let centred = rows.iter().map(|row| row[column] - mean).collect::<Vec<f64>>();
        let norm = centred.iter().map(|value| value * value).sum::<f64>().sqrt();
        let scale = if norm > 0.0 { norm.recip() } else { 0.0 };
        centred.into_iter().map(|value| value * scale).collect::<Vec<f64>>()
    };
    let columns: Vec<Vec<f64>> = (0..d).map(column).collect();
    let mut correlation = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..=i {
            let product: f64 = columns[i].iter().zip(&columns[j]).map(|(a, b)| a * b).sum();
            correlation[i * d + j] = product;
            correlation[j * d + i] = product;
        }
    }
    correlation
}
