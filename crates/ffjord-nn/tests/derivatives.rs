//! Every layer type × activation, dense and convolutional: products and gradients against finite differences in f64.

use candle_core::{DType, Device, Tensor};
use ffjord_nn::{
    ActivationKind, ConvNet, ConvNetConfig, LayerKind, Mlp, MlpConfig, Residual, Result, Stride, VectorField,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 2e-8;

fn uniform(rng: &mut ChaCha8Rng, shape: &[usize]) -> Result<Tensor> {
    let count = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

fn max_abs(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.abs()?.flatten_all()?.max(0)?.to_scalar()?)
}

fn dot(a: &Tensor, b: &Tensor) -> Result<f64> {
    Ok((a * b)?.sum_all()?.to_scalar()?)
}

/// Checks the products and the gradients with respect to state, time and every parameter along random directions.
fn check(field: &dyn VectorField, rng: &mut ChaCha8Rng, label: &str) -> Result<()> {
    let mut state = vec![3];
    state.extend_from_slice(field.state_shape());
    let mut stacked = vec![2];
    stacked.extend_from_slice(&state);
    for parameter in field.parameters() {
        // Away from the initialisation, which for some layers is zero and would hide mistakes.
        parameter.var.set(&(uniform(rng, parameter.var.dims())? * 0.4)?)?;
    }
    let (t, z, v) = (0.37, uniform(rng, &state)?, uniform(rng, &stacked)?);
    let (a, b) = (uniform(rng, &state)?, uniform(rng, &stacked)?);

    let (value, products) = field.jvp(t, &z, &v)?;
    assert!(
        max_abs(&(&value - field.value(t, &z)?)?)? < 1e-14,
        "{label}: jvp and value disagree"
    );
    for k in 0..2 {
        let direction = (v.get(k)? * STEP)?;
        let difference =
            ((field.value(t, &(&z + &direction)?)? - field.value(t, &(&z - &direction)?)?)? / (2.0 * STEP))?;
        let error = max_abs(&(difference - products.get(k)?)?)? / max_abs(&products)?.max(1.0);
        assert!(error < TOLERANCE, "{label}: J v is off by {error:e}");
    }

    let loss = |t: f64, z: &Tensor| -> Result<f64> {
        let (value, products) = field.jvp(t, z, &v)?;
        Ok(dot(&value, &a)? + dot(&products, &b)?)
    };
    let gradients = field.vjp(t, &z, Some(&v), &a, Some(&b))?;
    // The loss bounds how well its differences can be known.
    let scale = loss(t, &z)?.abs().max(1.0);
    let expect = |difference: f64, gradient: f64, what: &str| {
        let error = (difference - gradient).abs() / gradient.abs().max(scale);
        assert!(
            error < TOLERANCE,
            "{label}: gradient with respect to {what} is {gradient}, differences say {difference}"
        );
    };
    let direction = uniform(rng, &state)?;
    let step = (&direction * STEP)?;
    let difference = (loss(t, &(&z + &step)?)? - loss(t, &(&z - &step)?)?) / (2.0 * STEP);
    expect(difference, dot(&gradients.state, &direction)?, "the state");
    expect(
        (loss(t + STEP, &z)? - loss(t - STEP, &z)?) / (2.0 * STEP),
        gradients.time,
        "the time",
    );
    for (parameter, gradient) in field.parameters().iter().zip(&gradients.parameters) {
        let centre = parameter.var.as_detached_tensor().copy()?;
        let direction = uniform(rng, centre.dims())?;
        let step = (&direction * STEP)?;
        parameter.var.set(&(&centre + &step)?)?;
        let above = loss(t, &z)?;
        parameter.var.set(&(&centre - &step)?)?;
        let below = loss(t, &z)?;
        parameter.var.set(&centre)?;
        expect(
            (above - below) / (2.0 * STEP),
            dot(gradient, &direction)?,
            &parameter.name,
        );
    }
    Ok(())
}

#[test]
fn dense_networks() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for layer in LayerKind::ALL {
        for activation in ActivationKind::ALL {
            let config = MlpConfig {
                dimension: 3,
                hidden: vec![5, 4],
                layer,
                activation,
            };
            let field = Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
            check(&field, &mut rng, &format!("dense {layer} {activation}"))?;
        }
    }
    Ok(())
}

#[test]
fn convolutions() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for layer in LayerKind::ALL {
        for activation in ActivationKind::ALL {
            let config = ConvNetConfig {
                channels: 2,
                size: (4, 6),
                hidden: vec![3, 2, 3],
                strides: vec![Stride::Keep, Stride::Halve, Stride::Keep, Stride::Double],
                layer,
                activation,
            };
            let field = ConvNet::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
            check(&field, &mut rng, &format!("convolution {layer} {activation}"))?;
        }
    }
    Ok(())
}

#[test]
fn residual_subtracts_the_state() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let config = MlpConfig {
        dimension: 3,
        hidden: vec![4],
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Softplus,
    };
    let field = Residual::new(Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?);
    check(&field, &mut rng, "residual")
}
