//! A run's pictures.

mod comparison;
mod images;
mod path;
mod table;
mod training;
mod two_dimensional;
pub mod vae;

pub use comparison::compare;
pub use images::beside_test_images;
pub use two_dimensional::{along_the_path, densities_beside_data};

use crate::error::Result;
use candle_core::{DType, Tensor};
use ffjord_run::config::RunConfig;
use ffjord_run::{Model, RunData, RunFolder};
use ffjord_train::Streams;

/// Draws everything that suits the data into the folder's `plots/`; for a density of two dimensions, returns its integral
/// over the picture's grid.
///
/// # Errors
/// When a solve fails or a picture cannot be written.
pub fn draw(
    config: &RunConfig,
    data: &RunData,
    model: &Model,
    folder: &RunFolder,
    streams: &Streams,
) -> Result<Option<f64>> {
    let plots = folder.plots();
    std::fs::create_dir_all(&plots).map_err(crate::error::LabError::io("create", &plots))?;
    training::draw(&folder.metrics(), &plots.join("training.png"))?;
    // A conditional density is another one for every row: what is drawn of it are samples beside their rows.
    if data.dimension == 2 && data.given.is_none() {
        return Ok(Some(two_dimensional::draw(config, data, model, &plots, streams)?));
    }
    if let Some(format) = data.image {
        images::draw(config, data, model, format, &plots, streams)?;
        return Ok(None);
    }
    table::draw(config, data, model, &plots, streams)?;
    Ok(None)
}

/// The rows of a tensor `[B, 2]` as points.
fn points(tensor: &Tensor) -> Result<Vec<[f32; 2]>> {
    let rows = tensor.to_dtype(DType::F32)?.to_vec2::<f32>()?;
    Ok(rows.into_iter().map(|row| [row[0], row[1]]).collect())
}
