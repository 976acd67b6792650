//! Pictures of tables: held-out rows against samples.

use crate::error::Result;
use candle_core::DType;
use ffjord_plot::{PairPlotOptions, pair_plot};
use ffjord_run::config::RunConfig;
use ffjord_run::{Matrix, Model, Rows, RunData, samples, samples_given};
use ffjord_train::Streams;
use std::path::Path;

/// More columns than this make panels too small to see anything in.
const MOST_COLUMNS: usize = 8;

/// All pairs of columns, of the first eight if there are more, in standardised units; of a conditional run, samples given
/// what the held-out rows are given, with these columns last.
pub(super) fn draw(config: &RunConfig, data: &RunData, model: &Model, plots: &Path, streams: &Streams) -> Result<()> {
    let count = config.evaluation.samples;
    if count == 0 {
        return Ok(());
    }
    let held_out = data.test.first(count)?;
    let held_out = Rows::new(
        held_out.x.cast::<f32>(),
        held_out.given.map(|given| given.cast::<f32>()),
    )?;
    let samples = match &held_out.given {
        Some(given) => samples_given(model, &given.cast(), config.evaluation.batch, streams)?,
        None => samples(model, count, config.evaluation.batch, streams)?,
    };
    let rows = samples.dim(0)?;
    let samples = Matrix::new(
        rows,
        data.dimension,
        samples.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?,
    )?;
    let mut names: Vec<String> = data
        .names
        .clone()
        .unwrap_or_else(|| (0..data.dimension).map(|column| format!("column {column}")).collect());
    names.extend(data.given.iter().flat_map(|given| given.names.iter().cloned()));
    names.truncate(MOST_COLUMNS);
    let first = |rows: &Matrix<f32>| -> Vec<f32> {
        let given = |row: usize| held_out.given.as_ref().map_or(&[][..], |given| given.row(row));
        let whole = rows.iter_rows().enumerate();
        whole
            .flat_map(|(index, row)| row.iter().chain(given(index)).take(MOST_COLUMNS))
            .copied()
            .collect()
    };
    let options = PairPlotOptions {
        title: "held-out rows against samples (standardised)".to_string(),
        held_out: "held-out rows".to_string(),
        samples: "samples".to_string(),
    };
    pair_plot(&names, &first(&held_out.x), &first(&samples), &options)?.save(plots.join("pairs.png"))?;
    Ok(())
}
