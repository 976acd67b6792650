//! The field itself on a batch with a time for each row, through the kernels and without them.

use crate::common::{Path, TestResult, max_abs, rng, settings, uniform};
use candle_core::{DType, Device, Tensor, Var};
use ffjord_flow::{Bijection, Cnf, FlowError, TraceMode, Velocity};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, VectorField};
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error>;

/// A flow of rows with 3 columns, twice with the same weights: on the kernels, and in tensor operations.
fn pair(layer: LayerKind, condition: usize) -> Result<[Cnf; 2], BoxError> {
    let config = MlpConfig {
        dimension: 3,
        given: condition,
        hidden: vec![9, 5],
        layer,
        activation: ActivationKind::Softplus,
    };
    let field: Arc<dyn VectorField> = Arc::new(Mlp::new(&config, &mut rng(1), DType::F64, &Device::Cpu)?);
    let of = |backend: Path| -> Result<Cnf, BoxError> {
        let mut settings = settings(1e-6, TraceMode::Exact)?;
        settings.integrals = Vec::new();
        Ok(backend.on(Cnf::new(field.clone(), settings)?))
    };
    Ok([of(Path::Kernels)?, of(Path::Tensors)?])
}

/// Runs of one time that start and end within blocks, at their ends, and across them; single rows; a time that returns.
fn times() -> Vec<f64> {
    let runs = [
        (1, 0.3),
        (200, 0.1),
        (55, 0.7),
        (300, 0.2),
        (1, 0.0),
        (1, 0.8),
        (2, 0.1),
    ];
    runs.iter()
        .flat_map(|(rows, time)| std::iter::repeat_n(*time, *rows))
        .collect()
}

#[test]
fn values_and_gradients_are_those_of_tensor_operations() -> TestResult {
    let times = times();
    let layers = [
        LayerKind::ConcatSquash,
        LayerKind::Concat,
        LayerKind::Blend,
        LayerKind::Hyper,
    ];
    for layer in layers {
        for condition in [0, 2] {
            let rows = times.len();
            let given = Var::from_tensor(&uniform(5, &[rows, 2])?)?;
            let (z, weights) = (Var::from_tensor(&uniform(3, &[rows, 3])?)?, uniform(4, &[rows, 3])?);
            let mut outcomes = Vec::new();
            for cnf in pair(layer, condition)? {
                let given = (condition > 0).then_some(given.as_tensor());
                let value = cnf.velocity(&times, z.as_tensor(), given)?;
                let gradients = (&value * &weights)?.sum_all()?.backward()?;
                let mut outcome = vec![value.detach(), gradients.get(&z).ok_or("a gradient of z")?.clone()];
                if let Some(given) = given {
                    outcome.push(gradients.get(given).ok_or("a gradient of the condition")?.clone());
                }
                for parameter in cnf.field().parameters() {
                    let gradient = gradients.get(&parameter.var).ok_or("a gradient of a parameter")?;
                    outcome.push(gradient.clone());
                }
                assert!(
                    cnf.parameters()
                        .last()
                        .is_some_and(|end| gradients.get(&end.var).is_none())
                );
                outcomes.push(outcome);
            }
            let [fused, generic] = [&outcomes[0], &outcomes[1]];
            assert_eq!(fused.len(), generic.len());
            for (fused, generic) in fused.iter().zip(generic) {
                assert_eq!(fused.dims(), generic.dims());
                let error = max_abs(&(fused - generic)?)?;
                assert!(
                    error < 1e-12 * max_abs(generic)?.max(1.0),
                    "{layer:?}, {condition}: {error:e}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() -> TestResult {
    let [cnf, _] = pair(LayerKind::ConcatSquash, 0)?;
    let times = times();
    let z = uniform(3, &[times.len(), 3])?;
    let bits = |threads: usize| -> Result<Vec<u64>, BoxError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let gradients: Result<Vec<Tensor>, candle_core::Error> = pool.install(|| {
            let value = cnf.velocity(&times, &z, None).map_err(candle_core::Error::wrap)?;
            let store = value.sqr()?.sum_all()?.backward()?;
            let parameters = cnf.field().parameters();
            Ok(parameters.iter().filter_map(|p| store.get(&p.var).cloned()).collect())
        });
        let mut bits = Vec::new();
        for gradient in gradients? {
            bits.extend(gradient.flatten_all()?.to_vec1::<f64>()?.iter().map(|x| x.to_bits()));
        }
        Ok(bits)
    };
    let one = bits(1)?;
    assert!(!one.is_empty());
    assert_eq!(one, bits(3)?);
    // Memory of other sizes is made anew, that of the same is taken up again.
    cnf.velocity(&times[..10], &z.narrow(0, 0, 10)?, None)?;
    assert_eq!(one, bits(2)?);
    Ok(())
}

#[test]
fn times_that_do_not_fit_are_refused() -> TestResult {
    let [cnf, _] = pair(LayerKind::Concat, 0)?;
    let outcome = cnf.velocity(&[0.1, 0.2], &uniform(3, &[3, 3])?, None);
    assert!(matches!(outcome, Err(FlowError::InputShape { what: "times", .. })));
    Ok(())
}
