//! Pictures of images: samples beside images for testing, samples at several temperatures, images that went to noise and
//! back, training images like samples, and ways between two images through the noise.

use crate::error::Result;
use candle_core::{DType, Tensor};
use ffjord_data::Images;
use ffjord_flow::{Bijection, Density, Pass};
use ffjord_plot::{ImageGrid, image_grid};
use ffjord_run::config::RunConfig;
use ffjord_run::{ImageFormat, Model, RunData, RunError, RunFolder, samples, samples_at};
use ffjord_train::{Purpose, Streams, to_tensor};
use std::path::Path;

/// Images in a picture at most, and of a row of them.
const MOST: usize = 100;
const ACROSS: usize = 10;
/// Standard deviations of the noise, a row of samples each.
const TEMPERATURES: [f64; 6] = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
/// Pairs of images that ways lead between.
const WAYS: usize = 6;

/// What is drawn with.
struct Drawing<'a> {
    model: &'a Model,
    format: ImageFormat,
    batch: usize,
    plots: &'a Path,
    streams: &'a Streams,
}

/// `samples.png` and `test-images.png`, ten images a row; `nearest.png`, samples above the training images nearest to them;
/// `temperatures.png`, a row a temperature, the same noise in a
/// column; `reconstructions.png`, images for testing above what comes back from their noise; `interpolations.png`, ways
/// through the noise between such images.
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
    let batch = config.evaluation.batch;
    let drawing = Drawing {
        model,
        format,
        batch,
        plots,
        streams,
    };
    let drawn = samples(model, count, batch, streams)?;
    drawing.save("samples.png", &drawn)?;
    if let Some(training) = data.training_images() {
        drawing.nearest(&drawn, training)?;
    }
    let shown = data.test.first(count)?;
    let shown = to_tensor(&shown.x, model.dtype(), model.device())?;
    drawing.save("test-images.png", &shown)?;
    let across = count.min(ACROSS);
    let mut rows = Vec::new();
    for temperature in TEMPERATURES {
        rows.push(samples_at(model, temperature, across, batch, streams)?);
    }
    drawing.save("temperatures.png", &Tensor::cat(&rows, 0)?)?;
    let whole = shown.reshape([&[shown.dim(0)?], Density::row_shape(&model.flow)].concat())?;
    let noise = drawing.noise(&whole.narrow(0, 0, across.min(whole.dim(0)?))?)?;
    drawing.reconstructions(&whole, &noise)?;
    drawing.interpolations(&noise)
}

/// Images for testing, five rows, above as many samples of a run.
///
/// # Errors
/// When the run is none of images, a solve fails or the picture cannot be written.
pub fn beside_test_images(
    config: &RunConfig,
    data: &RunData,
    folder: &RunFolder,
    file: &Path,
    streams: &Streams,
) -> Result<()> {
    let Some(format) = data.image else {
        return Err(RunError::RunFolder {
            path: folder.path().to_path_buf(),
            reason: "this is no run of images: give one of a preset such as digits-quick".to_string(),
        }
        .into());
    };
    let model = folder.model()?;
    let shown = data.test.first(MOST / 2)?.x;
    let drawn = samples(&model, shown.rows(), config.evaluation.batch, streams)?;
    let mut images = shown.cast::<f32>().as_slice().to_vec();
    // Samples begin on a row of their own.
    let dimension = shown.columns();
    images.resize(images.len().next_multiple_of(ACROSS * dimension), 1.0);
    images.extend(drawn.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?);
    let grid = ImageGrid {
        shape: format.shape,
        across: ACROSS,
    };
    Ok(image_grid(&images, grid)?.save(file)?)
}

impl Drawing<'_> {
    fn save(&self, name: &str, images: &Tensor) -> Result<()> {
        let grid = ImageGrid {
            shape: self.format.shape,
            across: ACROSS,
        };
        let images: Vec<f32> = images.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        Ok(image_grid(&images, grid)?.save(self.plots.join(name))?)
    }

    /// Noise `[B, D]` that images are carried to, and the way back. No density is asked for, which for an exact trace
    /// would cost a product a pixel.
    fn noise(&self, images: &Tensor) -> Result<Tensor> {
        let mut rng = self.streams.rng(Purpose::Test, 0, 2);
        let noise = self
            .model
            .flow
            .bijection()
            .forward(images, &mut Pass::sampling(&mut rng))?;
        Ok(noise.value)
    }

    fn images(&self, noise: &Tensor) -> Result<Tensor> {
        let mut rng = self.streams.rng(Purpose::Test, 0, 3);
        let rows = noise.dim(0)?;
        let parts = (0..rows).step_by(self.batch.max(1)).map(|start| {
            let part = noise.narrow(0, start, self.batch.max(1).min(rows - start))?;
            let images = self
                .model
                .flow
                .bijection()
                .inverse(&part, &mut Pass::sampling(&mut rng))?;
            Ok(images.value)
        });
        Ok(Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?)
    }

    /// Samples above the training images that are nearest to them: a flow that has learnt by heart makes copies.
    fn nearest(&self, drawn: &Tensor, training: &Images) -> Result<()> {
        let rows = drawn.dim(0)?.min(ACROSS);
        if rows < ACROSS {
            return Ok(());
        }
        let shown: Vec<f32> = drawn
            .narrow(0, 0, rows)?
            .to_dtype(DType::F32)?
            .flatten_all()?
            .to_vec1()?;
        let mut images = shown.clone();
        for sample in shown.chunks_exact(training.dimension()) {
            // The middle of a level.
            let number = |level: &u8| (f32::from(*level) + 0.5) / training.levels() as f32;
            let distance = |image: &[u8]| -> f32 {
                let pairs = image.iter().map(number).zip(sample);
                pairs.map(|(a, b)| (a - b) * (a - b)).sum()
            };
            let all = (0..training.len()).filter_map(|index| training.get(index));
            let all = all.map(|image| (distance(image), image));
            if let Some((_, nearest)) = all.min_by(|a, b| a.0.total_cmp(&b.0)) {
                images.extend(nearest.iter().map(number));
            }
        }
        let shape = (2 * ACROSS, training.dimension());
        self.save("nearest.png", &Tensor::from_vec(images, shape, drawn.device())?)
    }

    fn reconstructions(&self, images: &Tensor, noise: &Tensor) -> Result<()> {
        let images = images.narrow(0, 0, noise.dim(0)?)?;
        // A row that is not full would be filled with the reconstructions.
        if images.dim(0)? == ACROSS {
            self.save(
                "reconstructions.png",
                &Tensor::cat(&[&images, &self.images(noise)?], 0)?,
            )?;
        }
        Ok(())
    }

    /// Ways on great circles: noise between two draws of a normal distribution has their length, on a line less.
    fn interpolations(&self, noise: &Tensor) -> Result<()> {
        let rows = noise.flatten_from(1)?.to_dtype(DType::F64)?.to_vec2::<f64>()?;
        let mut ways: Vec<f64> = Vec::new();
        for pair in rows.windows(2).take(WAYS) {
            for step in 0..ACROSS {
                let part = step as f64 / (ACROSS - 1) as f64;
                ways.extend(on_great_circle(&pair[0], &pair[1], part));
            }
        }
        if ways.is_empty() {
            return Ok(());
        }
        let mut shape = noise.dims().to_vec();
        shape[0] = ways.len() / rows[0].len();
        let ways = Tensor::from_vec(ways, shape, noise.device())?.to_dtype(noise.dtype())?;
        self.save("interpolations.png", &self.images(&ways)?)
    }
}

/// The point at this part of the way from `a` to `b`, along the circle around the origin for directions and evenly for
/// lengths.
fn on_great_circle(a: &[f64], b: &[f64], part: f64) -> Vec<f64> {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (length_a, length_b) = (product(a, a).sqrt(), product(b, b).sqrt());
    let angle = (product(a, b) / (length_a * length_b)).clamp(-1.0, 1.0).acos();
    let length = length_a + part * (length_b - length_a);
    // Directions that are the same, or opposite, or none, have no circle.
    let (of_a, of_b) = match angle.sin() > 1e-6 {
        true => {
            let of = |part: f64| (part * angle).sin() / angle.sin() * length;
            (of(1.0 - part) / length_a, of(part) / length_b)
        }
        false => (1.0 - part, part),
    };
    a.iter().zip(b).map(|(a, b)| of_a * a + of_b * b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_keep_their_distance_from_the_origin() {
        let (a, b) = ([3.0, 0.0], [0.0, 5.0]);
        let middle = on_great_circle(&a, &b, 0.5);
        assert!((middle[0].hypot(middle[1]) - 4.0).abs() < 1e-12 && (middle[0] - middle[1]).abs() < 1e-12);
        for (part, end) in [(0.0, a), (1.0, b)] {
            let point = on_great_circle(&a, &b, part);
            assert!(point.iter().zip(end).all(|(x, y)| (x - y).abs() < 1e-12));
        }
        assert_eq!(on_great_circle(&a, &[-3.0, 0.0], 0.5), [0.0, 0.0]);
        assert_eq!(on_great_circle(&[0.0], &[0.0], 0.5), [0.0]);
    }
}
