//! Pictures of images: samples, and some for testing beside which to see them.

use crate::error::Result;
use candle_core::DType;
use ffjord_plot::{ImageGrid, image_grid};
use ffjord_run::config::RunConfig;
use ffjord_run::{ImageFormat, Model, RunData, samples};
use ffjord_train::Streams;
use std::path::Path;

/// Images in a picture at most, and of a row of them.
const MOST: usize = 100;
const ACROSS: usize = 10;

/// `samples.png` and `test-images.png`, ten images a row.
pub(super) fn draw(
    config: &RunConfig,
    data: &RunData,
    model: &Model,
    format: ImageFormat,
    plots: &Path,
    streams: &Streams,
) -> Result<()> {
    let count = config.evaluation.samples.min(MOST);
    if count == 0 {
        return Ok(());
    }
    let grid = ImageGrid {
        shape: format.shape,
        across: ACROSS,
    };
    let drawn = samples(model, count, config.evaluation.batch, streams)?;
    let drawn: Vec<f32> = drawn.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    image_grid(&drawn, grid)?.save(plots.join("samples.png"))?;
    let shown = data.test.first(count)?;
    image_grid(shown.x.cast::<f32>().as_slice(), grid)?.save(plots.join("test-images.png"))?;
    Ok(())
}
