//! Pictures of tables: held-out rows against samples.

use crate::config::RunConfig;
use crate::data::RunData;
use crate::error::Result;
use crate::model::Model;
use crate::sampling::samples;
use candle_core::DType;
use ffjord_plot::{PairPlotOptions, pair_plot};
use ffjord_train::Streams;
use std::path::Path;

/// All pairs of columns, in standardised units.
pub(super) fn draw(config: &RunConfig, data: &RunData, model: &Model, plots: &Path, streams: &Streams) -> Result<()> {
    let count = config.evaluation.samples;
    if count == 0 {
        return Ok(());
    }
    let samples = samples(model, count, config.evaluation.batch, streams)?;
    let samples: Vec<f32> = samples.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let held_out = data.test.slice(0..count.min(data.test.rows()))?;
    let names = data
        .names
        .clone()
        .unwrap_or_else(|| (0..data.dimension).map(|column| format!("column {column}")).collect());
    let options = PairPlotOptions {
        title: "held-out rows against samples (standardised)".to_string(),
        held_out: "held-out rows".to_string(),
        samples: "samples".to_string(),
    };
    pair_plot(&names, held_out.as_slice(), &samples, &options)?.save(plots.join("pairs.png"))?;
    Ok(())
}
