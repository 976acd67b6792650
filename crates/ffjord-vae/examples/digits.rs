//! A variational autoencoder of handwritten digits with two latent dimensions, whose posterior is a continuous flow that
//! takes the encoder's features as an input. It trains in less than a minute and draws its latent plane:
//!
//! ```sh
//! cargo run --release -p ffjord-vae --example digits
//! ```

use candle_core::{DType, Device, Tensor};
use ffjord_data::image::{ImageSet, Images};
use ffjord_flow::{Cnf, Pass};
use ffjord_nn::ops::Function;
use ffjord_plot::{ImageGrid, image_grid};
use ffjord_train::{FreshSamples, Purpose, Streams, TrainError, Trainer, TrainerOptions};
use ffjord_vae::{Bernoulli, DenseDecoder, DenseEncoder, Elbo, FlowPosterior, Vae};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::error::Error;

const PIXELS: usize = 64;
const FEATURES: usize = 64;
const ACROSS: usize = 16;

/// Some of the images `[rows, 64]`; a pixel is ink with the probability of its grey level.
fn drawn(images: &Images, rows: usize, rng: &mut ChaCha8Rng) -> Result<Tensor, TrainError> {
    let mut ink = Vec::with_capacity(rows * PIXELS);
    for _ in 0..rows {
        let image = images.get(rng.random_range(0..images.len())).unwrap_or_default();
        let most = f32::from(images.levels() as u16 - 1);
        ink.extend(
            image
                .iter()
                .map(|grey| match rng.random::<f32>() * most < f32::from(*grey) {
                    true => 1.0f32,
                    false => 0.0,
                }),
        );
    }
    Ok(Tensor::from_vec(ink, (rows, PIXELS), &Device::Cpu)?)
}

fn main() -> Result<(), Box<dyn Error>> {
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

    let options = TrainerOptions::new(3_000, 2e-3);
    let summary = Trainer::new(&vae, &Elbo::default().warm_up(300), &source, options)?
        .streams(streams)
        .run()?;
    println!("{summary}");

    let mut rng = streams.rng(Purpose::Test, 0, 0);
    let x = drawn(&digits.test, 300, &mut rng)?;
    let mut pass = Pass::evaluation(&mut rng);
    let bound: f32 = vae.evaluate(&x, &mut pass)?.elbo()?.mean_all()?.to_scalar()?;
    let estimates = vae.importance(&x, 500, 50, &mut pass)?;
    let likelihood = estimates.iter().map(|estimate| estimate.log_likelihood).sum::<f64>() / 300.0;
    println!("test images: bound {bound:.2} nats, importance-weighted {likelihood:.2} nats");

    let place = |index: usize| 4.0 * index as f32 / (ACROSS - 1) as f32 - 2.0;
    let plane: Vec<f32> = (0..ACROSS * ACROSS)
        .flat_map(|index| [place(index % ACROSS), place(index / ACROSS)])
        .collect();
    let plane = Tensor::from_vec(plane, (ACROSS * ACROSS, 2), &device)?;
    let means: Vec<f32> = vae.observe(&plane)?.flatten_all()?.to_vec1()?;
    let grid = ImageGrid {
        shape: [1, 8, 8],
        across: ACROSS,
    };
    image_grid(&means, grid)?.save("digits-latent-plane.png")?;
    println!("digits-latent-plane.png: what the decoder makes of latent states from -2 to 2");
    Ok(())
}
