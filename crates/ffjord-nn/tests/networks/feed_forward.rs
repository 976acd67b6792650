//! Feed-forward networks: what their outputs depend on.

use candle_core::{DType, Device, Tensor};
use ffjord_nn::{
    ActivationKind, AutoregressiveConfig, FeedForward, FeedForwardConfig, NnError, Parameter, ParameterBuilder, Result,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn randomise(parameters: &[Parameter], rng: &mut ChaCha8Rng) -> Result<()> {
    for parameter in parameters {
        let values: Vec<f64> = (0..parameter.var.elem_count())
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        parameter
            .var
            .set(&Tensor::from_vec(values, parameter.var.shape(), &Device::Cpu)?)?;
    }
    Ok(())
}

/// Which inputs change each column's outputs, found by changing one input at a time.
fn dependencies(config: &AutoregressiveConfig) -> Result<Vec<Vec<usize>>> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut builder = ParameterBuilder::new(&mut rng, DType::F64, &Device::Cpu);
    let network = FeedForward::autoregressive(config, &mut builder)?;
    let parameters = builder.finish();
    randomise(&parameters, &mut rng)?;
    let inputs = config.dimension + config.condition;
    let outputs = |changed: Option<usize>| -> Result<Vec<f64>> {
        let x: Vec<f64> = (0..inputs)
            .map(|input| if changed == Some(input) { 0.9 } else { 0.1 })
            .collect();
        let output = network.apply(&Tensor::from_vec(x, (1, inputs), &Device::Cpu)?)?;
        Ok(output.flatten_all()?.to_vec1()?)
    };
    let before = outputs(None)?;
    let mut seen = vec![Vec::new(); config.dimension];
    for input in 0..inputs {
        for (place, (a, b)) in before.iter().zip(outputs(Some(input))?).enumerate() {
            let column = &mut seen[place / config.outputs_per_column];
            if *a != b && column.last() != Some(&input) {
                column.push(input);
            }
        }
    }
    Ok(seen)
}

#[test]
fn a_column_depends_on_those_before_it_and_on_the_condition() -> Result<()> {
    let config = |dimension, condition| AutoregressiveConfig {
        dimension,
        condition,
        hidden: vec![12, 9],
        outputs_per_column: 2,
        activation: ActivationKind::Tanh,
    };
    assert_eq!(
        dependencies(&config(4, 0))?,
        [vec![], vec![0], vec![0, 1], vec![0, 1, 2]]
    );
    assert_eq!(
        dependencies(&config(3, 2))?,
        [vec![3, 4], vec![0, 3, 4], vec![0, 1, 3, 4]]
    );
    assert_eq!(dependencies(&config(1, 1))?, [vec![1]]);
    assert_eq!(dependencies(&config(1, 0))?, [Vec::<usize>::new()]);
    Ok(())
}

#[test]
fn a_new_network_is_zero_and_names_its_parameters() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut builder = ParameterBuilder::new(&mut rng, DType::F32, &Device::Cpu);
    let config = FeedForwardConfig {
        inputs: 2,
        hidden: vec![8],
        outputs: 3,
        activation: ActivationKind::Relu,
    };
    let network = FeedForward::dense(&config, &mut builder)?;
    let output = network.apply(&Tensor::ones((4, 2), DType::F32, &Device::Cpu)?)?;
    assert_eq!(output.to_vec2::<f32>()?, vec![vec![0.0; 3]; 4]);
    let wrong = network.apply(&Tensor::ones((4, 3), DType::F32, &Device::Cpu)?);
    assert!(matches!(wrong, Err(NnError::InputShape { .. })));
    let empty = FeedForward::dense(&FeedForwardConfig { outputs: 0, ..config }, &mut builder);
    assert!(matches!(empty, Err(NnError::InvalidArchitecture { .. })));
    let names: Vec<String> = builder.finish().into_iter().map(|parameter| parameter.name).collect();
    assert_eq!(
        names,
        ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    );
    Ok(())
}
