//! The two gradients of the bound of several samples, on a model with a linear decoder and Gaussian noise.

use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Cnf, Pass};
use ffjord_nn::Parameter;
use ffjord_train::{Batch, Objective};
use ffjord_vae::{Decoder, Elbo, Encoded, Encoder, FlowPosterior, Likelihood, NoFlow, Posterior, Result, Vae};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// z ~ N(a x + b, e^c), x ~ N(w z, 1): encoder and decoder of one number each.
#[derive(Debug)]
struct Line {
    parameters: Vec<Parameter>,
}

impl Line {
    fn new(values: &[(&str, f64)]) -> Self {
        let parameter =
            |(name, value): &(&str, f64)| Parameter::constant(name, (1, 1), *value, DType::F64, &Device::Cpu).unwrap();
        Self {
            parameters: values.iter().map(parameter).collect(),
        }
    }

    fn tensor(&self, index: usize) -> &Tensor {
        self.parameters[index].var.as_tensor()
    }
}

impl Encoder for Line {
    fn encode(&self, x: &Tensor) -> Result<Encoded> {
        Ok(Encoded {
            features: x.clone(),
            mean: x.broadcast_mul(self.tensor(0))?.broadcast_add(self.tensor(1))?,
            variance: x.ones_like()?.broadcast_mul(&self.tensor(2).exp()?)?,
        })
    }
    fn observation_shape(&self) -> &[usize] {
        &[1]
    }
    fn latent(&self) -> usize {
        1
    }
    fn features(&self) -> usize {
        1
    }
    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }
}

impl Decoder for Line {
    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        Ok(z.broadcast_mul(self.tensor(0))?)
    }
    fn latent(&self) -> usize {
        1
    }
    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }
}

#[derive(Debug)]
struct Gaussian;

impl Likelihood for Gaussian {
    fn parameters_per_number(&self) -> usize {
        1
    }
    fn log_prob(&self, parameters: &Tensor, x: &Tensor) -> Result<Tensor> {
        Ok(((x - parameters)?.sqr()?.sum(1)? * -0.5)?)
    }
    fn mean(&self, parameters: &Tensor) -> Result<Tensor> {
        Ok(parameters.clone())
    }
}

fn model(posterior: impl Posterior + 'static) -> Vae {
    let encoder = Line::new(&[("a", 0.3), ("b", 0.2), ("c", -0.2)]);
    Vae::new(encoder, posterior, Line::new(&[("w", 1.4)]), Gaussian).unwrap()
}

fn batch() -> Batch {
    Tensor::new(&[[0.9f64], [-1.4]], &Device::Cpu).unwrap().into()
}

/// Mean and variance of the gradient of every parameter over many draws, and the mean of the loss.
fn moments(objective: &Elbo) -> (Vec<(f64, f64)>, f64) {
    const DRAWS: usize = 4_000;
    let (model, batch) = (model(NoFlow), batch());
    let parameters = ffjord_train::Model::parameters(&model);
    let (mut sums, mut loss) = (vec![(0.0, 0.0); parameters.len()], 0.0);
    for seed in 0..DRAWS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let total = objective
            .loss(&model, &batch, &mut Pass::training(&mut rng))
            .unwrap()
            .total;
        loss += total.to_scalar::<f64>().unwrap() / DRAWS as f64;
        let store = total.backward().unwrap();
        for ((sum, squares), parameter) in sums.iter_mut().zip(&parameters) {
            let gradient = store.get(&parameter.var).unwrap().sum_all().unwrap();
            let gradient = gradient.to_scalar::<f64>().unwrap();
            *sum += gradient / DRAWS as f64;
            *squares += gradient * gradient / DRAWS as f64;
        }
    }
    let moments = sums.into_iter().map(|(mean, squares)| (mean, squares - mean * mean));
    (moments.collect(), loss)
}

#[test]
fn the_two_gradients_have_the_same_mean_and_the_new_one_less_variance() -> Result<()> {
    let plain = Elbo::default().samples(16)?;
    let (plain_moments, plain_loss) = moments(&plain);
    let (doubly_moments, doubly_loss) = moments(&plain.doubly_reparametrised());
    assert!((plain_loss - doubly_loss).abs() < 1e-12 + 1e-9 * plain_loss.abs());
    for (index, ((a, of_a), (b, of_b))) in plain_moments.iter().zip(&doubly_moments).enumerate() {
        let error = ((of_a + of_b) / 4_000.0).sqrt();
        assert!(
            (a - b).abs() < 5.0 * error,
            "parameter {index}: {a} and {b}, error {error}"
        );
        // The first three are the encoder's; the decoder's gradient is the same one.
        match index {
            0..=2 => assert!(of_b < &(0.7 * of_a), "parameter {index}: variances {of_a} and {of_b}"),
            _ => assert!((of_a - of_b).abs() < 1e-9 * of_a, "{of_a} and {of_b}"),
        }
    }
    Ok(())
}

#[test]
fn posteriors_with_a_flow_are_refused() -> Result<(), Box<dyn std::error::Error>> {
    let flow = Cnf::builder(1).hidden([2]).dtype(DType::F64).build()?;
    let model = model(FlowPosterior::new(flow, 1)?);
    let objective = Elbo::default().samples(2)?.doubly_reparametrised();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let refused = objective.loss(&model, &batch(), &mut Pass::training(&mut rng));
    let error = refused.unwrap_err();
    let source = std::error::Error::source(&error)
        .map(ToString::to_string)
        .unwrap_or_default();
    assert!(
        format!("{error}{source}").contains("without a flow"),
        "{error}: {source}"
    );
    Ok(())
}
