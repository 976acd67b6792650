//! Many samples of a model.

use crate::error::Result;
use crate::model::Model;
use candle_core::Tensor;
use ffjord_data::Matrix;
use ffjord_flow::Pass;
use ffjord_train::{Purpose, Streams, to_tensor};

/// `count` samples `[count, D]`, at least one, drawn `batch` at a time.
///
/// # Errors
/// When a solve fails, or the model is conditional.
pub fn samples(model: &Model, count: usize, batch: usize, streams: &Streams) -> Result<Tensor> {
    samples_at(model, 1.0, count, batch, streams)
}

/// The same of noise whose standard deviation is `temperature` ([`Flow::sample_at`](ffjord_flow::Flow::sample_at)).
///
/// # Errors
/// As [`samples`], and for a temperature that is negative or no number.
pub fn samples_at(model: &Model, temperature: f64, count: usize, batch: usize, streams: &Streams) -> Result<Tensor> {
    draw(model, count, None, batch, streams, temperature)
}

/// A sample for every row of conditions `[N, C]`, at least one, as the model takes them: `[N, D]`, drawn `batch` at a
/// time.
///
/// # Errors
/// When a solve fails, or the conditions do not fit the model.
pub fn samples_given(model: &Model, given: &Matrix<f64>, batch: usize, streams: &Streams) -> Result<Tensor> {
    draw(model, given.rows(), Some(given), batch, streams, 1.0)
}

fn draw(
    model: &Model,
    count: usize,
    given: Option<&Matrix<f64>>,
    batch: usize,
    streams: &Streams,
    temperature: f64,
) -> Result<Tensor> {
    let mut drawn = Vec::new();
    for (index, start) in (0..count).step_by(batch.max(1)).enumerate() {
        let rows = batch.max(1).min(count - start);
        let mut rng = streams.rng(Purpose::Sample, index as u64, 0);
        let mut pass = Pass::sampling(&mut rng);
        if let Some(given) = given {
            let given = given.slice(start..start + rows)?;
            pass.set_given(Some(to_tensor(&given, model.dtype(), model.device())?));
        }
        // Rows of an error count in the whole table of conditions.
        let samples = model.flow.sample_at(temperature, rows, &mut pass);
        drawn.push(samples.map_err(|error| error.in_rows_from(start))?);
    }
    Ok(Tensor::cat(&drawn, 0)?)
}
