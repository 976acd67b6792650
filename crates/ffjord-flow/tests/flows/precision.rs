//! Gradients of the fused path in single precision against those of the generic path in double precision.

use crate::common::{Path, TestResult, rng, settings, uniform};
use candle_core::{DType, Device, Tensor, Var};
use ffjord_flow::{Bijection, Cnf, Pass, PathIntegral, TraceMode};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, VectorField};
use ffjord_ode::{Method, Solver};
use ffjord_trace::ProbeDistribution;
use std::error::Error;
use std::sync::Arc;

/// Largest error of a gradient relative to its size.
const TOLERANCE: f64 = 1e-4;

/// The nonlinearities with a continuous second derivative: for the others a rounding decides which side a number is on.
const SMOOTH: [ActivationKind; 5] = [
    ActivationKind::Tanh,
    ActivationKind::Softplus,
    ActivationKind::Swish,
    ActivationKind::Square,
    ActivationKind::Identity,
];

/// Gradients with the names of what they belong to.
type Named = Vec<(String, Vec<f64>)>;

/// All gradients of a loss that all results of the flow enter into.
fn gradients(field: Mlp, x: &Tensor, backend: Path, trace: TraceMode) -> Result<Named, Box<dyn Error>> {
    let mut settings = settings(1e-5, trace)?;
    // Both take the same steps.
    settings.training.solver = Solver::new(Method::Dopri5).fixed_steps(2);
    let cnf = backend.on(Cnf::new(Arc::new(field), settings)?);
    let x = Var::from_tensor(x)?;
    let image = cnf.forward(&x, &mut Pass::training(&mut rng(77)))?;
    let mut total = ((image.value.sqr()? * 0.5)?.sum_all()? - image.log_det()?.sum_all()?)?;
    for integral in [PathIntegral::Kinetic, PathIntegral::Jacobian] {
        let values = image.integrals.get(integral).ok_or("the integral was asked for")?;
        total = (total + (values * 0.3)?.sum_all()?)?;
    }
    let store = total.backward()?;
    let mut vars: Vec<(String, Var)> = cnf.parameters().into_iter().map(|p| (p.name, p.var)).collect();
    vars.push(("x".to_string(), x.clone()));
    let gradient = |(name, var): (String, Var)| {
        let gradient = store.get(&var).ok_or("every parameter must have a gradient")?;
        Ok((name, gradient.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?))
    };
    vars.into_iter().map(gradient).collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

fn check(layer: LayerKind, activation: ActivationKind, trace: &TraceMode) -> TestResult {
    let config = MlpConfig {
        dimension: 3,
        given: 0,
        hidden: vec![12, 8],
        layer,
        activation,
    };
    let network = |dtype| Mlp::new(&config, &mut rng(1), dtype, &Device::Cpu);
    let (single, double) = (network(DType::F32)?, network(DType::F64)?);
    for (single, double) in single.parameters().iter().zip(double.parameters()) {
        // The same numbers, not only the same draws.
        double.var.set(&single.var.to_dtype(DType::F64)?)?;
    }
    let x = uniform(3, &[6, 3])?.to_dtype(DType::F32)?;
    let fused = gradients(single, &x, Path::Kernels, trace.clone())?;
    let generic = gradients(double, &x.to_dtype(DType::F64)?, Path::Tensors, trace.clone())?;
    let whole = norm(generic.iter().flat_map(|(_, gradient)| gradient.iter().copied()));
    for ((name, single), (_, double)) in fused.iter().zip(&generic) {
        let error = norm(single.iter().zip(double).map(|(a, b)| a - b));
        // A gradient that vanishes against the others is known as well as they are.
        let size = norm(double.iter().copied()).max(1e-3 * whole);
        assert!(
            error < TOLERANCE * size,
            "{layer} {activation} {trace:?} {name}: off by {:e} of its size",
            error / size
        );
    }
    Ok(())
}

#[test]
fn single_precision_gradients_are_those_of_double_precision() -> TestResult {
    let hutchinson = TraceMode::Hutchinson {
        distribution: ProbeDistribution::Rademacher,
        probes: 1,
    };
    for layer in LayerKind::ALL {
        for activation in SMOOTH {
            check(layer, activation, &hutchinson)?;
        }
    }
    SMOOTH
        .into_iter()
        .try_for_each(|activation| check(LayerKind::ConcatSquash, activation, &TraceMode::Exact))
}
