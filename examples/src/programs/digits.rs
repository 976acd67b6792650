//! Images: handwritten digits of 8 × 8 pixels, by flow matching.
//!
//! Every pixel's distribution of levels is made normal first, which is a model of independent pixels already; then a
//! continuous flow learns what pixels have to do with each other, without a solve in training. Likelihoods come from the
//! solve afterwards, in bits per dimension. The presets `digits-quick` and `digits-flow-matching-quick` do better with
//! convolutions.

use crate::{Outcome, Trained};
use ffjord::candle::{DType, Device, Tensor};
use ffjord::data::{ImageSet, Images};
use ffjord::flow::{Chain, Cnf, Density, Flow, MarginalMaps, Pass, SolveSettings, TraceMode};
use ffjord::ode::{Method, Solver};
use ffjord::plot::{ImageGrid, image_grid};
use ffjord::rand::Rng;
use ffjord::trace::ProbeDistribution;
use ffjord::train::{FlowMatching, FreshSamples, NoiseCoupling, Purpose, Streams, Trainer, TrainerOptions, to_tensor};
use std::path::Path;

/// How often each pixel `[D]` has each level `[L]`, with one image more of every level, so that none is impossible.
fn level_counts(images: &Images) -> Vec<f64> {
    let levels = images.levels();
    let mut counts = vec![1.0; images.dimension() * levels];
    for image in (0..images.len()).filter_map(|index| images.get(index)) {
        for (pixel, level) in image.iter().enumerate() {
            counts[pixel * levels + usize::from(*level)] += 1.0;
        }
    }
    counts
}

/// Trains for so many iterations and draws samples into `picture`; returns bits per dimension of a hundred test images.
///
/// # Errors
/// When training or a solve fails, or the picture cannot be written.
pub fn run(iterations: u64, picture: &Path) -> Outcome<Trained> {
    let (digits, streams) = (ImageSet::Digits.load(None)?, Streams::new(0));
    let (pixels, levels) = (digits.train.dimension(), digits.train.levels());
    let maps = MarginalMaps::of_levels(&[pixels], levels, DType::F32, &Device::Cpu)?;
    maps.refit_levels(&level_counts(&digits.train))?;
    let trace = TraceMode::Hutchinson {
        distribution: ProbeDistribution::Rademacher,
        probes: 4,
    };
    let evaluation = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(20)).trace(trace);
    let cnf = Cnf::builder(pixels)
        .hidden([128, 128])
        .fixed_end_time(1.0)
        .evaluation(evaluation)
        .build()?;
    let flow = Flow::over_normal(Chain::new(vec![Box::new(maps), Box::new(cnf)])?)?;

    let test = digits.test.dequantised(0..100, &mut streams.rng(Purpose::Test, 0, 0))?;
    let test = to_tensor(&test, DType::F32, &Device::Cpu)?;
    // ln p counts (k + u) / levels, of which a level is a cell of this width.
    let bits = || -> Outcome<f64> {
        let mut rng = streams.rng(Purpose::Test, 1, 0);
        let log_prob: f32 = flow
            .log_prob(&test, &mut Pass::evaluation(&mut rng))?
            .mean_all()?
            .to_scalar()?;
        Ok((-f64::from(log_prob) / pixels as f64 + (levels as f64).ln()) / 2f64.ln())
    };
    let before = bits()?;
    let source = FreshSamples::new(128, DType::F32, |rows, rng| {
        let drawn: Vec<u32> = (0..rows)
            .map(|_| rng.random_range(0..digits.train.len() as u32))
            .collect();
        digits.train.batch(&drawn, false, rng)
    });
    let objective = FlowMatching::new(NoiseCoupling::Independent)?;
    let options = TrainerOptions::new(iterations, 2e-3);
    let summary = Trainer::new(&flow, &objective, &source, options)?
        .streams(streams)
        .run()?;
    let after = bits()?;
    println!("{summary}; from {before:.3} to {after:.3} bits per dimension");

    let mut rng = streams.rng(Purpose::Sample, 0, 0);
    let samples: Tensor = flow.sample(64, &mut Pass::sampling(&mut rng))?;
    let grid = ImageGrid {
        shape: digits.train.shape(),
        across: 16,
    };
    image_grid(&samples.flatten_all()?.to_vec1::<f32>()?, grid)?.save(picture)?;
    println!("samples: {}", picture.display());
    Ok(Trained { before, after })
}
