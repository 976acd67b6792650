//! Rows that are images, from the table to samples.

use candle_core::{DType, Device};
use ffjord_data::Matrix;
use ffjord_flow::{Chain, Cnf, CnfSettings, Density, Flow, MovingBatchNorm, Pass, Squeeze};
use ffjord_nn::{ActivationKind, ConvNet, ConvNetConfig};
use ffjord_train::{
    Batch, CheckpointStore, HeldOut, MaximumLikelihood, ShuffledRows, Streams, Trainer, TrainerOptions, Validator,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Images of 4 × 4 pixels that are brighter on one side.
fn images(rows: usize, seed: u64) -> Matrix<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..rows * 16).map(|pixel| {
        let side = if pixel % 4 < 2 { 1.0 } else { -1.0 };
        side + rng.random_range(-0.3..0.3)
    });
    Matrix::new(rows, 16, values.collect()).unwrap()
}

fn flow() -> Flow<Chain> {
    let config = ConvNetConfig::new(4, (2, 2))
        .hidden([4])
        .activation(ActivationKind::Tanh);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let field = ConvNet::new(&config, &mut rng, DType::F32, &Device::Cpu).unwrap();
    let parts: Vec<Box<dyn ffjord_flow::Bijection>> = vec![
        Box::new(MovingBatchNorm::new(&[1, 4, 4], DType::F32, &Device::Cpu).unwrap()),
        Box::new(Squeeze::new(&[1, 4, 4], 2).unwrap()),
        Box::new(Cnf::new(Arc::new(field), CnfSettings::default()).unwrap()),
    ];
    Flow::over_normal(Chain::new(parts).unwrap()).unwrap()
}

#[test]
fn images_are_trained_saved_evaluated_and_sampled() {
    let folder = tempfile::tempdir().unwrap();
    let source = ShuffledRows::new(images(96, 0), 32, DType::F32).unwrap();
    let source = source.shaped(&[1, 4, 4]).unwrap();
    let held_out = ShuffledRows::new(images(32, 1), 32, DType::F32).unwrap();
    let held_out = held_out.shaped(&[1, 4, 4]).unwrap();
    let held_out: Batch = ffjord_train::BatchSource::batch(&held_out, 0, &Streams::new(0)).unwrap();
    let validator = HeldOut::new(held_out.clone()).unwrap();
    let (model, objective) = (flow(), MaximumLikelihood::default());
    let before = validator.validate(&model, &Streams::new(0)).unwrap().nll;
    let run = |iterations: u64| {
        let mut options = TrainerOptions::new(iterations, 2e-2);
        options.validate_every = 10;
        Trainer::new(&model, &objective, &source, options)
            .unwrap()
            .validate(&validator)
            .store(CheckpointStore::new(folder.path()))
            .run()
            .unwrap()
    };
    assert_eq!(run(20).iterations, 20);
    assert_eq!(run(30).iterations, 30, "the longer run goes on from the checkpoint");
    let after = validator.validate(&model, &Streams::new(0)).unwrap().nll;
    assert!(after < before - 4.0, "{after} after {before}");

    let (file, loaded) = (folder.path().join("images.safetensors"), flow());
    model.save(&file).unwrap();
    loaded.load(&file).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let log_prob = |flow: &Flow<Chain>| {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let values = flow.log_prob(&held_out.x, &mut Pass::evaluation(&mut rng)).unwrap();
        values.to_vec1::<f32>().unwrap()
    };
    assert_eq!(log_prob(&model), log_prob(&loaded));
    let samples = loaded.sample(6, &mut Pass::sampling(&mut rng)).unwrap();
    assert_eq!(samples.dims(), [6, 1, 4, 4]);
}
