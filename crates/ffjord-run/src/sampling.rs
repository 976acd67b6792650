//! Many samples of a model.

use crate::error::Result;
use crate::model::Model;
use candle_core::Tensor;
use ffjord_flow::{Density, Pass};
use ffjord_train::{Purpose, Streams};

/// `count` samples `[count, D]`, at least one, drawn `batch` at a time.
///
/// # Errors
/// When a solve fails.
pub fn samples(model: &Model, count: usize, batch: usize, streams: &Streams) -> Result<Tensor> {
    let mut drawn = Vec::new();
    for (index, start) in (0..count).step_by(batch.max(1)).enumerate() {
        let rows = batch.max(1).min(count - start);
        let mut rng = streams.rng(Purpose::Sample, index as u64, 0);
        drawn.push(model.flow.sample(rows, &mut Pass::sampling(&mut rng))?);
    }
    Ok(Tensor::cat(&drawn, 0)?)
}
