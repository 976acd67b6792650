//! A variational autoencoder of handwritten digits with two latent dimensions, whose posterior is a continuous flow that
//! takes the encoder's features as an input, and a picture of its latent plane.

use crate::Outcome;
use ffjord::candle::{DType, Device, Tensor};
use ffjord::data::{ImageSet, Images};
use ffjord::flow::{Cnf, Pass};
use ffjord::nn::ops::Function;
use ffjord::plot::{ImageGrid, image_grid};
use ffjord::rand::Rng;
use ffjord::train::{FreshSamples, IntoBatch, Purpose, Streams, TrainError, Trainer, TrainerOptions};
use ffjord::vae::{Bernoulli, DenseDecoder, DenseEncoder, Elbo, FlowPosterior, Vae};
use std::path::Path;

const PIXELS: usize = 64;
const FEATURES: usize = 64;
const ACROSS: usize = 16;

/// The bound on the log-likelihood of test images, and an estimate of it, in nats an image.
#[derive(Debug)]
pub struct Bounds {
    /// The evidence lower bound.
    pub elbo: f64,
    /// The importance-weighted likelihood, in the mean at most the true one and above the bound.
    pub importance: f64,
}

/// Some of the images `[rows, 64]`; a pixel is ink with the probability of its grey level.
fn drawn(images: &Images, rows: usize, rng: &mut impl Rng) -> Result<Tensor, TrainError> {
    let indices: Vec<u32> = (0..rows).map(|_| rng.random_range(0..images.len() as u32)).collect();
    Ok(images.binary(&indices, rng)?.into_batch(DType::F32, &Device::Cpu)?.x)
}

/// Trains for so many iterations and draws what the decoder makes of the latent plane into `picture`.
///
/// # Errors
/// When training or a solve fails, or the picture cannot be written.
pub fn run(iterations: u64, picture: &Path) -> Outcome<Bounds> {
    let (streams, dtype, device) = (Streams::new(0), DType::F32, Device::Cpu);
    let digits = ImageSet::Digits.load(None)?;
    let source = FreshSamples::new(100, dtype, |rows, rng| drawn(&digits.train, rows, rng));

    let (mut rng, f) = (streams.rng(Purpose::Initialise, 0, 0), Function::Softplus);
    let encoder = DenseEncoder::new(&[PIXELS], &[128, FEATURES], 2, f, &mut rng, dtype, &device)?;
    let likelihood = Bernoulli::default();
    let decoder = DenseDecoder::new(&[PIXELS], &[64, 128], 2, &likelihood, f, &mut rng, dtype, &device)?;
    let flow = Cnf::builder(2)
        .given(FEATURES)
        .hidden([32, 32])
        .tolerance(1e-3)
        .build()?;
    let vae = Vae::new(encoder, FlowPosterior::new(flow, FEATURES)?, decoder, likelihood)?;

    let objective = Elbo::default().warm_up(iterations / 10);
    let summary = Trainer::new(&vae, &objective, &source, TrainerOptions::new(iterations, 2e-3))?
        .streams(streams)
        .run()?;
    let mut rng = streams.rng(Purpose::Test, 0, 0);
    let x = drawn(&digits.test, 100, &mut rng)?;
    let mut pass = Pass::evaluation(&mut rng);
    let elbo: f32 = vae.evaluate(&x, &mut pass)?.elbo()?.mean_all()?.to_scalar()?;
    let estimates = vae.importance(&x, 100, 50, &mut pass)?;
    let importance = estimates.iter().map(|estimate| estimate.log_likelihood).sum::<f64>() / 100.0;
    let bounds = Bounds {
        elbo: f64::from(elbo),
        importance,
    };
    println!("{summary}; of test images {bounds:?} nats");

    let place = |index: usize| 4.0 * index as f32 / (ACROSS - 1) as f32 - 2.0;
    let plane: Vec<f32> = (0..ACROSS * ACROSS)
        .flat_map(|index| [place(index % ACROSS), place(index / ACROSS)])
        .collect();
    let plane = Tensor::from_vec(plane, (ACROSS * ACROSS, 2), &device)?;
    let means: Vec<f32> = vae.observe(&plane)?.flatten_all()?.to_vec1()?;
    image_grid(
        &means,
        ImageGrid {
            shape: [1, 8, 8],
            across: ACROSS,
        },
    )?
    .save(picture)?;
    println!("latent states from -2 to 2: {}", picture.display());
    Ok(bounds)
}
