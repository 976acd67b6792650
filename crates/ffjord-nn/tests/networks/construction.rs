//! Initialisation, names, and what is refused.

use candle_core::{DType, Device, Tensor};
use ffjord_kernels::KernelError;
use ffjord_nn::{
    ActivationKind, ConvNet, ConvNetConfig, EncoderDecoder, LayerKind, Mlp, MlpConfig, NnError, Parallel, Result,
    Stride, UNet, UNetConfig, VectorField, load_parameters, zero_last_layer,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

fn mlp(layer: LayerKind, activation: ActivationKind, dtype: DType) -> Result<Mlp> {
    let config = MlpConfig {
        dimension: 4,
        given: 0,
        hidden: vec![16],
        layer,
        activation,
    };
    Mlp::new(&config, &mut ChaCha8Rng::seed_from_u64(3), dtype, &Device::Cpu)
}

#[test]
fn parameters_have_the_originals_names_and_pytorchs_bounds() -> Result<()> {
    let field = mlp(LayerKind::ConcatSquash, ActivationKind::Swish, DType::F64)?;
    let names: Vec<&str> = field.parameters().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "layers.0._layer.weight",
            "layers.0._layer.bias",
            "layers.0._hyper_bias.weight",
            "layers.0._hyper_gate.weight",
            "layers.0._hyper_gate.bias",
            "layers.1._layer.weight",
            "layers.1._layer.bias",
            "layers.1._hyper_bias.weight",
            "layers.1._hyper_gate.weight",
            "layers.1._hyper_gate.bias",
            "activation_fns.0.beta",
        ]
    );
    for (index, bound) in [(0, 0.5), (1, 0.5), (2, 1.0), (5, 0.25), (6, 0.25)] {
        let largest: f64 = field.parameters()[index]
            .var
            .abs()?
            .flatten_all()?
            .max(0)?
            .to_scalar()?;
        assert!(
            largest <= bound && largest > 0.6 * bound,
            "{}: {largest} against ±{bound}",
            names[index]
        );
    }
    Ok(())
}

#[test]
fn one_seed_gives_the_same_network_in_both_precisions() -> Result<()> {
    let (single, double) = (
        mlp(LayerKind::Hyper, ActivationKind::Tanh, DType::F32)?,
        mlp(LayerKind::Hyper, ActivationKind::Tanh, DType::F64)?,
    );
    for (a, b) in single.parameters().iter().zip(double.parameters()) {
        let a: Vec<f32> = a.var.flatten_all()?.to_vec1()?;
        let b: Vec<f32> = b.var.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        assert_eq!(a, b);
    }
    Ok(())
}

#[test]
fn loading_lists_everything_that_does_not_fit_and_changes_nothing() -> Result<()> {
    let field = mlp(LayerKind::Ignore, ActivationKind::Tanh, DType::F32)?;
    let before: Vec<f32> = field.parameters()[1].var.to_vec1()?;
    let mut stored: BTreeMap<String, Tensor> = field
        .parameters()
        .iter()
        .map(|p| Ok((p.name.clone(), p.var.zeros_like()?)))
        .collect::<Result<_>>()?;
    stored.remove("layers.0._layer.weight");
    stored.insert(
        "layers.9.weight".to_string(),
        Tensor::zeros(1, DType::F32, &Device::Cpu)?,
    );
    stored.insert(
        "layers.1._layer.bias".to_string(),
        Tensor::zeros(7, DType::F32, &Device::Cpu)?,
    );
    match load_parameters(field.parameters(), &stored) {
        Err(NnError::ParameterMismatch {
            missing,
            unexpected,
            misshapen,
        }) => {
            assert_eq!(missing, ["layers.0._layer.weight"]);
            assert_eq!(unexpected, ["layers.9.weight"]);
            assert_eq!(misshapen.len(), 1);
        }
        other => panic!("expected a mismatch, got {other:?}"),
    }
    assert_eq!(field.parameters()[1].var.to_vec1::<f32>()?, before);
    Ok(())
}

#[test]
fn wrong_inputs_are_refused_in_words() -> Result<()> {
    let field = mlp(LayerKind::Concat, ActivationKind::Tanh, DType::F32)?;
    let wide = Tensor::zeros((2, 5), DType::F32, &Device::Cpu)?;
    assert!(matches!(
        field.value(0.0, &wide, None),
        Err(NnError::InputShape { what: "state", .. })
    ));
    let double = Tensor::zeros((2, 4), DType::F64, &Device::Cpu)?;
    assert!(matches!(
        field.value(0.0, &double, None),
        Err(NnError::InputType { .. })
    ));
    let state = Tensor::zeros((2, 4), DType::F32, &Device::Cpu)?;
    assert!(matches!(
        field.jvp(0.0, &state, None, &state),
        Err(NnError::InputShape {
            what: "tangent stack",
            ..
        })
    ));
    let error = "gelu".parse::<ActivationKind>().map_err(|error| error.to_string());
    assert_eq!(
        error,
        Err("unknown activation `gelu`: accepted are tanh, relu, softplus, elu, swish, square, identity".to_string())
    );
    Ok(())
}

#[test]
fn architectures_that_cannot_work_are_refused() {
    let base = ConvNetConfig {
        channels: 1,
        size: (6, 6),
        hidden: vec![4],
        strides: vec![Stride::Halve, Stride::Double],
        layer: LayerKind::Concat,
        activation: ActivationKind::Relu,
        num_squeeze: 0,
    };
    let build = |config: &ConvNetConfig| {
        ConvNet::new(config, &mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu).map(|_| ())
    };
    assert!(build(&base).is_ok());
    let odd = ConvNetConfig {
        size: (5, 6),
        ..base.clone()
    };
    assert!(matches!(build(&odd), Err(NnError::Kernel(KernelError::OddSize(5)))));
    for wrong in [
        ConvNetConfig {
            strides: vec![Stride::Halve, Stride::Keep],
            ..base.clone()
        },
        ConvNetConfig {
            strides: vec![Stride::Keep],
            ..base.clone()
        },
        ConvNetConfig {
            channels: 0,
            ..base.clone()
        },
        base.clone().num_squeeze(2),
        base.clone().num_squeeze(usize::MAX),
    ] {
        assert!(
            matches!(build(&wrong), Err(NnError::InvalidArchitecture { .. })),
            "{wrong:?}"
        );
    }
    assert!(Stride::try_from(3).is_err());

    let (mut rng, cpu) = (ChaCha8Rng::seed_from_u64(0), Device::Cpu);
    let shallow = EncoderDecoder::dense(&MlpConfig::new(3).hidden([]), &mut rng, DType::F32, &cpu);
    assert!(matches!(shallow, Err(NnError::InvalidArchitecture { .. })));
    for scales in [0, 3] {
        let parallel = Parallel::new(&ConvNetConfig::new(1, (6, 6)), scales, &mut rng, DType::F32, &cpu);
        assert!(matches!(parallel, Err(NnError::InvalidArchitecture { .. })), "{scales}");
    }
}

#[test]
fn a_last_layer_of_zeros_makes_a_field_that_ignores_its_state() -> Result<()> {
    let (mut rng, cpu) = (ChaCha8Rng::seed_from_u64(3), Device::Cpu);
    let moved = |field: &dyn VectorField| -> Result<(f64, f64)> {
        let mut shape = vec![2];
        shape.extend_from_slice(field.state_shape());
        let z = Tensor::randn(0f64, 1.0, shape, &Device::Cpu)?;
        let change = || -> Result<f64> {
            let f = field.value(0.3, &z, None)?;
            Ok((f.get(0)? - f.get(1)?)?.abs()?.flatten_all()?.max(0)?.to_scalar()?)
        };
        let before = change()?;
        zero_last_layer(field.parameters())?;
        Ok((before, change()?))
    };
    for layer in LayerKind::ALL {
        let config = ConvNetConfig::new(1, (4, 4)).hidden([3, 2]).layer(layer);
        let dense = MlpConfig::new(3).hidden([4]).layer(layer);
        let fields: [Box<dyn VectorField>; 5] = [
            Box::new(ConvNet::new(&config, &mut rng, DType::F64, &cpu)?),
            Box::new(Mlp::new(&dense, &mut rng, DType::F64, &cpu)?),
            Box::new(Parallel::new(&config, 2, &mut rng, DType::F64, &cpu)?),
            Box::new(EncoderDecoder::convolutional(&config, &mut rng, DType::F64, &cpu)?),
            Box::new(EncoderDecoder::dense(&dense, &mut rng, DType::F64, &cpu)?),
        ];
        for field in fields {
            let (before, after) = moved(field.as_ref())?;
            assert!(before > 0.0 && after == 0.0, "{layer}: {field:?}");
            let weights = field.parameters().iter().filter(|p| p.name.ends_with("weight"));
            let set = weights.filter(|p| {
                p.var
                    .abs()
                    .and_then(|w| w.sum_all()?.to_scalar::<f64>())
                    .is_ok_and(|w| w > 0.0)
            });
            assert!(
                set.count() > 0 || layer.to_string().starts_with("hyper"),
                "{layer}: other layers keep theirs"
            );
        }
    }
    Ok(())
}

#[test]
fn spectral_norms_are_bounded_for_layers_alone() -> Result<()> {
    let config = MlpConfig {
        dimension: 4,
        given: 0,
        hidden: vec![9, 9],
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Tanh,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let field = Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
    let of = |parameter: &ffjord_nn::Parameter| parameter.name.ends_with("_layer.weight");
    for parameter in field.parameters() {
        // The first layer's weight is small, those of the others are large.
        let factor = if parameter.name.starts_with("layers.0") {
            0.1
        } else {
            5.0
        };
        parameter.var.set(&(parameter.var.as_detached_tensor() * factor)?)?;
    }
    let values = |field: &Mlp| -> Result<Vec<Vec<f64>>> {
        let tensors = field
            .parameters()
            .iter()
            .map(|parameter| parameter.var.flatten_all()?.to_vec1());
        Ok(tensors.collect::<candle_core::Result<_>>()?)
    };
    let before = values(&field)?;
    ffjord_nn::bound_spectral_norms(field.parameters(), 0.9)?;
    for ((parameter, before), after) in field.parameters().iter().zip(before).zip(values(&field)?) {
        if of(parameter) && !parameter.name.starts_with("layers.0") {
            let norm = ffjord_nn::spectral_norm(&parameter.var)?;
            assert!((norm - 0.9).abs() < 1e-4, "{}: {norm}", parameter.name);
        } else {
            assert_eq!(before, after, "{}", parameter.name);
        }
    }
    // A rotation times 3 has no second singular value to tell apart; a zero matrix has the norm 0.
    let rotation = Tensor::new(&[[1.8, -2.4], [2.4, 1.8]], &Device::Cpu)?;
    assert!((ffjord_nn::spectral_norm(&rotation)? - 3.0).abs() < 1e-12);
    assert_eq!(ffjord_nn::spectral_norm(&rotation.zeros_like()?)?, 0.0);
    for bound in [0.0, -1.0, f64::NAN] {
        assert!(ffjord_nn::bound_spectral_norms(field.parameters(), bound).is_err());
    }
    Ok(())
}

#[test]
fn u_nets_begin_as_zero_and_have_the_parameters_of_their_widths() -> Result<()> {
    let config = UNetConfig::new(1, (28, 28));
    let field = UNet::new(&config, &mut ChaCha8Rng::seed_from_u64(1), DType::F32, &Device::Cpu)?;
    let numbers: usize = field
        .parameters()
        .iter()
        .map(|parameter| parameter.var.elem_count())
        .sum();
    assert_eq!(numbers, 1_443_585);
    let z = Tensor::randn(0f32, 1.0, (2, 1, 28, 28), &Device::Cpu)?;
    assert_eq!(field.value(0.3, &z, None)?.abs()?.max_all()?.to_scalar::<f32>()?, 0.0);
    let mut names: Vec<&String> = field.parameters().iter().map(|parameter| &parameter.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), field.parameters().len());
    Ok(())
}

#[test]
fn u_nets_that_cannot_be_are_refused_with_what_can() {
    let config = UNetConfig::new(1, (28, 28));
    for (config, said) in [
        (config.clone().widths([32, 64, 128, 256]), "halved 3 times"),
        (config.clone().widths([]), "there must be a width"),
        (config.clone().blocks(0), "at least 1"),
        (config.clone().groups(5), "multiples of it"),
    ] {
        let built = UNet::new(&config, &mut ChaCha8Rng::seed_from_u64(1), DType::F32, &Device::Cpu);
        let message = built.map_or_else(|error| error.to_string(), |_| String::new());
        assert!(message.contains(said), "{message}");
    }
}
