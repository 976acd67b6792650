//! A model with a linear decoder and Gaussian noise, all of whose likelihoods have closed forms.

use candle_core::{DType, Device, Tensor};
use ffjord_flow::Pass;
use ffjord_nn::Parameter;
use ffjord_vae::{Decoder, Encoded, Encoder, Likelihood, NoFlow, Result, Vae};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;

/// x = w z + σ ε with one latent dimension and two observed ones.
const W: [f64; 2] = [1.2, -0.7];
const NOISE: f64 = 0.5;

#[derive(Debug)]
struct Line {
    /// The encoder's mean is this far from the posterior's, its variance so many times that of it.
    shift: f64,
    factor: f64,
}

impl Line {
    /// Variance of the true posterior.
    fn variance() -> f64 {
        1.0 / (1.0 + (W[0] * W[0] + W[1] * W[1]) / (NOISE * NOISE))
    }
}

impl Encoder for Line {
    fn encode(&self, x: &Tensor) -> Result<Encoded> {
        let w = Tensor::new(&W, x.device())?.unsqueeze(1)?;
        let mean = ((x.matmul(&w)? * (Line::variance() / (NOISE * NOISE)))? + self.shift)?;
        Ok(Encoded {
            features: x.clone(),
            variance: (mean.ones_like()? * (self.factor * Line::variance()))?,
            mean,
        })
    }
    fn observation_shape(&self) -> &[usize] {
        &[2]
    }
    fn latent(&self) -> usize {
        1
    }
    fn features(&self) -> usize {
        2
    }
    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::constant("unused", 1, 0.0, DType::F64, &Device::Cpu).unwrap()]
    }
}

impl Decoder for Line {
    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        Ok(z.matmul(&Tensor::new(&W, z.device())?.unsqueeze(0)?)?)
    }
    fn latent(&self) -> usize {
        1
    }
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }
}

#[derive(Debug)]
struct Gaussian;

impl Likelihood for Gaussian {
    fn parameters_per_number(&self) -> usize {
        1
    }
    fn log_prob(&self, parameters: &Tensor, x: &Tensor) -> Result<Tensor> {
        let squares = ((x - parameters)?.sqr()?.sum(1)? * (-0.5 / (NOISE * NOISE)))?;
        Ok((squares - (2.0 * PI * NOISE * NOISE).ln())?)
    }
    fn mean(&self, parameters: &Tensor) -> Result<Tensor> {
        Ok(parameters.clone())
    }
}

fn model(shift: f64, factor: f64) -> Vae {
    Vae::new(Line { shift, factor }, NoFlow, Line { shift, factor }, Gaussian).unwrap()
}

fn observations() -> Tensor {
    Tensor::new(&[[0.9, -0.2], [-1.4, 1.3], [0.1, 2.0]], &Device::Cpu).unwrap()
}

/// ln N(x; 0, w wᵀ + σ²).
fn evidence(x: &[f64]) -> f64 {
    let (a, b, c) = (W[0] * W[0] + NOISE * NOISE, W[0] * W[1], W[1] * W[1] + NOISE * NOISE);
    let determinant = a * c - b * b;
    let quadratic = (c * x[0] * x[0] - 2.0 * b * x[0] * x[1] + a * x[1] * x[1]) / determinant;
    -0.5 * quadratic - (2.0 * PI).ln() - 0.5 * determinant.ln()
}

fn evidences() -> Vec<f64> {
    let x = observations().to_vec2::<f64>().unwrap();
    x.iter().map(|x| evidence(x)).collect()
}

#[test]
fn with_the_true_posterior_every_sample_gives_the_evidence() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let model = model(0.0, 1.0);
    let mut pass = Pass::evaluation(&mut rng);
    let elbo = model.evaluate(&observations(), &mut pass).unwrap().elbo().unwrap();
    for (ours, truth) in elbo.to_vec1::<f64>().unwrap().into_iter().zip(evidences()) {
        assert!((ours - truth).abs() < 1e-12, "{ours} but {truth}");
    }
    for (estimate, truth) in model
        .importance(&observations(), 7, 3, &mut pass)
        .unwrap()
        .iter()
        .zip(evidences())
    {
        assert!((estimate.log_likelihood - truth).abs() < 1e-12);
        assert!((estimate.effective_samples - 7.0).abs() < 1e-9 && estimate.standard_error < 1e-7);
    }
}

#[test]
fn the_bound_is_the_evidence_less_the_divergence_from_the_posterior() {
    let (shift, factor): (f64, f64) = (0.2, 1.5);
    let divergence = 0.5 * (factor - 1.0 - factor.ln() + shift * shift / Line::variance());
    let model = model(shift, factor);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let x = observations();
    let log_weights = model.log_weights(&x, 40_000, &mut Pass::evaluation(&mut rng)).unwrap();
    let means = log_weights.mean(0).unwrap().to_vec1::<f64>().unwrap();
    for (mean, truth) in means.into_iter().zip(evidences()) {
        // The weights' logarithms have a deviation below 1.5.
        assert!(
            (mean - (truth - divergence)).abs() < 5.0 * 1.5 / 200.0,
            "{mean} but {}",
            truth - divergence
        );
    }
}

#[test]
fn more_samples_raise_the_bound_to_the_evidence() {
    let model = model(0.3, 1.4);
    let x = observations();
    let mean_bound = |samples: usize| -> f64 {
        let repetitions = 4_000 / samples;
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut pass = Pass::evaluation(&mut rng);
        let of_repetition = |_| -> f64 {
            let estimates = model.importance(&x, samples, samples, &mut pass).unwrap();
            estimates.iter().map(|estimate| estimate.log_likelihood).sum::<f64>() / 3.0
        };
        (0..repetitions).map(of_repetition).sum::<f64>() / repetitions as f64
    };
    let truth = evidences().iter().sum::<f64>() / 3.0;
    let bounds = [1, 4, 40, 1000].map(mean_bound);
    assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{bounds:?}");
    assert!((bounds[3] - truth).abs() < 0.01, "{bounds:?} towards {truth}");
}
