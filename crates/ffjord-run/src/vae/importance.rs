//! The likelihood of many images by importance sampling, in a file that a later call goes on with.

use super::data::shaped;
use crate::config::ImportanceConfig;
use crate::dealing::dealt;
use crate::error::{Result, RunError};
use crate::statistics::mean_and_standard_error;
use ffjord_data::Matrix;
use ffjord_data::manifest::FileRecord;
use ffjord_flow::Pass;
use ffjord_train::{Alone, Communicator, MetricsWriter, Purpose, Streams, agree, read_metrics};
use ffjord_vae::Vae;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

/// The likelihood of a set of images.
///
/// ```
/// # use ffjord_run::{ImageFormat, Matrix, config::{Preset, resolve}, vae::build_vae};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # let settings = ["vae.widths=[8]", "vae.latent=2", "model.hidden=[4]"].map(str::to_string);
/// # let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
/// # let (streams, format) = (Streams::new(0), ImageFormat { shape: [1, 8, 8], levels: 17 });
/// # let vae = build_vae(&config, &format, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// # let images = Matrix::new(3, 64, vec![0.0_f32; 3 * 64])?;
/// use ffjord_run::{config::ImportanceConfig, vae::{ImageLikelihoods, importance}};
/// # let place = tempfile::tempdir()?;
/// # let (file, weights) = (place.path().join("importance.jsonl"), place.path().join("model.safetensors"));
/// # ffjord_train::save_tensors(&weights, &[], None)?;
/// let settings = ImportanceConfig { samples: 8, at_a_time: 4, images: Some(2) };
/// let found = importance(&vae, (&images, format.shape), settings, &streams, (&file, &weights), |_| ())?;
/// let ImageLikelihoods { nll, effective_samples, images, samples, .. } = found.ok_or("samples were asked for")?;
/// assert_eq!((images, samples), (2, 8));
/// assert!(nll > 0.0 && (1.0..=8.0).contains(&effective_samples));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ImageLikelihoods {
    /// The mean of −ln p(x), in nats an image: above the true one in the mean, and ever less with more samples.
    pub nll: f64,
    /// Its standard error over images, in nats.
    pub standard_error: f64,
    /// Its standard error by the latent states that were drawn, in nats.
    pub sampling_error: f64,
    /// The effective number of samples, mean over images.
    pub effective_samples: f64,
    /// The smallest one.
    pub least_effective_samples: f64,
    /// Latent states an image.
    pub samples: usize,
    /// The number of images.
    pub images: usize,
}

/// One image's, as a line of the file has it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Line {
    iteration: u64,
    log_likelihood: f64,
    standard_error: f64,
    effective_samples: f64,
}

/// Estimates of ln p(x) of images `[N, C·H·W]` of this shape by `settings.samples` latent states each. Every image's
/// estimate goes to `file` as it is there; of a file of the same weights, seed and settings what is there is taken.
///
/// ```
/// # use ffjord_run::{ImageFormat, Matrix, config::{Preset, resolve}, vae::build_vae};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # let settings = ["vae.widths=[8]", "vae.latent=2", "model.hidden=[4]"].map(str::to_string);
/// # let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
/// # let (streams, format) = (Streams::new(0), ImageFormat { shape: [1, 8, 8], levels: 17 });
/// # let vae = build_vae(&config, &format, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// # let images = Matrix::new(3, 64, vec![0.0_f32; 3 * 64])?;
/// use ffjord_run::{config::ImportanceConfig, vae::importance};
/// # let place = tempfile::tempdir()?;
/// # let (file, weights) = (place.path().join("importance.jsonl"), place.path().join("model.safetensors"));
/// # ffjord_train::save_tensors(&weights, &[], None)?;
/// let settings = ImportanceConfig { samples: 8, at_a_time: 4, images: None };
/// let estimate = || importance(&vae, (&images, format.shape), settings, &streams, (&file, &weights), |_| ());
/// // What stands in the file is not estimated again.
/// assert_eq!(estimate()?, estimate()?);
/// assert!(file.is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the images do not fit the model, a solve fails, or the file cannot be read or written.
pub fn importance(
    vae: &Vae,
    images: (&Matrix<f32>, [usize; 3]),
    settings: ImportanceConfig,
    streams: &Streams,
    files: (&Path, &Path),
    progress: impl FnMut(usize),
) -> Result<Option<ImageLikelihoods>> {
    importance_together(vae, images, settings, streams, files, &Alone, progress)
}

/// As [`importance`], by several processes that have the same model and images; the first of them has the file.
///
/// ```
/// # use ffjord_run::{ImageFormat, Matrix, config::{Preset, resolve}, vae::build_vae};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # let settings = ["vae.widths=[8]", "vae.latent=2", "model.hidden=[4]"].map(str::to_string);
/// # let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
/// # let (streams, format) = (Streams::new(0), ImageFormat { shape: [1, 8, 8], levels: 17 });
/// # let vae = build_vae(&config, &format, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// # let images = Matrix::new(3, 64, vec![0.0_f32; 3 * 64])?;
/// use ffjord_run::{config::ImportanceConfig, vae::importance_together};
/// # let place = tempfile::tempdir()?;
/// # let (file, weights) = (place.path().join("importance.jsonl"), place.path().join("model.safetensors"));
/// # ffjord_train::save_tensors(&weights, &[], None)?;
/// let (settings, files) = (ImportanceConfig { samples: 4, at_a_time: 4, images: Some(1) }, (&*file, &*weights));
/// let found = importance_together(&vae, (&images, format.shape), settings, &streams, files, &Alone, |_| ())?;
/// assert_eq!(found.ok_or("samples were asked for")?.images, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`importance`], also for what fails on another process.
pub fn importance_together(
    vae: &Vae,
    (images, shape): (&Matrix<f32>, [usize; 3]),
    settings: ImportanceConfig,
    streams: &Streams,
    (file, weights): (&Path, &Path),
    communicator: &dyn Communicator,
    mut progress: impl FnMut(usize),
) -> Result<Option<ImageLikelihoods>> {
    let count = settings.images.unwrap_or(usize::MAX).min(images.rows());
    if settings.samples == 0 || count == 0 {
        return Ok(None);
    }
    let opened = match communicator.rank() {
        0 => opened(file, weights, settings, streams, count).map(|(lines, writer)| (lines, Some(writer))),
        _ => Ok((Vec::new(), None)),
    };
    let show = |(lines, _): &(Vec<Line>, _)| serde_json::to_vec(lines).unwrap_or_default();
    let ((_, mut writer), shown) = agree(communicator, opened, show)?;
    // All lines are finite numbers, which JSON keeps to the last bit.
    let mut lines: Vec<Line> = serde_json::from_slice(shown.first().map_or(&[], Vec::as_slice))?;
    let size = communicator.size();
    for first in (lines.len()..count).step_by(size) {
        progress(first);
        let estimates = dealt(communicator, size.min(count - first), |part| {
            let image = first + part;
            let x = shaped(&images.slice(image..image + 1)?, shape, vae.number_type().0)?;
            // A function of seed and image: it does not matter which images are estimated by which process.
            let mut rng = streams.rng(Purpose::Test, image as u64, 4);
            let mut pass = Pass::evaluation(&mut rng);
            let estimates = vae.importance(&x, settings.samples, settings.at_a_time, &mut pass)?;
            let numbers = estimates.into_iter().flat_map(|estimate| {
                // A single sample has no standard error.
                let error = Some(estimate.standard_error).filter(|error| error.is_finite());
                [
                    estimate.log_likelihood,
                    error.unwrap_or(0.0),
                    estimate.effective_samples,
                ]
            });
            Ok(numbers.collect())
        })?;
        for numbers in estimates {
            let (triples, _) = numbers.as_chunks();
            for [log_likelihood, standard_error, effective_samples] in triples {
                let line = Line {
                    iteration: lines.len() as u64 + 1,
                    log_likelihood: *log_likelihood,
                    standard_error: *standard_error,
                    effective_samples: *effective_samples,
                };
                if let Some(writer) = &mut writer {
                    writer.write(&serde_json::to_value(line)?)?;
                }
                lines.push(line);
            }
        }
    }
    let values: Vec<f64> = lines.iter().map(|line| line.log_likelihood).collect();
    let (mean, standard_error) = mean_and_standard_error(&values);
    let squares: f64 = lines.iter().map(|line| line.standard_error.powi(2)).sum();
    let effective =
        |fold: fn(f64, f64) -> f64, start| lines.iter().map(|line| line.effective_samples).fold(start, fold);
    Ok(Some(ImageLikelihoods {
        nll: -mean,
        standard_error: standard_error.unwrap_or(0.0),
        sampling_error: squares.sqrt() / values.len() as f64,
        effective_samples: effective(|a, b| a + b, 0.0) / values.len() as f64,
        least_effective_samples: effective(f64::min, f64::INFINITY),
        samples: settings.samples,
        images: values.len(),
    }))
}

/// What the file has of the first `count` images, and it, to be written further.
fn opened(
    file: &Path,
    weights: &Path,
    settings: ImportanceConfig,
    streams: &Streams,
    count: usize,
) -> Result<(Vec<Line>, MetricsWriter)> {
    let head = json!({
        "iteration": 0,
        "weights": FileRecord::of_file(weights)?.sha256,
        "seed": streams.seed(),
        "samples": settings.samples,
        "at_a_time": settings.at_a_time,
    });
    let mut lines = stored(file, &head)?;
    lines.truncate(count);
    let writer = match lines.len() {
        0 => {
            let mut writer = MetricsWriter::create(file)?;
            writer.write(&head)?;
            writer
        }
        done => MetricsWriter::resume(file, done as u64)?,
    };
    Ok((lines, writer))
}

/// What a file of the same head has, up to the first line that is not the next.
fn stored(file: &Path, head: &Value) -> Result<Vec<Line>> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let lines = read_metrics(file)?;
    if lines.first() != Some(head) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for line in lines.into_iter().skip(1) {
        let line: Line = serde_json::from_value(line).map_err(|error| RunError::RunFolder {
            path: file.to_path_buf(),
            reason: format!("this file is damaged: {error}; remove it, and its estimates are made again"),
        })?;
        if line.iteration != found.len() as u64 + 1 {
            break;
        }
        found.push(line);
    }
    Ok(found)
}
