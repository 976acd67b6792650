//! Every path integral against its closed form on linear fields, on both paths.

use crate::common::{Path, TestResult, max_abs, narrow_field, rng, settings, uniform};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Bijection, Cnf, Pass, PathIntegral, TraceMode};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, VectorField};
use ffjord_ode::{Method, Solver};
use ffjord_trace::ProbeDistribution;
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error>;

/// The settings' end time.
const T: f64 = 0.8;

/// `W z + h t` on the plane.
fn linear(weight: [[f64; 2]; 2], drift: [f64; 2]) -> Result<Arc<dyn VectorField>, BoxError> {
    let config = MlpConfig {
        dimension: 2,
        given: 0,
        hidden: Vec::new(),
        layer: LayerKind::ConcatV2,
        activation: ActivationKind::Identity,
    };
    let field = Mlp::new(&config, &mut rng(0), DType::F64, &Device::Cpu)?;
    for parameter in field.parameters() {
        let value = match parameter.name.as_str() {
            "layers.0._layer.weight" => Tensor::new(&weight, &Device::Cpu)?,
            "layers.0._hyper_bias.weight" => Tensor::new(&drift, &Device::Cpu)?.unsqueeze(1)?,
            _ => parameter.var.zeros_like()?,
        };
        parameter.var.set(&value)?;
    }
    Ok(Arc::new(field))
}

/// The integrals from (0.6, −0.8), whose norm is 1, on both paths.
fn check(field: &Arc<dyn VectorField>, trace: &TraceMode, expected: &[(PathIntegral, f64)]) -> TestResult {
    let z = Tensor::new(&[[0.6, -0.8], [0.0, 0.0]], &Device::Cpu)?;
    for backend in [Path::Kernels, Path::Tensors] {
        let mut settings = settings(1e-5, trace.clone())?;
        settings.training.solver = Solver::new(Method::Dopri5).fixed_steps(18);
        settings.integrals = expected.iter().map(|(integral, _)| *integral).collect();
        let cnf = backend.on(Cnf::new(field.clone(), settings)?);
        let image = cnf.forward(&z, &mut Pass::training(&mut rng(1)))?;
        for (integral, expected) in expected {
            let values: Vec<f64> = image.integrals.get(*integral).ok_or("it was asked for")?.to_vec1()?;
            let error = (values[0] - expected).abs();
            assert!(error < 1e-8, "{backend:?} {integral}: {} against {expected}", values[0]);
        }
        // At the fixed point every norm is 0 or constant: its slope must not be a NaN.
        let mut total = image.log_det()?.sum_all()?;
        for (_, values) in image.integrals.iter() {
            total = (total + values.sum_all()?)?;
        }
        let gradients = total.backward()?;
        for parameter in cnf.parameters() {
            let gradient = gradients.get(&parameter.var).ok_or("a gradient")?;
            assert!(
                max_abs(&gradient.detach())?.is_finite(),
                "{backend:?} {}",
                parameter.name
            );
        }
    }
    Ok(())
}

#[test]
fn a_growing_rotation() -> TestResult {
    // W = λI + ωR: the norm of the state is e^{λt}, that of the field c e^{λt}, c² = λ² + ω².
    let (lambda, omega) = (0.7f64, -1.3f64);
    let square = lambda * lambda + omega * omega;
    let length = ((lambda * T).exp() - 1.0) / lambda;
    let energy = ((2.0 * lambda * T).exp() - 1.0) / (2.0 * lambda);
    check(
        &linear([[lambda, -omega], [omega, lambda]], [0.0, 0.0])?,
        &TraceMode::Exact,
        &[
            (PathIntegral::Kinetic, square * energy),
            (PathIntegral::Jacobian, 2.0 * square * T),
            (PathIntegral::L2, square.sqrt() * length),
            (PathIntegral::Frobenius, (2.0 * square).sqrt() * T),
            (PathIntegral::Diagonal, 2f64.sqrt() * lambda * T),
            (PathIntegral::OffDiagonal, -(2f64.sqrt()) * omega * T),
            // WᵀW is c² times the identity, so that ‖Wᵀ W z‖ is ‖W W z‖ here.
            (PathIntegral::EnergyGradient, square * length),
            (PathIntegral::Directional, square * length),
            (PathIntegral::Acceleration, square * square * energy),
        ],
    )
}

#[test]
fn exponential_decay_in_the_sum_norm() -> TestResult {
    let lambda = -0.9f64;
    let expected = 1.4 * (1.0 - (lambda * T).exp());
    check(
        &linear([[lambda, 0.0], [0.0, lambda]], [0.0, 0.0])?,
        &TraceMode::Exact,
        &[(PathIntegral::L1, expected)],
    )
}

#[test]
fn the_energy_gradient_has_the_transposed_jacobian() -> TestResult {
    // W² = 0: the field W z is constant along its path, so that ‖Wᵀ W z‖ = s² |y| while W W z = 0.
    let shear = -1.5f64;
    check(
        &linear([[0.0, shear], [0.0, 0.0]], [0.0, 0.0])?,
        &TraceMode::Exact,
        &[
            (PathIntegral::EnergyGradient, shear * shear * 0.8 * T),
            (PathIntegral::Directional, 0.0),
        ],
    )
}

#[test]
fn acceleration_knows_the_fields_change_in_time() -> TestResult {
    check(
        &linear([[0.0; 2]; 2], [0.5, 1.5])?,
        &TraceMode::Exact,
        &[(PathIntegral::Acceleration, 2.5 * T), (PathIntegral::Directional, 0.0)],
    )
}

#[test]
fn trace_variance_of_given_probes() -> TestResult {
    // εᵀWε = 2a ± 2b for (1, 1) and (1, −1): the sample variance of the mean of the two is 4b².
    let (a, b) = (0.4, 0.3);
    let probes = Tensor::new(&[[[1.0, 1.0]], [[1.0, -1.0]]], &Device::Cpu)?;
    let x = Tensor::new(&[[0.6, -0.8]], &Device::Cpu)?;
    for backend in [Path::Kernels, Path::Tensors] {
        let trace = TraceMode::Hutchinson {
            distribution: ProbeDistribution::Rademacher,
            probes: 2,
        };
        let mut settings = settings(1e-5, trace)?;
        settings.integrals = vec![PathIntegral::TraceVariance];
        let cnf = backend.on(Cnf::new(linear([[a, b], [b, a]], [0.0, 0.0])?, settings)?);
        let mut rng = rng(0);
        let image = cnf.forward_with_probes(&x, &probes, Pass::training(&mut rng).cost())?;
        let variance = image
            .integrals
            .get(PathIntegral::TraceVariance)
            .ok_or("it was asked for")?;
        assert!((variance.to_vec1::<f64>()?[0] - 4.0 * b * b * T).abs() < 1e-12);
    }
    Ok(())
}

#[test]
fn the_trace_at_the_bottleneck_is_that_of_the_jacobian() -> TestResult {
    let x = uniform(3, &[6, 3])?;
    let log_det = |trace| -> Result<Tensor, BoxError> {
        let mut settings = settings(1e-5, trace)?;
        settings.integrals = Vec::new();
        settings.evaluation.solver = Solver::new(Method::Rk4).fixed_steps(3);
        let cnf = Cnf::new(narrow_field()?, settings)?;
        Ok(cnf.forward(&x, &mut Pass::evaluation(&mut rng(0)))?.log_det()?.clone())
    };
    let exact = log_det(TraceMode::Exact)?;
    // As many orthogonal probes as the middle is wide are exact too.
    let complete = TraceMode::Bottleneck {
        distribution: ProbeDistribution::Orthogonal,
        probes: 2,
    };
    for trace in [TraceMode::BottleneckExact, complete] {
        assert!(max_abs(&(log_det(trace.clone())? - &exact)?)? < 1e-12, "{trace:?}");
    }
    Ok(())
}
