//! Bounds of many images, and what the latent dimensions are used for.

use super::data::shaped;
use crate::dealing::dealt;
use crate::error::Result;
use crate::statistics::mean_and_standard_error;
use candle_core::DType;
use ffjord_data::{Batches, LastBatch, Matrix};
use ffjord_flow::Pass;
use ffjord_train::{Alone, Communicator, Purpose, Streams};
use ffjord_vae::Vae;
use serde::{Deserialize, Serialize};

/// A latent dimension is in use if the variance of its posterior mean over images exceeds this (Burda et al. 2016,
/// section 5.2).
const ACTIVE: f64 = 0.01;

/// The evidence lower bound of a set of images, with one latent state each.
///
/// ```
/// # use ffjord_run::{ImageFormat, Matrix, config::{Preset, resolve}, vae::build_vae};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # let settings = ["vae.widths=[8]", "vae.latent=2", "model.hidden=[4]"].map(str::to_string);
/// # let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
/// # let (streams, format) = (Streams::new(0), ImageFormat { shape: [1, 8, 8], levels: 17 });
/// # let vae = build_vae(&config, &format, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// # let images = Matrix::new(3, 64, vec![0.0_f32; 3 * 64])?;
/// use ffjord_run::vae::{Bounds, bounds};
/// let (each, mean) = bounds(&vae, (&images, format.shape), 2, (&streams, Purpose::Test), false, |_| ())?;
/// let Bounds { negative_elbo, reconstruction, divergence, images, .. } = mean;
/// assert_eq!((each.len(), images), (3, 3));
/// assert!((negative_elbo - (reconstruction + divergence)).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// The mean of the negative bound, in nats an image.
    pub negative_elbo: f64,
    /// Its standard error over images, in nats; 0 of a single one.
    pub standard_error: f64,
    /// The mean of −ln p(x | z), in nats.
    pub reconstruction: f64,
    /// The mean of ln q(z | x) − ln p(z), in nats.
    pub divergence: f64,
    /// The number of images.
    pub images: usize,
    /// Evaluations of the posterior's vector field, mean over batches; 0 without an equation.
    pub nfe: f64,
}

/// The bounds of images `[N, C·H·W]` of this shape, each image's own in nats and their mean; `batch` at a time, in training
/// passes (with the estimated trace) or evaluation passes.
///
/// ```
/// # use ffjord_run::{ImageFormat, Matrix, config::{Preset, resolve}, vae::build_vae};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # let settings = ["vae.widths=[8]", "vae.latent=2", "model.hidden=[4]"].map(str::to_string);
/// # let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
/// # let (streams, format) = (Streams::new(0), ImageFormat { shape: [1, 8, 8], levels: 17 });
/// # let vae = build_vae(&config, &format, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// # let images = Matrix::new(3, 64, vec![0.0_f32; 3 * 64])?;
/// use ffjord_run::vae::bounds;
/// let evaluate = || bounds(&vae, (&images, format.shape), 2, (&streams, Purpose::Test), false, |_| ());
/// // The same random numbers every time.
/// assert_eq!(evaluate()?.0, evaluate()?.0);
/// assert!((-evaluate()?.0.iter().sum::<f64>() / 3.0 - evaluate()?.1.negative_elbo).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the images do not fit the model or a solve fails.
pub fn bounds(
    vae: &Vae,
    images: (&Matrix<f32>, [usize; 3]),
    batch: usize,
    randomness: (&Streams, Purpose),
    as_in_training: bool,
    progress: impl FnMut(usize),
) -> Result<(Vec<f64>, Bounds)> {
    bounds_together(vae, images, batch, randomness, as_in_training, &Alone, progress)
}

/// As [`bounds`], by several processes that have the same model and images; with the same bits for any number of them.
///
/// ```
/// # use ffjord_run::{ImageFormat, Matrix, config::{Preset, resolve}, vae::build_vae};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # let settings = ["vae.widths=[8]", "vae.latent=2", "model.hidden=[4]"].map(str::to_string);
/// # let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
/// # let (streams, format) = (Streams::new(0), ImageFormat { shape: [1, 8, 8], levels: 17 });
/// # let vae = build_vae(&config, &format, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// # let images = Matrix::new(3, 64, vec![0.0_f32; 3 * 64])?;
/// use ffjord_run::vae::{bounds, bounds_together};
/// let at = (&streams, Purpose::Test);
/// let (alone, _) = bounds_together(&vae, (&images, format.shape), 2, at, false, &Alone, |_| ())?;
/// assert_eq!(alone, bounds(&vae, (&images, format.shape), 2, at, false, |_| ())?.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`bounds`], also for what fails on another process.
pub fn bounds_together(
    vae: &Vae,
    (images, shape): (&Matrix<f32>, [usize; 3]),
    batch: usize,
    (streams, purpose): (&Streams, Purpose),
    as_in_training: bool,
    communicator: &dyn Communicator,
    mut progress: impl FnMut(usize),
) -> Result<(Vec<f64>, Bounds)> {
    let batches = Batches::new(images.rows(), batch.clamp(1, images.rows().max(1)), LastBatch::Keep)?;
    // Of a batch: the sums of likelihoods and divergences, the number of evaluations, and the bounds.
    let all = dealt(communicator, batches.len(), |index| {
        let range = batches.range(index);
        let end = range.end;
        let x = shaped(&images.slice(range)?, shape, vae.number_type().0)?;
        let mut rng = streams.rng(purpose, index as u64, 1);
        let mut pass = match as_in_training {
            true => Pass::training(&mut rng),
            false => Pass::evaluation(&mut rng),
        };
        let evaluated = vae.evaluate(&x, &mut pass)?;
        let sum = |values: &candle_core::Tensor| -> Result<f64> {
            Ok(values.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?)
        };
        let (likelihood, divergence) = (sum(&evaluated.log_likelihood)?, sum(&evaluated.divergence)?);
        let elbo = evaluated.elbo()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let evaluations = pass.cost().snapshot().forward_evaluations;
        progress(end);
        Ok([vec![likelihood, divergence, evaluations], elbo].concat())
    })?;
    let sum = |index: usize| -> f64 { all.iter().filter_map(|numbers| numbers.get(index)).sum() };
    let elbo: Vec<f64> = all.iter().flat_map(|numbers| numbers.iter().skip(3)).copied().collect();
    let (mean, standard_error) = mean_and_standard_error(&elbo);
    let count = elbo.len() as f64;
    let summary = Bounds {
        negative_elbo: -mean,
        standard_error: standard_error.unwrap_or(0.0),
        reconstruction: -sum(0) / count,
        divergence: sum(1) / count,
        images: elbo.len(),
        nfe: sum(2) / batches.len() as f64,
    };
    Ok((elbo, summary))
}

/// What the encoder makes of the latent dimensions, over a set of images.
///
/// ```
/// # use ffjord_run::{ImageFormat, Matrix, config::{Preset, resolve}, vae::build_vae};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # let settings = ["vae.widths=[8]", "vae.latent=2", "model.hidden=[4]"].map(str::to_string);
/// # let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
/// # let (streams, format) = (Streams::new(0), ImageFormat { shape: [1, 8, 8], levels: 17 });
/// # let vae = build_vae(&config, &format, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// # let images = Matrix::new(3, 64, vec![0.0_f32; 3 * 64])?;
/// use ffjord_run::vae::{LatentUnits, latent_units};
/// // Three images that are the same: the encoder's means do not move.
/// let LatentUnits { divergence, activity, active } = latent_units(&vae, (&images, format.shape), 2)?;
/// assert!(divergence.len() == 2 && activity.iter().all(|variance| *variance < 1e-9) && active == 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatentUnits {
    /// KL(N(μ, σ²) ‖ N(0, 1)) of z₀ by dimension, mean over images, in nats, `[D]`; the flow behind z₀ is not counted.
    pub divergence: Vec<f64>,
    /// The variance of μ over images by dimension, `[D]`.
    pub activity: Vec<f64>,
    /// How many dimensions have an activity above 0.01.
    pub active: usize,
}

/// What the encoder makes of the latent dimensions over images `[N, C·H·W]`, `batch` at a time.
///
/// ```
/// # use ffjord_run::{ImageFormat, Matrix, config::{Preset, resolve}, vae::build_vae};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # let settings = ["vae.widths=[8]", "vae.latent=2", "model.hidden=[4]"].map(str::to_string);
/// # let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
/// # let (streams, format) = (Streams::new(0), ImageFormat { shape: [1, 8, 8], levels: 17 });
/// # let vae = build_vae(&config, &format, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// # let images = Matrix::new(3, 64, vec![0.0_f32; 3 * 64])?;
/// use ffjord_run::vae::latent_units;
/// let units = latent_units(&vae, (&images, format.shape), 2)?;
/// assert!(units.divergence.iter().all(|nats| *nats >= 0.0));
/// // Images of another size are refused.
/// assert!(latent_units(&vae, (&images, [1, 4, 4]), 2).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the images do not fit the model.
pub fn latent_units(vae: &Vae, (images, shape): (&Matrix<f32>, [usize; 3]), batch: usize) -> Result<LatentUnits> {
    let latent = vae.latent();
    let batches = Batches::new(images.rows(), batch.clamp(1, images.rows().max(1)), LastBatch::Keep)?;
    let (mut divergence, mut sums, mut squares) = (vec![0.0; latent], vec![0.0; latent], vec![0.0; latent]);
    for range in batches.ranges() {
        let x = shaped(&images.slice(range)?, shape, vae.number_type().0)?;
        let encoded = vae.encoder().encode(&x)?;
        let means = encoded.mean.to_dtype(DType::F64)?.to_vec2::<f64>()?;
        let variances = encoded.variance.to_dtype(DType::F64)?.to_vec2::<f64>()?;
        for (mean, variance) in means.iter().zip(&variances) {
            for unit in 0..latent {
                let (mean, variance) = (mean[unit], variance[unit]);
                divergence[unit] += 0.5 * (mean * mean + variance - 1.0 - variance.ln());
                sums[unit] += mean;
                squares[unit] += mean * mean;
            }
        }
    }
    let count = images.rows() as f64;
    divergence.iter_mut().for_each(|sum| *sum /= count);
    let variance = |(sum, squares): (&f64, &f64)| (squares / count - (sum / count).powi(2)).max(0.0);
    let activity: Vec<f64> = sums.iter().zip(&squares).map(variance).collect();
    Ok(LatentUnits {
        active: activity.iter().filter(|activity| **activity > ACTIVE).count(),
        divergence,
        activity,
    })
}
