//! Pictures of tables: held-out rows against samples.

use crate::error::Result;
use candle_core::DType;
use ffjord_plot::{PairPlotOptions, pair_plot};
use ffjord_run::config::RunConfig;
use ffjord_run::{Model, RunData, samples};
use ffjord_train::Streams;
use std::path::Path;

/// More columns than this make panels too small to see anything in.
const MOST_COLUMNS: usize = 8;

/// All pairs of columns, of the first eight if there are more, in standardised units.
pub(super) fn draw(config: &RunConfig, data: &RunData, model: &Model, plots: &Path, streams: &Streams) -> Result<()> {
    let count = config.evaluation.samples;
    if count == 0 {
        return Ok(());
    }
    let samples = samples(model, count, config.evaluation.batch, streams)?;
    let samples: Vec<f32> = samples.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let held_out = data.test.slice(0..count.min(data.test.rows()))?;
    let shown = data.dimension.min(MOST_COLUMNS);
    let first = |values: &[f32]| -> Vec<f32> {
        let rows = values.chunks_exact(data.dimension);
        rows.flat_map(|row| &row[..shown]).copied().collect()
    };
    let names: Vec<String> = data
        .names
        .clone()
        .unwrap_or_else(|| (0..data.dimension).map(|column| format!("column {column}")).collect());
    let options = PairPlotOptions {
        title: "held-out rows against samples (standardised)".to_string(),
        held_out: "held-out rows".to_string(),
        samples: "samples".to_string(),
    };
    pair_plot(&names[..shown], &first(held_out.as_slice()), &first(&samples), &options)?
        .save(plots.join("pairs.png"))?;
    Ok(())
}
