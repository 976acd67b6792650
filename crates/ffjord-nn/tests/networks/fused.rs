//! The fused kernels and the generic path are the same functions: every layer type × activation, value, products,
//! and gradients with respect to state, time and parameters.

use candle_core::{DType, Device, Tensor};
use ffjord_kernels::GradientMut;
use ffjord_kernels::mlp::{Stack, StackMut};
use ffjord_nn::{
    ActivationKind, Amortisation, AmortisedMlp, AmortisedMlpConfig, ConvNet, ConvNetConfig, EncoderDecoder,
    FieldKernel, LayerKind, Mlp, MlpConfig, OutputCotangents, Parallel, Request, Residual, Stride, Tangents,
    VectorField,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type TestResult = Result<(), Box<dyn std::error::Error>>;

const ROWS: usize = 5;
const TANGENTS: usize = 2;
const DIMENSION: usize = 3;
const IMAGE: (usize, usize, usize) = (2, 4, 6);

fn uniform(rng: &mut ChaCha8Rng, shape: &[usize]) -> candle_core::Result<Tensor> {
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

fn flat(tensor: &Tensor) -> candle_core::Result<Vec<f64>> {
    tensor.flatten_all()?.to_vec1()
}

fn assert_close(ours: &[f64], reference: &[f64], label: &str) {
    assert_eq!(ours.len(), reference.len(), "{label}");
    let scale = reference.iter().fold(1e-3f64, |scale, value| scale.max(value.abs()));
    for (a, b) in ours.iter().zip(reference) {
        assert!((a - b).abs() < 1e-12 * scale, "{label}: {a} against {b}");
    }
}

fn check(field: &dyn VectorField, rng: &mut ChaCha8Rng, label: &str) -> TestResult {
    check_products(field, false, rng, label)
}

/// The field with products of its Jacobian, or those at its bottleneck.
fn check_products(field: &dyn VectorField, at_bottleneck: bool, rng: &mut ChaCha8Rng, label: &str) -> TestResult {
    for parameter in field.parameters() {
        parameter.var.set(&uniform(rng, parameter.var.dims())?)?;
    }
    let (kernel, tangent) = match at_bottleneck {
        true => (
            field.bottleneck_kernel()?,
            field.bottleneck_shape().ok_or("a bottleneck")?,
        ),
        false => (field.kernel()?, field.state_shape()),
    };
    let Some(FieldKernel::F64(kernel)) = kernel else {
        return Err(format!("{label}: there must be a kernel").into());
    };
    let count: usize = field
        .parameters()
        .iter()
        .map(|parameter| parameter.var.elem_count())
        .sum();
    assert_eq!(kernel.parameter_count(), count, "{label}");
    let given = match field.given_len() {
        0 => None,
        width => Some(uniform(rng, &[ROWS, width])?),
    };

    let batch = [&[ROWS], field.state_shape()].concat();
    let stack = [&[TANGENTS, ROWS], tangent].concat();
    assert_eq!(kernel.tangent_len(), tangent.iter().product::<usize>(), "{label}");
    let (t, z) = (0.37, uniform(rng, &batch)?);
    let v = uniform(rng, &stack)?;
    let (a, b) = (uniform(rng, &batch)?, uniform(rng, &stack)?);
    let tangents = match at_bottleneck {
        true => Tangents::Bottleneck(&v),
        false => Tangents::State(&v),
    };
    let request = Request { tangents, along: &[] };
    let linearization = field.linearize(t, &z, given.as_ref(), &request)?;
    let (value, products) = (
        linearization.value(),
        linearization.products().ok_or("products were asked for")?,
    );
    let outputs = OutputCotangents {
        value: &a,
        products: Some(&b),
        along: &[],
    };
    let gradients = linearization.pullback(field.parameters(), &outputs)?;
    let given = given.as_ref().map(flat).transpose()?.unwrap_or_default();

    let stacked = ROWS * (1 + TANGENTS);
    let (mut workspace, mut tape) = (kernel.workspace(stacked), kernel.tape(stacked));
    let (mut f, mut u) = (vec![0.0; z.elem_count()], vec![0.0; v.elem_count()]);
    let (z, v, a, b) = (flat(&z)?, flat(&v)?, flat(&a)?, flat(&b)?);
    let input = Stack {
        value: &z,
        tangents: &v,
    };
    let output = StackMut {
        value: &mut f,
        tangents: &mut u,
    };
    kernel.record(t, input, &given, output, &mut tape, &mut workspace)?;
    // An evaluation in between, at another time, disturbs no tape.
    let (mut again_f, mut again_u) = (f.clone(), u.clone());
    for time in [t + 1.0, t] {
        let output = StackMut {
            value: &mut again_f,
            tangents: &mut again_u,
        };
        kernel.forward(time, input, &given, output, &mut workspace)?;
    }
    assert_eq!((&again_f, &again_u), (&f, &u), "{label}: recording changes no bit");
    assert_close(&f, &flat(&value)?, &format!("{label} value"));
    assert_close(&u, &flat(&products)?, &format!("{label} products"));

    let mut grad_z = vec![0.0; z.len()];
    let mut gradient = vec![0.0; kernel.parameter_count()];
    let cotangent = Stack {
        value: &a,
        tangents: &b,
    };
    let mut grad_given = vec![0.0; given.len()];
    let into = GradientMut {
        state: &mut grad_z,
        parameters: &mut gradient,
        given: &mut grad_given,
    };
    let grad_t = kernel.reverse(&tape, &given, cotangent, into, &mut workspace)?;
    if let Some(expected) = &gradients.given {
        assert_close(
            &grad_given,
            &flat(expected)?,
            &format!("{label} gradient of what is given"),
        );
    }
    assert_close(&grad_z, &flat(&gradients.state)?, &format!("{label} state gradient"));
    assert_close(&[grad_t], &[gradients.time], &format!("{label} time gradient"));
    let mut expected = Vec::new();
    for tensor in &gradients.parameters {
        expected.extend(flat(tensor)?);
    }
    assert_close(&gradient, &expected, &format!("{label} parameter gradient"));
    Ok(())
}

#[test]
fn every_dense_layer_and_activation_agrees_with_the_generic_path() -> TestResult {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for layer in LayerKind::ALL {
        for activation in ActivationKind::ALL {
            let config = MlpConfig {
                dimension: DIMENSION,
                given: 0,
                hidden: vec![7, 5],
                layer,
                activation,
            };
            let field = Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
            check(&field, &mut rng, &format!("{layer} {activation}"))?;
        }
    }
    let config = MlpConfig {
        dimension: DIMENSION,
        given: 0,
        hidden: vec![6],
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Softplus,
    };
    let field = Residual::new(Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?);
    check(&field, &mut rng, "residual")?;
    for layer in LayerKind::ALL {
        let field = Mlp::new(
            &config.clone().layer(layer).given(2),
            &mut rng,
            DType::F64,
            &Device::Cpu,
        )?;
        check(&field, &mut rng, &format!("conditional {layer}"))?;
    }
    Ok(())
}

#[test]
fn networks_with_own_parts_of_rows_agree_with_the_generic_path() -> TestResult {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for amortisation in [
        Amortisation::Bias,
        Amortisation::LowRank { rank: 1 },
        Amortisation::LowRank { rank: 3 },
    ] {
        for layer in LayerKind::ALL {
            for hidden in [vec![], vec![7], vec![18, 5]] {
                let label = format!("{amortisation:?} {layer} {hidden:?}");
                let config = AmortisedMlpConfig {
                    dimension: DIMENSION,
                    hidden,
                    layer,
                    activation: ActivationKind::Swish,
                    amortisation,
                };
                let field = AmortisedMlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
                check(&field, &mut rng, &label)?;
            }
        }
    }
    Ok(())
}

#[test]
fn every_convolution_and_activation_agrees_with_the_generic_path() -> TestResult {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let (channels, height, width) = IMAGE;
    let net = |layer, activation| ConvNetConfig {
        channels,
        size: (height, width),
        hidden: vec![3, 5, 4],
        strides: vec![Stride::Keep, Stride::Halve, Stride::Keep, Stride::Double],
        layer,
        activation,
        num_squeeze: 0,
    };
    for layer in LayerKind::ALL {
        for activation in ActivationKind::ALL {
            let field = ConvNet::new(&net(layer, activation), &mut rng, DType::F64, &Device::Cpu)?;
            check(&field, &mut rng, &format!("convolution {layer} {activation}"))?;
        }
    }
    let net = net(LayerKind::Concat, ActivationKind::Softplus);
    let field = Residual::new(ConvNet::new(&net, &mut rng, DType::F64, &Device::Cpu)?);
    check(&field, &mut rng, "residual convolution")
}

#[test]
fn squeezed_parallel_and_cut_networks_agree_with_the_generic_path() -> TestResult {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let config = ConvNetConfig::new(2, (4, 8)).hidden([3, 2, 3]);
    for layer in LayerKind::ALL {
        for squeezes in [1, 2] {
            let config = config.clone().layer(layer).num_squeeze(squeezes);
            let field = ConvNet::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
            check(&field, &mut rng, &format!("{layer}, squeezed {squeezes} times"))?;
        }
    }
    let parallel = Parallel::new(&config, 3, &mut rng, DType::F64, &Device::Cpu)?;
    check(&parallel, &mut rng, "parallel")?;
    check(&Residual::new(parallel), &mut rng, "residual, parallel")?;
    let swish = config.clone().activation(ActivationKind::Swish);
    let field = Parallel::new(&swish, 2, &mut rng, DType::F64, &Device::Cpu)?;
    check(&field, &mut rng, "parallel with learned coefficients")?;
    let field = EncoderDecoder::convolutional(&config, &mut rng, DType::F64, &Device::Cpu)?;
    check(&field, &mut rng, "convolutional encoder and decoder")?;
    let field = EncoderDecoder::dense(&MlpConfig::new(DIMENSION), &mut rng, DType::F64, &Device::Cpu)?;
    check(&field, &mut rng, "dense encoder and decoder")
}

#[test]
fn products_at_the_bottleneck_agree_with_the_generic_path() -> TestResult {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for layer in LayerKind::ALL {
        for activation in ActivationKind::ALL {
            // As many layers behind the cut as before it, and one fewer; a middle of one number.
            for (hidden, given) in [(vec![7, 5, 2, 6], 0), (vec![9, 1], 2), (vec![4], 0)] {
                let config = MlpConfig {
                    dimension: DIMENSION,
                    given,
                    hidden,
                    layer,
                    activation,
                };
                let field = EncoderDecoder::dense(&config, &mut rng, DType::F64, &Device::Cpu)?;
                let label = format!("dense {layer} {activation} {:?}", config.hidden);
                check_products(&field, true, &mut rng, &label)?;
            }
        }
    }
    let (channels, height, width) = IMAGE;
    let strides = [Stride::Keep, Stride::Halve, Stride::Keep, Stride::Double, Stride::Keep];
    for layer in LayerKind::ALL {
        for activation in [ActivationKind::Softplus, ActivationKind::Swish, ActivationKind::Tanh] {
            for squeezes in [0, 1] {
                let strides = if squeezes == 1 { [Stride::Keep; 5] } else { strides };
                let config = ConvNetConfig::new(channels, (height, width))
                    .hidden([4, 5, 3, 4])
                    .strides(strides)
                    .layer(layer)
                    .activation(activation)
                    .num_squeeze(squeezes);
                let field = EncoderDecoder::convolutional(&config, &mut rng, DType::F64, &Device::Cpu)?;
                check_products(
                    &field,
                    true,
                    &mut rng,
                    &format!("{layer} {activation} {squeezes} squeezes"),
                )?;
            }
        }
    }
    Ok(())
}
