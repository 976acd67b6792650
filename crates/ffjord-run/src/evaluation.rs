//! Log-likelihoods of many rows, and what to compare them with.

use crate::dealing::dealt;
use crate::error::{Result, RunError};
use crate::model::Model;
use crate::rows::Rows;
use crate::statistics::mean_and_standard_error;
use candle_core::{DType, Tensor, WithDType};
use ffjord_data::{Batches, Element, LastBatch, Matrix};
use ffjord_flow::{Bijection, Density, FlowError, Pass};
use ffjord_train::{Alone, Batch, Communicator, Purpose, Streams, agree};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The likelihood of a set of rows.
///
/// ```
/// use ffjord_run::{Likelihood, summarise};
/// let Likelihood { nll, standard_error, rows, nfe } = summarise(&[-1.0, -3.0], 20.0);
/// assert_eq!((nll, standard_error, rows, nfe), (2.0, 1.0, 2, 20.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// Mean negative log-likelihood, in nats.
    pub nll: f64,
    /// Its standard error over rows, in nats.
    pub standard_error: f64,
    /// The number of rows.
    pub rows: usize,
    /// Evaluations of the vector field, mean over batches.
    pub nfe: f64,
}

/// `ln p(x)` or `ln p(x | given)` of every row, in nats, and the mean number of evaluations; `batch` rows at a time, with random numbers for
/// this purpose.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_flow::ZeroMean;
/// # use ffjord_run::{Matrix, Model, Part, Rows};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # use std::sync::Arc;
/// # let model = Model::new(vec![Part::Discrete(Arc::new(ZeroMean::new(&[2])?))], DType::F64)?;
/// # let rows = Rows::from(Matrix::from_rows(&[[0.5, 0.5], [2.5, 0.5]]));
/// # let (streams, ln_2pi) = (Streams::new(0), (2.0 * std::f64::consts::PI).ln());
/// use ffjord_run::log_likelihoods;
/// // z = x − ½ over a standard normal: nothing is solved.
/// let (values, nfe) = log_likelihoods(&model, &rows, 10, (&streams, Purpose::Test), |_| ())?;
/// assert!((values[0] + ln_2pi).abs() < 1e-12 && (values[1] + ln_2pi + 2.0).abs() < 1e-12);
/// assert_eq!(nfe, 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the rows do not fit the model or a solve fails.
pub fn log_likelihoods<T: Element + WithDType>(
    model: &Model,
    rows: &Rows<T>,
    batch: usize,
    randomness: (&Streams, Purpose),
    progress: impl FnMut(usize),
) -> Result<(Vec<f64>, f64)> {
    log_likelihoods_together(model, rows, batch, randomness, &Alone, progress)
}

/// As [`log_likelihoods`], by several processes that have the same model and rows: batches are dealt to them, and all of
/// them get all likelihoods, with the same bits for any number of processes.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_flow::ZeroMean;
/// # use ffjord_run::{Matrix, Model, Part, Rows};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # use std::sync::Arc;
/// # let model = Model::new(vec![Part::Discrete(Arc::new(ZeroMean::new(&[2])?))], DType::F64)?;
/// # let rows = Rows::from(Matrix::from_rows(&[[0.5, 0.5], [2.5, 0.5]]));
/// # let (streams, ln_2pi) = (Streams::new(0), (2.0 * std::f64::consts::PI).ln());
/// use ffjord_run::log_likelihoods_together;
/// // z = x − ½ over a standard normal, on one process.
/// let mut done = 0;
/// let (values, _) =
///     log_likelihoods_together(&model, &rows, 1, (&streams, Purpose::Test), &Alone, |rows| done = rows)?;
/// assert!((values[1] + ln_2pi + 2.0).abs() < 1e-12 && done == 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`log_likelihoods`], also for what fails on another process.
pub fn log_likelihoods_together<T: Element + WithDType>(
    model: &Model,
    rows: &Rows<T>,
    batch: usize,
    (streams, purpose): (&Streams, Purpose),
    communicator: &dyn Communicator,
    mut progress: impl FnMut(usize),
) -> Result<(Vec<f64>, f64)> {
    let batches = Batches::new(rows.rows(), batch.max(1), LastBatch::Keep)?;
    let all = dealt(communicator, batches.len(), |index| {
        let range = batches.range(index);
        let end = range.end;
        let (evaluations, values) = evaluate_batch(model, rows, (index, range), (streams, purpose))?;
        progress(end);
        Ok([vec![evaluations], values].concat())
    })?;
    let evaluations: f64 = all.iter().filter_map(|numbers| numbers.first()).sum();
    let values = all.iter().flat_map(|numbers| numbers.iter().skip(1)).copied().collect();
    Ok((values, evaluations / batches.len() as f64))
}

/// Log-likelihoods of rows some of which may have none.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_flow::ZeroMean;
/// # use ffjord_run::{Matrix, Model, Part, Rows};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # use std::sync::Arc;
/// # let model = Model::new(vec![Part::Discrete(Arc::new(ZeroMean::new(&[2])?))], DType::F64)?;
/// # let rows = Rows::from(Matrix::from_rows(&[[0.5, 0.5], [2.5, 0.5]]));
/// # let (streams, ln_2pi) = (Streams::new(0), (2.0 * std::f64::consts::PI).ln());
/// use ffjord_run::{Scores, scores};
/// let rows = Rows::from(Matrix::from_rows(&[[0.5, 0.5], [f64::NAN, 0.0]]));
/// let Scores { values, failures, .. } = scores(&model, &rows, 10, (&streams, Purpose::Test))?;
/// // Rows that are no numbers have no likelihood; no solve failed.
/// assert!((values[0] + ln_2pi).abs() < 1e-12 && values[1].is_nan() && failures.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Scores {
    /// `ln p` of every row, in nats; NaN for rows that hold NaN or infinity or whose solve failed.
    pub values: Vec<f64>,
    /// Evaluations of the vector field, mean over batches.
    pub nfe: f64,
    /// Rows whose solve failed, and why.
    pub failures: Vec<(usize, String)>,
}

/// As [`log_likelihoods`], but a row that cannot be evaluated costs this row alone, where that refuses all: rows that hold
/// NaN or infinity, or are given such numbers, and rows whose solve fails have no likelihood.
///
/// ```
/// # use ffjord_run::{Matrix, Model, Rows, config::{Preset, resolve}};
/// # use ffjord_train::{Purpose, Streams};
/// # let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
/// # let streams = Streams::new(0);
/// # let model = Model::build(&config, 2, 0, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// use ffjord_run::{log_likelihoods, scores};
/// let holes = Rows::from(Matrix::from_rows(&[[0.5, 0.5], [f64::INFINITY, 0.0]]));
/// assert!(log_likelihoods(&model, &holes, 10, (&streams, Purpose::Test), |_| ()).is_err());
/// assert!(scores(&model, &holes, 10, (&streams, Purpose::Test))?.values[1].is_nan());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the rows do not fit the model.
pub fn scores<T: Element + WithDType>(
    model: &Model,
    rows: &Rows<T>,
    batch: usize,
    randomness: (&Streams, Purpose),
) -> Result<Scores> {
    scores_together(model, rows, batch, randomness, &Alone)
}

/// As [`scores`], by several processes that have the same model and rows; with the same bits for any number of them.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_flow::ZeroMean;
/// # use ffjord_run::{Matrix, Model, Part, Rows};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # use std::sync::Arc;
/// # let model = Model::new(vec![Part::Discrete(Arc::new(ZeroMean::new(&[2])?))], DType::F64)?;
/// # let rows = Rows::from(Matrix::from_rows(&[[0.5, 0.5], [2.5, 0.5]]));
/// # let (streams, ln_2pi) = (Streams::new(0), (2.0 * std::f64::consts::PI).ln());
/// use ffjord_run::{scores, scores_together};
/// let alone = scores_together(&model, &rows, 10, (&streams, Purpose::Test), &Alone)?;
/// assert_eq!(alone, scores(&model, &rows, 10, (&streams, Purpose::Test))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`scores`], also for what fails on another process.
pub fn scores_together<T: Element + WithDType>(
    model: &Model,
    rows: &Rows<T>,
    batch: usize,
    randomness: (&Streams, Purpose),
    communicator: &dyn Communicator,
) -> Result<Scores> {
    let batches = Batches::new(rows.rows(), batch.max(1), LastBatch::Keep)?;
    let mut failures = Vec::new();
    let all = dealt(communicator, batches.len(), |index| {
        let batch = (index, batches.range(index));
        let (evaluations, values) = score_batch(model, rows, batch, randomness, &mut failures)?;
        Ok([vec![evaluations], values].concat())
    })?;
    let (mut failures, others) = agree::<_, RunError>(communicator, Ok(failures), |failures| {
        // Numbers and texts are always JSON.
        serde_json::to_vec(failures).unwrap_or_default()
    })?;
    if communicator.size() > 1 {
        failures.clear();
        for own in others {
            failures.extend(serde_json::from_slice::<Vec<(usize, String)>>(&own)?);
        }
        failures.sort_by_key(|(row, _)| *row);
    }
    let evaluations: f64 = all.iter().filter_map(|numbers| numbers.first()).sum();
    Ok(Scores {
        values: all.iter().flat_map(|numbers| numbers.iter().skip(1)).copied().collect(),
        nfe: evaluations / batches.len() as f64,
        failures,
    })
}

/// The number of evaluations of one batch of rows, and their log-likelihoods; adds the rows whose solve failed.
fn score_batch<T: Element + WithDType>(
    model: &Model,
    rows: &Rows<T>,
    (index, range): (usize, Range<usize>),
    (streams, purpose): (&Streams, Purpose),
    failures: &mut Vec<(usize, String)>,
) -> Result<(f64, Vec<f64>)> {
    let (mut values, mut evaluations) = (Vec::with_capacity(range.len()), 0.0);
    // Parts that are still to be evaluated, the first one last: halves of a part whose solve failed.
    let mut parts = vec![range];
    while let Some(range) = parts.pop() {
        let part = rows.batch(range.clone(), model)?;
        let mut rng = streams.rng(purpose, index as u64, 1);
        let mut pass = Pass::evaluation(&mut rng);
        part.give(&mut pass);
        match model.flow.scores(&part.x, &mut pass) {
            Ok(log_prob) => {
                let log_prob = log_prob.to_dtype(DType::F64)?.to_vec1::<f64>()?;
                values.extend(in_far_tails(model, &part, log_prob, (streams, purpose, index))?);
                evaluations += pass.cost().snapshot().forward_evaluations;
            }
            // Of rows that are finite themselves: some overflow on the way, or lie where a map is not defined.
            Err(error) if is_of_rows(&error) && range.len() > 1 => {
                let middle = range.start + range.len() / 2;
                parts.extend([middle..range.end, range.start..middle]);
            }
            Err(error) if is_of_rows(&error) => {
                values.push(f64::NAN);
                let reason = match error {
                    FlowError::NonFiniteInput { .. } => "its numbers overflow on the way through the model".to_string(),
                    other => other.in_rows_from(range.start).to_string(),
                };
                failures.push((range.start, reason));
            }
            Err(error) => return Err(error.in_rows_from(range.start).into()),
        }
    }
    Ok((evaluations, values))
}

/// Whether an error is of some rows, so that others can be evaluated without them.
fn is_of_rows(error: &FlowError) -> bool {
    matches!(
        error,
        FlowError::Solve { .. } | FlowError::NonFiniteInput { .. } | FlowError::OutsideDomain { .. }
    )
}

/// The number of evaluations of one batch of rows, and their log-likelihoods.
fn evaluate_batch<T: Element + WithDType>(
    model: &Model,
    rows: &Rows<T>,
    (index, range): (usize, Range<usize>),
    (streams, purpose): (&Streams, Purpose),
) -> Result<(f64, Vec<f64>)> {
    let first = range.start;
    let part = rows.batch(range, model)?;
    let mut rng = streams.rng(purpose, index as u64, 1);
    let mut pass = Pass::evaluation(&mut rng);
    part.give(&mut pass);
    // Rows of an error count in the table.
    let log_prob = model.flow.log_prob(&part.x, &mut pass);
    let log_prob = log_prob.map_err(|error| error.in_rows_from(first))?;
    let log_prob = log_prob.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    let values = in_far_tails(model, &part, log_prob, (streams, purpose, index))?;
    Ok((pass.cost().snapshot().forward_evaluations, values))
}

/// Log-likelihoods of a batch with those of −∞ computed again, the squares of the noise in double precision: single
/// precision holds none of numbers beyond 10¹⁹, so that rows in far tails would all be the same.
fn in_far_tails(
    model: &Model,
    batch: &Batch,
    mut log_prob: Vec<f64>,
    (streams, purpose, index): (&Streams, Purpose, usize),
) -> Result<Vec<f64>> {
    let far = (0..log_prob.len()).filter(|&row| log_prob[row] == f64::NEG_INFINITY);
    let far: Vec<u32> = far.map(|row| row as u32).collect();
    if far.is_empty() {
        return Ok(log_prob);
    }
    let rows = Tensor::new(far.as_slice(), batch.x.device())?;
    let mut rng = streams.rng(purpose, index as u64, 1);
    let mut pass = Pass::evaluation(&mut rng);
    let given = batch.given.as_ref().map(|given| given.index_select(&rows, 0));
    pass.set_given(given.transpose()?);
    // What cannot be solved again stays what it was.
    let Ok(image) = model
        .flow
        .bijection()
        .forward(&batch.x.index_select(&rows, 0)?, &mut pass)
    else {
        return Ok(log_prob);
    };
    let noise = image.value.to_dtype(DType::F64)?.flatten_from(1)?.to_vec2::<f64>()?;
    let log_det = image.log_det()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    for ((row, noise), log_det) in far.into_iter().zip(noise).zip(log_det) {
        let squares: f64 = noise.iter().map(|value| value * value).sum();
        let again = log_det - 0.5 * (squares + noise.len() as f64 * (2.0 * std::f64::consts::PI).ln());
        if again.is_finite() {
            log_prob[row as usize] = again;
        }
    }
    Ok(log_prob)
}

/// Mean and standard error of the negative log-likelihood.
///
/// ```
/// let likelihood = ffjord_run::summarise(&[-1.5], 12.0);
/// // One row says nothing of the error.
/// assert!(likelihood.nll == 1.5 && likelihood.standard_error.is_nan());
/// ```
pub fn summarise(log_likelihoods: &[f64], nfe: f64) -> Likelihood {
    let (mean, standard_error) = mean_and_standard_error(log_likelihoods);
    Likelihood {
        nll: -mean,
        // A single row has none.
        standard_error: standard_error.unwrap_or(f64::NAN),
        rows: log_likelihoods.len(),
        nfe,
    }
}

/// The mean negative log-likelihood of `test` under a full-covariance Gaussian fitted to `train`, in nats; none where
/// the covariance is singular.
///
/// ```
/// use ffjord_run::{Matrix, gaussian_nll};
/// // Mean 0 and variance 1.
/// let train = Matrix::from_rows(&[[-1.0], [1.0]]);
/// let nll = gaussian_nll(&train, &Matrix::from_rows(&[[2.0]])).ok_or("it is not singular")?;
/// assert!((nll - (2.0 + 0.5 * (2.0 * std::f64::consts::PI).ln())).abs() < 1e-12);
/// assert_eq!(gaussian_nll(&Matrix::from_rows(&[[3.0], [3.0]]), &train), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn gaussian_nll<A: Element, B: Element>(train: &Matrix<A>, test: &Matrix<B>) -> Option<f64> {
    let d = train.columns();
    let mean = train.column_means();
    let mut covariance = vec![0.0; d * d];
    for row in train.iter_rows() {
        for i in 0..d {
            let centred = row[i].to_f64() - mean[i];
            for j in 0..=i {
                covariance[i * d + j] += centred * (row[j].to_f64() - mean[j]);
            }
        }
    }
    covariance.iter_mut().for_each(|entry| *entry /= train.rows() as f64);
    let factor = cholesky(&covariance, d)?;
    let log_det: f64 = 2.0 * (0..d).map(|i| factor[i * d + i].ln()).sum::<f64>();
    let mut total = 0.0;
    let mut whitened = vec![0.0; d];
    for row in test.iter_rows() {
        for i in 0..d {
            let known: f64 = (0..i).map(|j| factor[i * d + j] * whitened[j]).sum();
            whitened[i] = (row[i].to_f64() - mean[i] - known) / factor[i * d + i];
        }
        total += whitened.iter().map(|value| value * value).sum::<f64>();
    }
    let constant = d as f64 * (2.0 * std::f64::consts::PI).ln();
    Some(0.5 * (constant + log_det + total / test.rows() as f64))
}

/// The lower factor of a symmetric positive definite matrix given by its lower triangle, row-major.
fn cholesky(matrix: &[f64], d: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| factor[i * d + k] * factor[j * d + k]).sum();
            let rest = matrix[i * d + j] - known;
            factor[i * d + j] = if i == j {
                if rest <= 0.0 || !rest.is_finite() {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / factor[j * d + j]
            };
        }
    }
    Some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gaussian_scores_its_own_entropy() -> Result<()> {
        use rand_distr::Distribution;
        let mut rng = Streams::new(0).rng(Purpose::Data, 0, 0);
        let values = (0..20_000)
            .flat_map(|_| {
                let a: f64 = rand_distr::StandardNormal.sample(&mut rng);
                let b: f64 = rand_distr::StandardNormal.sample(&mut rng);
                [(2.0 * a) as f32, (a + 0.5 * b) as f32]
            })
            .collect();
        let table = Matrix::new(20_000, 2, values)?;
        // ln det of the covariance is 2 ln(2 · 0.5) = 0.
        let entropy = 1.0 + (2.0 * std::f64::consts::PI).ln();
        let nll = gaussian_nll(&table, &table).unwrap_or(f64::NAN);
        assert!((nll - entropy).abs() < 0.02, "{nll} against {entropy}");
        Ok(())
    }

    #[test]
    fn a_conditional_gaussian_scores_the_noise_around_its_regression() -> Result<()> {
        use rand_distr::Distribution;
        let mut rng = Streams::new(1).rng(Purpose::Data, 0, 0);
        let (mut both, mut given) = (Vec::new(), Vec::new());
        for _ in 0..20_000 {
            let c: f64 = rand_distr::StandardNormal.sample(&mut rng);
            let noise: f64 = rand_distr::StandardNormal.sample(&mut rng);
            both.extend([(3.0 * c + 0.5 * noise) as f32, c as f32]);
            given.push(c as f32);
        }
        let (both, given) = (Matrix::new(20_000, 2, both)?, Matrix::new(20_000, 1, given)?);
        let entropy = 0.5 * (1.0 + (2.0 * std::f64::consts::PI).ln()) + 0.5_f64.ln();
        let nll = gaussian_nll(&both, &both).unwrap_or(f64::NAN) - gaussian_nll(&given, &given).unwrap_or(f64::NAN);
        assert!((nll - entropy).abs() < 0.02, "{nll} against {entropy}");
        Ok(())
    }

    #[test]
    fn a_constant_column_has_no_gaussian() -> Result<()> {
        let table = Matrix::new(3, 2, vec![1.0, 5.0, 2.0, 5.0, 3.0, 5.0])?;
        assert_eq!(gaussian_nll(&table, &table), None);
        Ok(())
    }

    #[test]
    fn standard_errors_are_those_of_a_mean() {
        let likelihood = summarise(&[-1.0, -3.0], 10.0);
        assert_eq!((likelihood.nll, likelihood.standard_error), (2.0, 1.0));
    }
}
