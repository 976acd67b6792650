//! `eval` of a variational autoencoder: bounds and importance-weighted likelihoods of images.

use super::eval::default_output;
use super::experiment::Measured;
use crate::error::{LabError, Result};
use crate::terminal::say;
use crate::workspace::default_cache;
use ffjord_data::Matrix;
use ffjord_data::table::{self, LoadOptions};
use ffjord_flow::Pass;
use ffjord_run::RunFolder;
use ffjord_run::config::RunConfig;
use ffjord_run::vae::{VaeData, bounds};
use ffjord_train::{Purpose, Streams, to_tensor};
use ffjord_vae::Vae;
use std::path::Path;
use std::process::ExitCode;

/// Evaluates the run's test images, or those of a file, one a row.
///
/// # Errors
/// When the model, its data or the file cannot be read, the images do not fit, or a solve fails.
pub(super) fn run(folder: &RunFolder, data: Option<&Path>, out: Option<&Path>) -> Result<ExitCode> {
    let config = folder.located_config()?;
    let (vae, streams) = (folder.vae()?, Streams::new(config.seed));
    match data {
        Some(file) => of_file(&config, &vae, file, out, &streams)?,
        None => {
            let data = VaeData::load(&config, &streams, &default_cache())?;
            Measured::take(&config, &data, &vae, folder, &streams)?.report(&data, folder);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn of_file(config: &RunConfig, vae: &Vae, file: &Path, out: Option<&Path>, streams: &Streams) -> Result<()> {
    let rows: Matrix<f32> = table::load(file, &LoadOptions::default())?.values.cast();
    let shape = vae.encoder().observation_shape().to_vec();
    let expected: usize = shape.iter().product();
    if rows.columns() != expected {
        return Err(LabError::Columns {
            path: file.to_path_buf(),
            given: rows.columns(),
            expected,
        });
    }
    let &[channels, height, width] = shape.as_slice() else {
        return Err(LabError::Columns {
            path: file.to_path_buf(),
            given: rows.columns(),
            expected,
        });
    };
    let images = (&rows, [channels, height, width]);
    let randomness = (streams, Purpose::Test);
    let (elbo, bound) = bounds(vae, images, config.evaluation.batch, randomness, false, |_| ())?;
    let settings = config.vae.as_ref().map(|vae| vae.importance).unwrap_or_default();
    let (dtype, device) = vae.number_type();
    let mut values = Vec::new();
    for (row, elbo) in elbo.into_iter().enumerate() {
        values.push(elbo);
        if settings.samples > 0 {
            let x = to_tensor(&rows.slice(row..row + 1)?, dtype, &device)?.reshape((1, channels, height, width))?;
            let mut rng = streams.rng(Purpose::Test, row as u64, 4);
            let estimates = vae.importance(
                &x,
                settings.samples,
                settings.at_a_time,
                &mut Pass::evaluation(&mut rng),
            )?;
            for estimate in estimates {
                values.extend([
                    estimate.log_likelihood,
                    estimate.standard_error,
                    estimate.effective_samples,
                ]);
            }
        }
    }
    let names = ["elbo", "log_likelihood", "standard_error", "effective_samples"].map(String::from);
    let names = &names[..if settings.samples > 0 { 4 } else { 1 }];
    let out = out.map_or_else(|| default_output(file), Path::to_path_buf);
    table::save_csv(&out, &Matrix::new(rows.rows(), names.len(), values)?, Some(names))?;
    say!(
        "negative ELBO {:.6} ± {:.6} nats ({} images); one a row: {}",
        bound.negative_elbo,
        bound.standard_error,
        bound.images,
        out.display()
    );
    Ok(())
}
