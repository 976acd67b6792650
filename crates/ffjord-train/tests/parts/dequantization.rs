//! Variational dequantisation by maximum likelihood: the bound comes close to the probability of the levels.

use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Bijection, Chain, Density, DequantizationConfig, Flow, Logit, Pass, VariationalDequantization};
use ffjord_nn::ActivationKind;
use ffjord_train::{Adam, AdamConfig, Batch, MaximumLikelihood, Objective, Optimizer, Purpose, Streams};
use rand::Rng;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const LEVELS: usize = 4;
const SHAPE: [usize; 3] = [1, 2, 2];

/// Images of uniform levels with uniform noise.
fn images(rows: usize, index: u64) -> Outcome<Tensor> {
    let mut rng = Streams::new(4).rng(Purpose::Data, index, 0);
    let numbers: Vec<f64> = (0..rows * 4).map(|_| rng.random_range(0.0..1.0)).collect();
    Ok(Tensor::from_vec(
        numbers,
        &[&[rows], SHAPE.as_slice()].concat()[..],
        &Device::Cpu,
    )?)
}

/// `ln P(k)` of a pixel's level where the logit is standard normal, by a sum over the cell, plus `ln L`.
fn exact(level: usize, alpha: f64) -> f64 {
    let steps = 20_000;
    let density = |x: f64| {
        let s = alpha + (1.0 - 2.0 * alpha) * x;
        let y = (s / (1.0 - s)).ln();
        (-0.5 * y * y).exp() / (2.0 * std::f64::consts::PI).sqrt() * (1.0 - 2.0 * alpha) / (s * (1.0 - s))
    };
    let points = (0..steps).map(|step| (level as f64 + (step as f64 + 0.5) / f64::from(steps)) / LEVELS as f64);
    (points.map(density).sum::<f64>() / f64::from(steps)).ln()
}

#[test]
fn the_bound_comes_close_to_the_probability_of_levels() -> Outcome {
    // Densities that rise from zero within the outer levels: uniform noise is far from what they are.
    let alpha = 1e-3;
    let config = DequantizationConfig {
        shape: SHAPE,
        levels: LEVELS,
        couplings: 1,
        hidden: vec![12],
        activation: ActivationKind::Tanh,
    };
    let mut rng = Streams::new(1).rng(Purpose::Initialise, 0, 0);
    let noise = VariationalDequantization::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
    let flow = Flow::over_normal(Chain::new(vec![Box::new(noise), Box::new(Logit::new(&SHAPE, alpha)?)])?)?;
    let rows = images(4000, 0)?;
    let bound = || -> Outcome<f64> {
        let mut rng = Streams::new(2).rng(Purpose::Test, 0, 0);
        Ok(flow
            .log_prob(&rows, &mut Pass::evaluation(&mut rng))?
            .mean_all()?
            .to_scalar()?)
    };
    let levels = (rows.flatten_all()? * LEVELS as f64)?.floor()?.to_vec1::<f64>()?;
    let exact: f64 = levels.iter().map(|level| exact(*level as usize, alpha)).sum::<f64>() / 4000.0;
    let uniform = bound()?;

    let parameters = flow.bijection().parameters();
    let mut optimizer = Adam::new(parameters.clone(), AdamConfig::default())?;
    let objective = MaximumLikelihood::new(Vec::new());
    for iteration in 0..300 {
        let mut rng = Streams::new(3).rng(Purpose::Probe, iteration, 0);
        let batch = Batch::from(images(64, 1 + iteration)?);
        let loss = objective.loss(&flow, &batch, &mut Pass::training(&mut rng))?.total;
        let store = loss.backward()?;
        let gradient = |parameter: &ffjord_nn::Parameter| store.get(&parameter.var).cloned().ok_or("no gradient");
        let gradients = parameters.iter().map(gradient).collect::<Result<Vec<_>, _>>()?;
        optimizer.step(&gradients, 2e-2)?;
    }
    let trained = bound()?;
    assert!(uniform < exact - 0.1, "uniform {uniform}, exact {exact}");
    assert!(trained < exact + 0.02, "a bound that is none: {trained}, exact {exact}");
    assert!(
        exact - trained < 0.3 * (exact - uniform),
        "{uniform} to {trained} of {exact}"
    );
    Ok(())
}
