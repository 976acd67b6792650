//! A time for each row: values, products and gradients against evaluations of single rows, for every layer type.

use candle_core::{DType, Device, Tensor, Var};
use ffjord_nn::{
    ActivationKind, ConvNet, ConvNetConfig, Dual, LayerKind, Mlp, MlpConfig, Parallel, Residual, Result, Stride, UNet,
    UNetConfig, VectorField,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ROWS: usize = 3;

fn uniform(rng: &mut ChaCha8Rng, shape: &[usize]) -> Result<Tensor> {
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

fn largest(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.abs()?.flatten_all()?.max(0)?.to_scalar()?)
}

/// A scalar of values and products, and both.
fn contract(
    field: &dyn VectorField,
    t: &Tensor,
    (z, given, v): (&Tensor, Option<&Tensor>, &Tensor),
    (a, b): (&Tensor, &Tensor),
) -> Result<(Tensor, Tensor)> {
    let (value, products) = field.dual(t, &Dual::new(z, v)?, given)?.into_parts()?;
    let products = products.expect("the tangents went through");
    let loss = ((&value * a)?.sum_all()? + (&products * b)?.sum_all()?)?;
    Ok((loss, Tensor::cat(&[&value.unsqueeze(0)?, &products], 0)?))
}

fn check(field: &dyn VectorField, rng: &mut ChaCha8Rng, label: &str) -> Result<()> {
    let state = [&[ROWS], field.state_shape()].concat();
    let stacked = [&[2], state.as_slice()].concat();
    for parameter in field.parameters() {
        parameter.var.set(&(uniform(rng, parameter.var.dims())? * 0.4)?)?;
    }
    let times = Var::from_tensor(&uniform(rng, &[ROWS, 1])?)?;
    let (z, v) = (uniform(rng, &state)?, uniform(rng, &stacked)?);
    let (a, b) = (uniform(rng, &state)?, uniform(rng, &stacked)?);

    let given = match field.given_len() {
        0 => None,
        width => Some(uniform(rng, &[ROWS, width])?),
    };

    let (loss, together) = contract(field, &times, (&z, given.as_ref(), &v), (&a, &b))?;
    let gradients = loss.backward()?;
    let mut vars: Vec<Var> = field
        .parameters()
        .iter()
        .map(|parameter| parameter.var.clone())
        .collect();
    vars.push(times.clone());
    let mut sums: Vec<Tensor> = vars.iter().map(|var| Ok(var.zeros_like()?)).collect::<Result<_>>()?;
    for row in 0..ROWS {
        let of = |tensor: &Tensor, axis: usize| tensor.narrow(axis, row, 1)?.contiguous();
        let (row_loss, alone) = contract(
            field,
            &times.narrow(0, row, 1)?.flatten_all()?,
            (
                &of(&z, 0)?,
                given.as_ref().map(|given| of(given, 0)).transpose()?.as_ref(),
                &of(&v, 1)?,
            ),
            (&of(&a, 0)?, &of(&b, 1)?),
        )?;
        let error = largest(&(of(&together, 1)? - alone)?)?;
        assert!(error < 1e-13, "{label}: row {row} is off by {error:e}");
        let row_gradients = row_loss.backward()?;
        for (sum, var) in sums.iter_mut().zip(&vars) {
            if let Some(gradient) = row_gradients.get(var) {
                *sum = (&*sum + gradient)?;
            }
        }
    }
    for (sum, var) in sums.iter().zip(&vars) {
        let gradient = match gradients.get(var) {
            Some(gradient) => gradient.clone(),
            None => var.zeros_like()?,
        };
        let error = largest(&(gradient - sum)?)?;
        assert!(error < 1e-12, "{label}: a gradient is off by {error:e}");
    }
    Ok(())
}

fn dense(layer: LayerKind) -> MlpConfig {
    MlpConfig {
        dimension: 3,
        given: 0,
        hidden: vec![5, 4],
        layer,
        activation: ActivationKind::Tanh,
    }
}

#[test]
fn dense_networks() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    for layer in LayerKind::ALL {
        let field = Mlp::new(&dense(layer), &mut rng, DType::F64, &Device::Cpu)?;
        check(&field, &mut rng, &format!("dense {layer}"))?;
    }
    Ok(())
}

#[test]
fn convolutions() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(22);
    for layer in LayerKind::ALL {
        let config = ConvNetConfig {
            channels: 2,
            size: (4, 6),
            hidden: vec![3, 2, 3],
            strides: vec![Stride::Keep, Stride::Halve, Stride::Keep, Stride::Double],
            layer,
            activation: ActivationKind::Softplus,
            num_squeeze: 0,
        };
        let field = ConvNet::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
        check(&field, &mut rng, &format!("convolution {layer}"))?;
    }
    let config = ConvNetConfig::new(1, (4, 4)).hidden([3]);
    let parallel = Parallel::new(&config, 3, &mut rng, DType::F64, &Device::Cpu)?;
    check(&parallel, &mut rng, "parallel")
}

#[test]
fn u_nets() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(24);
    let config = UNetConfig::new(2, (4, 8)).widths([2, 4]).groups(2).attention(true);
    let field = UNet::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
    check(&field, &mut rng, "U-Net")
}

#[test]
fn residual_and_conditional_networks() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(23);
    let config = dense(LayerKind::ConcatSquash).given(2);
    let network = Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
    check(&Residual::new(network), &mut rng, "residual, conditional")
}
