//! Pictures of tables: held-out rows against samples.

use crate::config::RunConfig;
use crate::data::RunData;
use crate::error::Result;
use crate::model::Model;
use candle_core::DType;
use ffjord_flow::{Density, Pass};
use ffjord_plot::{PairPlotOptions, pair_plot};
use ffjord_train::{Purpose, Streams};
use std::path::Path;

/// All pairs of columns, in standardised units.
pub(super) fn draw(config: &RunConfig, data: &RunData, model: &Model, plots: &Path, streams: &Streams) -> Result<()> {
    if config.evaluation.samples == 0 {
        return Ok(());
    }
    let mut samples: Vec<f32> = Vec::new();
    let mut drawn = 0;
    while drawn < config.evaluation.samples {
        let rows = config.evaluation.batch.max(1).min(config.evaluation.samples - drawn);
        let mut rng = streams.rng(Purpose::Sample, drawn as u64, 0);
        let batch = model.flow.sample(rows, &mut Pass::sampling(&mut rng))?;
        samples.extend(batch.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?);
        drawn += rows;
    }
    let held_out = data.test.slice(0..config.evaluation.samples.min(data.test.rows()))?;
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
