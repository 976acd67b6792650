//! Every layer type × activation, dense and convolutional: products and gradients against finite differences in f64.

use candle_core::{DType, Device, Tensor};
use ffjord_nn::{
    ActivationKind, ConvNet, ConvNetConfig, EncoderDecoder, LayerKind, Mlp, MlpConfig, NnError, OutputCotangents,
    Parallel, Request, Residual, Result, Stride, Tangents, UNet, UNetConfig, VectorField, check_field,
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
    let given = match field.given_len() {
        0 => None,
        width => Some(uniform(rng, &[3, width])?),
    };
    let given = given.as_ref();

    let (value, products) = field.jvp(t, &z, given, &v)?;
    assert!(
        max_abs(&(&value - field.value(t, &z, given)?)?)? < 1e-14,
        "{label}: jvp and value disagree"
    );
    for k in 0..2 {
        let direction = (v.get(k)? * STEP)?;
        let difference = ((field.value(t, &(&z + &direction)?, given)?
            - field.value(t, &(&z - &direction)?, given)?)?
            / (2.0 * STEP))?;
        let error = max_abs(&(difference - products.get(k)?)?)? / max_abs(&products)?.max(1.0);
        assert!(error < TOLERANCE, "{label}: J v is off by {error:e}");
    }

    let along = |by: f64| field.value(t + by, &(&z + (v.get(0)? * by)?)?, given);
    let near = (along(STEP)? - along(-STEP)?)?;
    let difference = (((near * 8.0)? - (along(2.0 * STEP)? - along(-2.0 * STEP)?)?)? / (12.0 * STEP))?;
    let time = Tensor::new(&[t], z.device())?;
    let total = field.total_derivative(&time, &z, &v.get(0)?, given)?;
    let error = max_abs(&(difference - &total)?)? / max_abs(&total)?.max(1.0);
    assert!(error < TOLERANCE, "{label}: J v + ∂f/∂t is off by {error:e}");
    if field.bottleneck_shape().is_some() {
        check_bottleneck(field, t, &z, given, label)?;
    }

    let loss_given = |t: f64, z: &Tensor, given: Option<&Tensor>| -> Result<f64> {
        let (value, products) = field.jvp(t, z, given, &v)?;
        Ok(dot(&value, &a)? + dot(&products, &b)?)
    };
    let loss = |t: f64, z: &Tensor| loss_given(t, z, given);
    let outputs = OutputCotangents {
        value: &a,
        products: Some(&b),
        along: &[],
    };
    let linearization = field.linearize(t, &z, given, &Request::products(&v))?;
    let gradients = linearization.pullback(field.parameters(), &outputs)?;
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
    let near = loss(t + STEP, &z)? - loss(t - STEP, &z)?;
    let far = loss(t + 2.0 * STEP, &z)? - loss(t - 2.0 * STEP, &z)?;
    expect((8.0 * near - far) / (12.0 * STEP), gradients.time, "the time");
    if let (Some(given), Some(gradient)) = (given, &gradients.given) {
        let direction = uniform(rng, given.dims())?;
        let step = (&direction * STEP)?;
        let above = loss_given(t, &z, Some(&(given + &step)?))?;
        let below = loss_given(t, &z, Some(&(given - &step)?))?;
        expect(
            (above - below) / (2.0 * STEP),
            dot(gradient, &direction)?,
            "the condition",
        );
    }
    check_field(field, t, &z, given)?;
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

/// The trace of `(∂h/∂z)(∂g/∂h)` is that of the Jacobian.
fn check_bottleneck(field: &dyn VectorField, t: f64, z: &Tensor, given: Option<&Tensor>, label: &str) -> Result<()> {
    let units = |shape: &[usize]| -> Result<Tensor> {
        let count: usize = shape.iter().product();
        let mut stacked = vec![count, 1];
        stacked.extend_from_slice(shape);
        let mut whole = stacked.clone();
        whole[1] = z.dim(0)?;
        let units = Tensor::eye(count, DType::F64, &Device::Cpu)?.reshape(stacked)?;
        Ok(units.broadcast_as(whole)?.contiguous()?)
    };
    let trace = |units: &Tensor, products: &Tensor| (units * products)?.sum_all()?.to_scalar::<f64>();
    let at_state = units(field.state_shape())?;
    let exact = trace(&at_state, &field.jvp(t, z, given, &at_state)?.1)?;
    let narrow = units(field.bottleneck_shape().unwrap_or_default())?;
    let (value, products) = field.through_bottleneck(&Tensor::new(&[t], z.device())?, z, given, &narrow)?;
    assert!(max_abs(&(value - field.value(t, z, given)?)?)? < 1e-13, "{label}");
    let narrow = trace(&narrow, &products)?;
    assert!(
        (narrow - exact).abs() < 1e-11 * exact.abs().max(1.0),
        "{label}: {narrow} against {exact}"
    );
    Ok(())
}

#[test]
fn dense_networks() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for layer in LayerKind::ALL {
        for activation in ActivationKind::ALL {
            // The second hidden layer is narrower than the state.
            let config = MlpConfig {
                dimension: 3,
                given: 0,
                hidden: vec![5, 2],
                layer,
                activation,
            };
            let field = Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
            check(&field, &mut rng, &format!("dense {layer} {activation}"))?;
            assert_eq!(field.bottleneck_shape(), Some(&[2][..]));
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
                num_squeeze: 0,
            };
            let field = ConvNet::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
            check(&field, &mut rng, &format!("convolution {layer} {activation}"))?;
            assert_eq!(field.bottleneck_shape(), Some(&[2, 2, 3][..]));
        }
    }
    Ok(())
}

#[test]
fn squeezed_and_parallel_convolutions() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(15);
    for layer in LayerKind::ALL {
        for squeezes in [1, 2] {
            let config = ConvNetConfig::new(1, (4, 8))
                .hidden([3, 2])
                .layer(layer)
                .num_squeeze(squeezes);
            let field = ConvNet::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
            check(&field, &mut rng, &format!("{layer}, squeezed {squeezes} times"))?;
        }
    }
    let config = ConvNetConfig::new(1, (4, 4)).hidden([3]);
    let field = Parallel::new(&config, 3, &mut rng, DType::F64, &Device::Cpu)?;
    check(&field, &mut rng, "parallel")?;
    check(&Residual::new(field), &mut rng, "residual, parallel")
}

#[test]
fn u_nets() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    for (widths, attention) in [(vec![2, 4], false), (vec![2, 2, 4], true), (vec![4], true)] {
        let config = UNetConfig::new(1, (4, 8)).widths(widths).groups(2).attention(attention);
        let field = UNet::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
        check(&field, &mut rng, &format!("{config:?}"))?;
    }
    Ok(())
}

/// The trace at the bottleneck is the Jacobian's, and its gradients are those of differences.
#[test]
fn encoders_and_decoders() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(16);
    for layer in LayerKind::ALL {
        for (activation, hidden) in [
            (ActivationKind::Softplus, vec![2]),
            (ActivationKind::Tanh, vec![5, 2, 4, 6]),
        ] {
            let config = MlpConfig::new(3).hidden(hidden).layer(layer).activation(activation);
            let field = EncoderDecoder::dense(&config, &mut rng, DType::F64, &Device::Cpu)?;
            check(&field, &mut rng, &format!("dense encoder and decoder, {layer}"))?;
            check_through(&field, &mut rng, &format!("dense encoder and decoder, {layer}"))?;
            check_through(&Residual::new(field), &mut rng, &format!("residual, dense, {layer}"))?;
        }
        let config = ConvNetConfig::new(1, (4, 4)).hidden([3, 2]).layer(layer);
        let config = config.strides([Stride::Halve, Stride::Keep, Stride::Double]);
        let field = EncoderDecoder::convolutional(&config, &mut rng, DType::F64, &Device::Cpu)?;
        check(&field, &mut rng, &format!("convolutional encoder and decoder, {layer}"))?;
        check_through(&field, &mut rng, &format!("convolutional encoder and decoder, {layer}"))?;
    }
    Ok(())
}

/// Gradients of `Σ a·f + Σ b·s` with the products s at the bottleneck, along random directions.
fn check_through(field: &dyn VectorField, rng: &mut ChaCha8Rng, label: &str) -> Result<()> {
    for parameter in field.parameters() {
        parameter.var.set(&(uniform(rng, parameter.var.dims())? * 0.4)?)?;
    }
    let batch = |shape: &[usize]| [&[2], shape].concat();
    let z = uniform(rng, &batch(field.state_shape()))?;
    let narrow = batch(field.bottleneck_shape().unwrap_or_default());
    let (e, b) = (
        uniform(rng, &narrow)?.unsqueeze(0)?,
        uniform(rng, &narrow)?.unsqueeze(0)?,
    );
    let (t, a) = (0.37, uniform(rng, &batch(field.state_shape()))?);
    check_bottleneck(field, t, &z, None, label)?;
    let loss = |t: f64, z: &Tensor| -> Result<f64> {
        let (f, s) = field.through_bottleneck(&Tensor::new(&[t], z.device())?, z, None, &e)?;
        Ok(dot(&f, &a)? + dot(&s, &b)?)
    };
    let request = Request {
        tangents: Tangents::Bottleneck(&e),
        along: &[],
    };
    let outputs = OutputCotangents {
        value: &a,
        products: Some(&b),
        along: &[],
    };
    let gradients = field
        .linearize(t, &z, None, &request)?
        .pullback(field.parameters(), &outputs)?;
    let scale = loss(t, &z)?.abs().max(1.0);
    let expect = |difference: f64, gradient: f64, what: &str| {
        let error = (difference - gradient).abs() / gradient.abs().max(scale);
        assert!(
            error < TOLERANCE,
            "{label}: gradient with respect to {what}: {gradient} against {difference}"
        );
    };
    let direction = uniform(rng, z.dims())?;
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
        let at = |by: f64| -> Result<f64> {
            parameter.var.set(&(&centre + (&direction * by)?)?)?;
            loss(t, &z)
        };
        let difference = (at(STEP)? - at(-STEP)?) / (2.0 * STEP);
        parameter.var.set(&centre)?;
        expect(difference, dot(gradient, &direction)?, &parameter.name);
    }
    Ok(())
}

#[test]
fn residual_subtracts_the_state() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let config = MlpConfig {
        dimension: 3,
        given: 0,
        hidden: vec![4],
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Softplus,
    };
    let field = Residual::new(Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?);
    check(&field, &mut rng, "residual")
}

#[test]
fn conditional_networks() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    let config = MlpConfig {
        dimension: 3,
        given: 2,
        hidden: vec![2],
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Tanh,
    };
    let network = Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
    check(&network, &mut rng, "conditional")?;
    let (z, times) = (uniform(&mut rng, &[3, 3])?, uniform(&mut rng, &[3, 1])?);
    let refused = network.total_derivative(&times, &z, &z, Some(&uniform(&mut rng, &[3, 2])?));
    assert!(
        matches!(refused, Err(NnError::InputShape { .. })),
        "a time for each row"
    );
    assert!(matches!(
        network.value(0.3, &z, None),
        Err(NnError::NothingGiven { width: 2 })
    ));
    check(&Residual::new(network), &mut rng, "conditional, residual")
}
