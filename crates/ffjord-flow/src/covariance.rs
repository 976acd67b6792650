//! Means and correlations of rows, shrunk as far as held-out rows say.

use crate::error::Result;
use crate::symmetric::eigen;
use candle_core::{DType, Tensor};
use rayon::prelude::*;

/// Rows that are summed up by themselves.
const CHUNK: usize = 8192;
/// Parts of the rows each of which is held out in turn.
const FOLDS: usize = 5;
/// The least share of the identity in a correlation matrix, which bounds its eigenvalues from below.
const LEAST_SHRINKAGE: f64 = 1e-7;
/// The shares that are tried: so many a factor of ten.
const SHARES: usize = 3;

/// Means, standard deviations and the eigenvalues of a correlation matrix that is not singular.
#[derive(Debug)]
pub(crate) struct Correlation {
    pub(crate) means: Vec<f64>,
    /// Standard deviations; 1 for a column without spread.
    pub(crate) deviations: Vec<f64>,
    /// The eigenvalues of `(1 − ρ) C + ρ I`, of the correlations C.
    pub(crate) eigenvalues: Vec<f64>,
    /// `[D, D]`, row-major; the columns are the eigenvectors.
    pub(crate) eigenvectors: Vec<f64>,
}

impl Correlation {
    /// Those of `rows` `[N, D]`, of which there is at least one.
    ///
    /// The share ρ of the identity is the one of a ladder from 1e-7 to 1 under which Gaussians that are fitted to four
    /// fifths of the rows have the largest likelihood of the other fifth, over all five of them.
    ///
    /// # Errors
    /// When the device cannot be read.
    pub(crate) fn shrunk(rows: &Tensor) -> Result<Self> {
        let (count, d) = rows.dims2()?;
        let n = count as f64;
        let means = totals(rows, d, |sums, _, row| add(sums, row.iter().copied()))?;
        let means: Vec<f64> = means.iter().map(|sum| sum / n).collect();
        let squares = totals(rows, d, |sums, _, row| {
            add(sums, row.iter().zip(&means).map(|(value, mean)| (value - mean).powi(2)));
        })?;
        let spreads = squares.iter().zip(&means);
        let deviations: Vec<f64> = spreads.map(|(sum, mean)| spread((sum / n).sqrt(), *mean)).collect();
        let products = totals(rows, FOLDS * d * d, |sums, index, row| {
            let scaled = row.iter().zip(&means).zip(&deviations);
            let scaled: Vec<f64> = scaled
                .map(|((value, mean), deviation)| (value - mean) / deviation)
                .collect();
            let first = index % FOLDS * d * d;
            for (sums, a) in sums[first..first + d * d].chunks_exact_mut(d).zip(&scaled) {
                add(sums, scaled.iter().map(|b| a * b));
            }
        })?;
        let mut all = vec![0.0; d * d];
        products
            .chunks_exact(d * d)
            .for_each(|fold| add(&mut all, fold.iter().copied()));
        let shrinkage = shrinkage(&all, &products, (count, d));
        let (values, eigenvectors) = eigen(mean(&all, count), d);
        Ok(Self {
            means,
            deviations,
            eigenvalues: values.iter().map(|value| mixed(*value, shrinkage)).collect(),
            eigenvectors,
        })
    }
}

/// Sums of products as means; a column without spread has variance 1 as all have.
fn mean(sums: &[f64], rows: usize) -> Vec<f64> {
    let mut matrix: Vec<f64> = sums.iter().map(|sum| sum / rows as f64).collect();
    let d = matrix.len().isqrt();
    for entry in matrix.iter_mut().step_by(d + 1).filter(|entry| **entry == 0.0) {
        *entry = 1.0;
    }
    matrix
}

fn mixed(eigenvalue: f64, shrinkage: f64) -> f64 {
    (1.0 - shrinkage) * eigenvalue.max(0.0) + shrinkage
}

/// The share of the identity with the least `Σ ln λ + v / λ` over the directions of the eigenvectors of those rows that a
/// fold leaves, with their eigenvalues, shrunk, λ and the variances v of the rows of the fold.
fn shrinkage(all: &[f64], folds: &[f64], (count, d): (usize, usize)) -> f64 {
    let rows_of = |fold: usize| (count + FOLDS - 1 - fold) / FOLDS;
    // Too few rows to leave some out say nothing of correlations.
    if count < 2 * FOLDS {
        return 1.0;
    }
    let mut directions = Vec::with_capacity(FOLDS * d);
    for (fold, sums) in folds.chunks_exact(d * d).enumerate() {
        let seen: Vec<f64> = all.iter().zip(sums).map(|(all, fold)| all - fold).collect();
        let (values, vectors) = eigen(mean(&seen, count - rows_of(fold)), d);
        let held_out = mean(sums, rows_of(fold));
        let variance = |k: usize| -> f64 {
            let along = |i: usize| (0..d).map(|j| held_out[i * d + j] * vectors[j * d + k]).sum::<f64>();
            (0..d).map(|i| vectors[i * d + k] * along(i)).sum()
        };
        directions.extend(values.into_iter().enumerate().map(|(k, value)| (value, variance(k))));
    }
    let cost = |shrinkage: f64| -> f64 {
        let of = |(value, variance): &(f64, f64)| {
            let value = mixed(*value, shrinkage);
            value.ln() + variance / value
        };
        directions.iter().map(of).sum()
    };
    let steps = (-LEAST_SHRINKAGE.log10()).round() as usize * SHARES;
    let ladder = (0..=steps).map(|step| LEAST_SHRINKAGE * 10f64.powf(step as f64 / SHARES as f64));
    let costs = ladder.map(|share| (cost(share), share));
    // The smallest share of equals.
    let best = costs.reduce(|best, next| if next.0 < best.0 { next } else { best });
    best.map_or(LEAST_SHRINKAGE, |(_, share)| share.min(1.0))
}

/// The deviation of a column with this mean; 1 where it is no more than rounding.
fn spread(deviation: f64, mean: f64) -> f64 {
    if deviation.is_finite() && deviation > 1e-12 * mean.abs() {
        deviation
    } else {
        1.0
    }
}

fn add(sums: &mut [f64], values: impl Iterator<Item = f64>) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

/// `length` sums over all rows with their numbers: over chunks, in parallel, and over these in their order, so that threads change no bit.
fn totals(rows: &Tensor, length: usize, accumulate: impl Fn(&mut [f64], usize, &[f64]) + Sync) -> Result<Vec<f64>> {
    let (count, d) = rows.dims2()?;
    let starts: Vec<usize> = (0..count).step_by(CHUNK).collect();
    let chunks = starts.into_par_iter().map(|start| -> Result<Vec<f64>> {
        let part = rows.narrow(0, start, CHUNK.min(count - start))?;
        let values: Vec<f64> = part.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let mut sums = vec![0.0; length];
        let numbered = (start..).zip(values.chunks_exact(d));
        numbered.for_each(|(index, row)| accumulate(&mut sums, index, row));
        Ok(sums)
    });
    let chunks: Vec<Result<Vec<f64>>> = chunks.collect();
    let mut sums = vec![0.0; length];
    for chunk in chunks {
        add(&mut sums, chunk?.into_iter());
    }
    Ok(sums)
}
