//! One evaluation of a U-Net on 64 images of 28 × 28 pixels with a time for each, and its gradient, in single precision.
//!
//! Throughput is in images.

use candle_core::{DType, Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ffjord_nn::{Linearization, OutputCotangents, UNet, UNetConfig, VectorField};
use rand::SeedableRng;

const IMAGES: usize = 64;

fn training_step(c: &mut Criterion) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let config = UNetConfig::new(1, (28, 28));
    let field = UNet::new(&config, &mut rng, DType::F32, &Device::Cpu).expect("a valid architecture");
    let z = Tensor::randn(0f32, 1.0, (IMAGES, 1, 28, 28), &Device::Cpu).expect("memory for images");
    let times: Vec<f64> = (0..IMAGES).map(|row| row as f64 / IMAGES as f64).collect();
    let mut group = c.benchmark_group("unet");
    group.sample_size(10).throughput(Throughput::Elements(IMAGES as u64));
    for together in [8, 16, 64] {
        group.bench_function(format!("value and gradient, {together} at a time"), |b| {
            b.iter(|| {
                for first in (0..IMAGES).step_by(together) {
                    let rows = z.narrow(0, first, together).expect("a part of the batch");
                    let times = &times[first..first + together];
                    let outputs = OutputCotangents {
                        value: &rows,
                        products: None,
                        along: &[],
                    };
                    Linearization::at_times(&field, times, &rows, None)
                        .and_then(|linearization| linearization.pullback(field.parameters(), &outputs))
                        .expect("a gradient");
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, training_step);
criterion_main!(benches);
