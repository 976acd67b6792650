//! Training with every bound, and gradients through a flow's solve.

use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Cnf, Pass};
use ffjord_nn::ops::Function;
use ffjord_train::{Batch, FreshSamples, Model, Objective, Trainer, TrainerOptions};
use ffjord_vae::{Bernoulli, DenseDecoder, DenseEncoder, Elbo, FlowPosterior, Result, Vae};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PIXELS: usize = 12;

fn model() -> Result<Vae> {
    let (mut rng, dtype, device) = (ChaCha8Rng::seed_from_u64(3), DType::F64, Device::Cpu);
    let encoder = DenseEncoder::new(&[PIXELS], &[10], 2, Function::Tanh, &mut rng, dtype, &device)?;
    let likelihood = Bernoulli::default();
    let decoder = DenseDecoder::new(
        &[PIXELS],
        &[10],
        2,
        &likelihood,
        Function::Tanh,
        &mut rng,
        dtype,
        &device,
    )?;
    let flow = Cnf::builder(2)
        .given(10)
        .hidden([8])
        .dtype(dtype)
        .tolerance(1e-7)
        .build()?;
    Vae::new(encoder, FlowPosterior::new(flow, 10)?, decoder, likelihood)
}

/// Bars: the pixels up to a random place are 1.
fn bars(rows: usize, rng: &mut ChaCha8Rng) -> Tensor {
    let bar = |rng: &mut ChaCha8Rng| {
        let end = rng.random_range(0..=PIXELS);
        (0..PIXELS).map(move |pixel| if pixel < end { 1.0 } else { 0.0 })
    };
    let pixels: Vec<f64> = (0..rows).flat_map(|_| bar(rng).collect::<Vec<_>>()).collect();
    Tensor::from_vec(pixels, (rows, PIXELS), &Device::Cpu).unwrap()
}

fn loss(model: &Vae, objective: &Elbo, batch: &Batch) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut pass = Pass::training(&mut rng).at_iteration(4);
    objective.loss(model, batch, &mut pass).unwrap().total
}

#[test]
fn gradients_of_every_bound_are_those_of_differences() -> Result<()> {
    let model = model()?;
    let batch = Batch::from(bars(5, &mut ChaCha8Rng::seed_from_u64(2)));
    let objectives = [
        Elbo::default(),
        Elbo::default().warm_up(10).free_nats(0.01)?,
        Elbo::default().samples(3)?,
    ];
    for objective in objectives {
        let store = loss(&model, &objective, &batch).backward()?;
        for parameter in model.parameters() {
            let var = &parameter.var;
            let gradient = store.get(var).unwrap().flatten_all()?.to_vec1::<f64>()?;
            let before = var.as_detached_tensor().copy()?;
            let place = gradient.len() / 2;
            let moved = |by: f64| -> Result<f64> {
                let mut values = before.flatten_all()?.to_vec1::<f64>()?;
                values[place] += by;
                var.set(&Tensor::from_vec(values, before.shape(), &Device::Cpu)?)?;
                Ok(loss(&model, &objective, &batch).to_scalar::<f64>()?)
            };
            let difference = (moved(1e-5)? - moved(-1e-5)?) / 2e-5;
            var.set(&before)?;
            let gap = (difference - gradient[place]).abs();
            assert!(gap < 2e-5 * (1.0 + difference.abs()), "{}: {gap:e}", parameter.name);
        }
    }
    Ok(())
}

#[test]
fn beta_rises_over_the_warm_up() {
    let objective = Elbo::default().warm_up(4);
    let betas: Vec<f64> = [0, 1, 3, 4, 100].map(|iteration| objective.beta_at(iteration)).to_vec();
    assert_eq!(betas, [0.25, 0.5, 1.0, 1.0, 1.0]);
    assert_eq!(Elbo::default().beta_at(0), 1.0);
    // Two epochs of three iterations: as the released code counts them from 1.
    let by_epoch = Elbo::default().warm_up(6).in_steps_of(3);
    let betas: Vec<f64> = [0, 2, 3, 5, 6].map(|iteration| by_epoch.beta_at(iteration)).to_vec();
    assert_eq!(betas, [0.5, 0.5, 1.0, 1.0, 1.0]);
}

#[test]
fn a_model_of_bars_comes_close_to_their_entropy() -> Result<(), Box<dyn std::error::Error>> {
    let model = model()?;
    let source = FreshSamples::new(64, DType::F64, |rows, rng: &mut ChaCha8Rng| bars(rows, rng));
    let objective = Elbo::default();
    let options = TrainerOptions::new(300, 2e-2);
    Trainer::new(&model, &objective, &source, options)?.run()?;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let x = bars(500, &mut rng);
    let elbo = model
        .evaluate(&x, &mut Pass::evaluation(&mut rng))?
        .elbo()?
        .mean_all()?
        .to_scalar::<f64>()?;
    // The entropy of 13 bars bounds what any model reaches; independent pixels have about 12 · 0.55 nats.
    let entropy = 13f64.ln();
    assert!(elbo < -entropy + 0.2, "{elbo}");
    assert!(elbo > -1.5 * entropy, "{elbo}");
    Ok(())
}
