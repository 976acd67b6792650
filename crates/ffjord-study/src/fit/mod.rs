//! Whether a flow fits rows that it was not trained on: what its noise looks like, how much of the rows its regions of high
//! density hold, whether its samples can be told from the rows, and which rows it likes least.
//!
//! A likelihood orders models; it does not say that one is right. Each part here has a distribution that is known where the
//! model is right, and a p-value: how often a right model would look as wrong as this.

mod levels;
mod neighbours;
mod picture;
mod sentences;
mod transforms;
mod two_sample;

pub use levels::{Level, coverage};
pub use picture::picture;
pub use sentences::sentences;
pub use transforms::{Transform, transforms};
pub use two_sample::{TwoSample, two_sample};

use crate::error::Result;
use candle_core::{DType, Tensor};
use ffjord_data::Matrix;
use ffjord_flow::{Bijection, Density, Pass};
use ffjord_run::{Model, Rows, log_likelihoods, samples, samples_given};
use ffjord_train::{Purpose, Streams, to_tensor};
use serde::{Deserialize, Serialize};

/// Rows that are told with the lowest densities.
const WORST: usize = 10;

/// How a check is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FitOptions {
    /// Rows that take part, at most; samples are as many.
    pub rows: usize,
    /// Rows that a model sees at a time.
    pub batch: usize,
    /// Rows and samples, each, between which all distances are taken, at most.
    pub compared: usize,
    /// Random labellings that tell what chance does.
    pub permutations: usize,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            rows: 5_000,
            batch: 1_000,
            compared: 1_000,
            permutations: 999,
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Rows that took part.
    pub rows: usize,
    /// Every column of the noise, and its square length.
    pub transforms: Vec<Transform>,
    /// Regions of high density; of conditional flows none, whose regions are others for every row.
    pub levels: Vec<Level>,
    /// Samples against rows.
    pub two_sample: TwoSample,
    /// The rows of the lowest densities: their number, from 0, and `ln p` in nats as the model sees rows.
    pub worst: Vec<(usize, f64)>,
}

/// Checks a model on rows `[N, D]` in its own units, at least two; conditions go with them.
///
/// # Errors
/// When the rows do not fit the model or a solve fails.
pub fn measure(model: &Model, rows: &Rows<f64>, options: FitOptions, streams: &Streams) -> Result<Fit> {
    let rows = rows.first(options.rows)?;
    let noise = noise(model, &rows, options.batch, streams)?;
    let drawn = match &rows.given {
        Some(given) => samples_given(model, given, options.batch, streams)?,
        None => samples(model, rows.rows(), options.batch, streams)?,
    };
    let drawn = Rows {
        x: to_matrix(&drawn)?,
        given: rows.given.clone(),
    };
    let density = |rows: &Rows<f64>| -> Result<Vec<f64>> {
        Ok(log_likelihoods(model, rows, options.batch, (streams, Purpose::Test), |_| ())?.0)
    };
    let of_rows = density(&rows)?;
    let levels = match &rows.given {
        Some(_) => Vec::new(),
        None => coverage(&of_rows, &density(&drawn)?),
    };
    let mut order: Vec<usize> = (0..of_rows.len()).collect();
    order.sort_by(|a, b| of_rows[*a].total_cmp(&of_rows[*b]));
    Ok(Fit {
        rows: rows.rows(),
        transforms: transforms(&noise),
        levels,
        two_sample: two_sample(
            &joint(&rows)?,
            &joint(&drawn)?,
            options,
            &mut streams.rng(Purpose::Test, 0, 9),
        )?,
        worst: order.into_iter().take(WORST).map(|row| (row, of_rows[row])).collect(),
    })
}

/// The noise `[N, D]` that rows are carried to.
fn noise(model: &Model, rows: &Rows<f64>, batch: usize, streams: &Streams) -> Result<Matrix<f64>> {
    let mut parts = Vec::new();
    for start in (0..rows.rows()).step_by(batch.max(1)) {
        let end = rows.rows().min(start + batch.max(1));
        let tensor = |matrix: &Matrix<f64>| -> Result<Tensor> {
            Ok(to_tensor(&matrix.slice(start..end)?, model.dtype(), model.device())?)
        };
        let shape = [&[end - start], Density::row_shape(&model.flow)].concat();
        let mut rng = streams.rng(Purpose::Test, start as u64, 8);
        // No density is asked for, which for an exact trace would cost a product a column.
        let mut pass = Pass::sampling(&mut rng);
        pass.set_given(rows.given.as_ref().map(tensor).transpose()?);
        let image = model
            .flow
            .bijection()
            .forward(&tensor(&rows.x)?.reshape(shape)?, &mut pass);
        parts.push(
            image
                .map_err(|error| error.in_rows_from(start))?
                .value
                .flatten_from(1)?,
        );
    }
    to_matrix(&Tensor::cat(&parts, 0)?)
}

fn to_matrix(rows: &Tensor) -> Result<Matrix<f64>> {
    let flat = rows.flatten_from(1)?.to_dtype(DType::F64)?;
    Ok(Matrix::new(flat.dim(0)?, flat.dim(1)?, flat.flatten_all()?.to_vec1()?)?)
}

/// Rows with what they are given beside them: pairs of which have one distribution if the conditional ones are equal.
fn joint(rows: &Rows<f64>) -> Result<Matrix<f64>> {
    let Some(given) = &rows.given else {
        return Ok(rows.x.clone());
    };
    let values = rows.x.iter_rows().zip(given.iter_rows());
    let values = values
        .flat_map(|(row, given)| row.iter().chain(given).copied())
        .collect();
    Ok(Matrix::new(rows.rows(), rows.x.columns() + given.columns(), values)?)
}
