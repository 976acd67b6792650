//! Means and correlations of rows, shrunk as far as held-out rows say.

use crate::error::{FlowError, Result};
use crate::symmetric::{Spectrum, eigen};
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

/// Rows that are summed up by themselves.
const CHUNK: usize = 2048;
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
    /// `[D, D]`, row-major; the rows are the eigenvectors.
    pub(crate) eigenvectors: Vec<f64>,
}

impl Correlation {
    /// Those of `rows` `[N, D]`, of which there is at least one, one behind the other in the CPU's memory.
    ///
    /// The share ρ of the identity is the one of a ladder from 1e-7 to 1 under which Gaussians that are fitted to four
    /// fifths of the rows have the largest likelihood of the other fifth, over all five of them.
    ///
    /// # Errors
    /// [`FlowError::Correlations`] where they are no finite numbers, and when the device cannot be read.
    pub(crate) fn shrunk(rows: &Tensor) -> Result<Self> {
        let (count, d) = rows.dims2()?;
        let n = count as f64;
        let means = totals(rows, |row, sums| add(sums, row.iter().copied()))?;
        let means: Vec<f64> = means.iter().map(|sum| sum / n).collect();
        let squares = totals(rows, |row, sums| {
            add(sums, row.iter().zip(&means).map(|(value, mean)| (value - mean).powi(2)));
        })?;
        let spreads = squares.iter().zip(&means);
        let deviations: Vec<f64> = spreads.map(|(sum, mean)| spread((sum / n).sqrt(), *mean)).collect();
        let folds = (0..FOLDS).into_par_iter();
        let folds = in_order(folds.map(|fold| products(rows, fold, (&means, &deviations))))?;
        let mut all = vec![0.0; d * d];
        folds.iter().for_each(|fold| add(&mut all, fold.iter().copied()));
        let (spectrum, shrinkage) = rayon::join(
            || spectrum(all.iter().copied(), count, d),
            || shrinkage(&all, &folds, (count, d)),
        );
        let (Spectrum { values, vectors }, shrinkage) = (spectrum?, shrinkage?);
        Ok(Self {
            means,
            deviations,
            eigenvalues: values.iter().map(|value| mixed(*value, shrinkage)).collect(),
            eigenvectors: vectors,
        })
    }
}

/// The eigenvalues of sums of products `[D, D]` over so many rows as means; a column without spread has variance 1 as all
/// have.
fn spectrum(sums: impl Iterator<Item = f64>, rows: usize, d: usize) -> Result<Spectrum> {
    let mut matrix: Vec<f64> = sums.map(|sum| sum / rows as f64).collect();
    let variances = matrix.iter_mut().step_by(d + 1);
    variances.filter(|entry| **entry == 0.0).for_each(|entry| *entry = 1.0);
    eigen(matrix, d).ok_or(FlowError::Correlations { columns: d })
}

fn mixed(eigenvalue: f64, shrinkage: f64) -> f64 {
    (1.0 - shrinkage) * eigenvalue.max(0.0) + shrinkage
}

/// The share of the identity with the least `Σ ln λ + v / λ` over the directions of the eigenvectors of those rows that a
/// fold leaves, with their eigenvalues, shrunk, λ and the variances v of the rows of the fold.
fn shrinkage(all: &[f64], folds: &[Vec<f64>], (count, d): (usize, usize)) -> Result<f64> {
    // Too few rows to leave some out say nothing of correlations.
    if count < 2 * FOLDS {
        return Ok(1.0);
    }
    let directions = folds.par_iter().enumerate().map(|(fold, sums)| {
        let held_out = (count + FOLDS - 1 - fold) / FOLDS;
        let seen = all.iter().zip(sums).map(|(all, fold)| all - fold);
        let Spectrum { values, vectors } = spectrum(seen, count - held_out, d)?;
        let vectors = Tensor::from_vec(vectors, (d, d), &Device::Cpu)?;
        let sums = Tensor::from_slice(sums, (d, d), &Device::Cpu)?;
        let along = (vectors.matmul(&sums)? * &vectors)?.sum(1)?.to_vec1::<f64>()?;
        let variances = along.into_iter().map(|sum| sum / held_out as f64);
        Ok(values.into_iter().zip(variances).collect::<Vec<_>>())
    });
    let directions = in_order(directions)?.concat();
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
    Ok(best.map_or(LEAST_SHRINKAGE, |(_, share)| share.min(1.0)))
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

/// All results, or the first failure, in the order of what they are of.
fn in_order<T: Send>(results: impl IndexedParallelIterator<Item = Result<T>>) -> Result<Vec<T>> {
    results.collect::<Vec<_>>().into_iter().collect()
}

/// D sums over all rows: over chunks, in parallel, and over these in their order, so that threads change no bit.
fn totals(rows: &Tensor, accumulate: impl Fn(&[f64], &mut [f64]) + Sync) -> Result<Vec<f64>> {
    let (count, d) = rows.dims2()?;
    let starts: Vec<usize> = (0..count).step_by(CHUNK).collect();
    let chunks = in_order(starts.into_par_iter().map(|start| {
        let values = numbers(&rows.narrow(0, start, CHUNK.min(count - start))?)?;
        let mut sums = vec![0.0; d];
        values.chunks_exact(d).for_each(|row| accumulate(row, &mut sums));
        Ok(sums)
    }))?;
    let mut sums = vec![0.0; d];
    chunks.into_iter().for_each(|chunk| add(&mut sums, chunk.into_iter()));
    Ok(sums)
}

/// The sums of products `[D, D]` over the rows of a fold, `fold` and every [`FOLDS`]th one behind it, as numbers of
/// deviations from the means: one chunk after the other, so that one product is held at a time.
fn products(rows: &Tensor, fold: usize, (means, deviations): (&[f64], &[f64])) -> Result<Vec<f64>> {
    let (count, d) = rows.dims2()?;
    let mut sums = vec![0.0; d * d];
    let of_fold: Vec<i64> = (fold as i64..count as i64).step_by(FOLDS).collect();
    for chunk in of_fold.chunks(CHUNK) {
        let part = rows.index_select(&Tensor::from_slice(chunk, chunk.len(), &Device::Cpu)?, 0)?;
        let mut values = numbers(&part)?;
        for row in values.chunks_exact_mut(d) {
            let columns = row.iter_mut().zip(means).zip(deviations);
            columns.for_each(|((value, mean), deviation)| *value = (*value - mean) / deviation);
        }
        let part = Tensor::from_vec(values, (chunk.len(), d), &Device::Cpu)?;
        add(&mut sums, numbers(&part.t()?.matmul(&part)?)?.into_iter());
    }
    Ok(sums)
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}
