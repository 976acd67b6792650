//! The autograd node of a continuous flow against finite differences and across adjoints.

use crate::common::{Path, TestResult, cnf, max_abs, narrow_field, rng, settings, uniform};
use candle_core::{DType, Device, Tensor, Var};
use ffjord_flow::{Backend, Bijection, Cnf, CpuBackend, Pass, PathIntegral, TraceMode};
use ffjord_nn::{Mlp, MlpConfig, Residual, VectorField};
use ffjord_ode::adjoint::AdjointMethod;
use ffjord_ode::{Method, Solver};
use ffjord_trace::ProbeDistribution;
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error>;

const HUTCHINSON: TraceMode = TraceMode::Hutchinson {
    distribution: ProbeDistribution::Rademacher,
    probes: 2,
};

/// A loss that depends on the value, the log-determinant and every path integral.
fn loss(cnf: &Cnf, x: &Tensor, inverse: bool) -> Result<Tensor, BoxError> {
    let mut rng = rng(77);
    let mut pass = Pass::training(&mut rng);
    let image = if inverse {
        cnf.inverse(x, &mut pass)?
    } else {
        cnf.forward(x, &mut pass)?
    };
    let mut total =
        ((&image.value * uniform(8, &[6, 3])?)?.sum_all()? + (image.log_det()? * uniform(9, &[6])?)?.sum_all()?)?;
    for integral in cnf.settings().integrals.clone() {
        let values = image.integrals.get(integral).ok_or("the integral was asked for")?;
        total = (total + (values * 0.3)?.sum_all()?)?;
    }
    Ok(total)
}

fn value(tensor: &Tensor) -> Result<f64, BoxError> {
    Ok(tensor.to_scalar()?)
}

fn check(trace: &TraceMode, adjoint: &str, inverse: bool, tolerance: f64) -> TestResult {
    [Path::Kernels, Path::Tensors]
        .into_iter()
        .try_for_each(|backend| check_backend(backend, trace.clone(), adjoint, inverse, tolerance))
}

fn check_backend(backend: Path, trace: TraceMode, adjoint: &str, inverse: bool, tolerance: f64) -> TestResult {
    let mut settings = settings(1e-9, trace)?;
    settings.adjoint = adjoint.parse::<AdjointMethod>()?;
    // The gradient is that of the steps taken, so a few steps show as much as many.
    match settings.adjoint {
        AdjointMethod::Checkpointed(_) | AdjointMethod::Binomial(_) => {
            settings.training.solver = Solver::new(Method::Dopri5).fixed_steps(4);
        }
        AdjointMethod::Reversible(_) => {
            settings.training.solver = Solver::new(Method::ReversibleHeun).fixed_steps(12);
        }
        _ => {}
    }
    check_flow(&backend.on(cnf(settings)?), adjoint, inverse, tolerance)
}

/// The gradient of every parameter and of the input against differences along a random direction.
fn check_flow(cnf: &Cnf, label: &str, inverse: bool, tolerance: f64) -> TestResult {
    let x = Var::from_tensor(&uniform(3, &[6, 3])?)?;
    let gradients = loss(cnf, &x, inverse)?.backward()?;
    let step = 1e-4;
    let mut vars: Vec<(String, Var)> = cnf.parameters().into_iter().map(|p| (p.name, p.var)).collect();
    vars.push(("x".to_string(), x.clone()));
    for (index, (name, var)) in vars.iter().enumerate() {
        let centre = var.as_detached_tensor().copy()?;
        let direction = uniform(500 + index as u64, centre.dims())?;
        let at = |scale: f64| -> Result<f64, BoxError> {
            var.set(&(&centre + (&direction * (scale * step))?)?)?;
            value(&loss(cnf, &x, inverse)?)
        };
        let difference = (at(-2.0)? - 8.0 * at(-1.0)? + 8.0 * at(1.0)? - at(2.0)?) / (12.0 * step);
        var.set(&centre)?;
        let gradient = gradients.get(var).ok_or("every parameter must have a gradient")?;
        let gradient = value(&(gradient * &direction)?.sum_all()?)?;
        let error = (gradient - difference).abs() / difference.abs().max(1.0);
        assert!(error < tolerance, "{label} {name}: {gradient} against {difference}");
    }
    Ok(())
}

#[test]
fn checkpointed_with_estimated_trace() -> TestResult {
    check(&HUTCHINSON, "checkpointed", false, 1e-7)
}

#[test]
fn checkpointed_with_exact_trace_backwards_in_time() -> TestResult {
    check(&TraceMode::Exact, "checkpointed", true, 1e-7)
}

/// Flows with few fixed steps and these integrals, on both paths.
fn check_integrals(trace: &TraceMode, integrals: &[PathIntegral]) -> TestResult {
    for backend in [Path::Kernels, Path::Tensors] {
        let mut settings = settings(1e-9, trace.clone())?;
        settings.integrals = integrals.to_vec();
        settings.training.solver = Solver::new(Method::Rk4).fixed_steps(2);
        check_flow(&backend.on(cnf(settings)?), &format!("{backend:?}"), false, 1e-7)?;
    }
    Ok(())
}

#[test]
fn integrals_of_the_value_and_of_the_whole_jacobian() -> TestResult {
    use PathIntegral::{Diagonal, EnergyGradient, Frobenius, L1, L2, OffDiagonal};
    check_integrals(
        &TraceMode::Exact,
        &[L1, L2, Frobenius, Diagonal, OffDiagonal, EnergyGradient],
    )?;
    // Alone, so that a slope that is missing cannot hide among the others'.
    check_integrals(&TraceMode::Exact, &[EnergyGradient])
}

#[test]
fn integrals_of_probes_and_along_the_path() -> TestResult {
    use PathIntegral::{Acceleration, Directional, TraceVariance};
    check_integrals(&HUTCHINSON, &[TraceVariance, Directional, Acceleration])?;
    check_integrals(&HUTCHINSON, &[TraceVariance])
}

#[test]
fn traces_at_the_bottleneck() -> TestResult {
    let trace = TraceMode::Bottleneck {
        distribution: ProbeDistribution::Rademacher,
        probes: 2,
    };
    let mut settings = settings(1e-9, trace)?;
    settings.integrals = vec![PathIntegral::TraceVariance, PathIntegral::L2];
    settings.training.solver = Solver::new(Method::Rk4).fixed_steps(2);
    check_flow(&Cnf::new(narrow_field()?, settings)?, "bottleneck", false, 1e-7)
}

#[test]
fn a_random_end_time_is_differentiated_where_it_was_drawn() -> TestResult {
    let mut settings = settings(1e-9, TraceMode::Exact)?;
    settings.training.solver = Solver::new(Method::Dopri5).fixed_steps(3);
    let flow = cnf(settings.clone())?.with_random_end_time(0.5)?;
    check_flow(&flow, "random end time", false, 1e-7)?;
    let x = uniform(3, &[6, 3])?;
    let image = |flow: &Cnf, mut pass: Pass<'_>| -> Result<Tensor, BoxError> { Ok(flow.forward(&x, &mut pass)?.value) };
    let fixed = cnf(settings)?;
    let moved = (image(&flow, Pass::training(&mut rng(1)))? - image(&fixed, Pass::training(&mut rng(1)))?)?;
    assert!(max_abs(&moved.detach())? > 1e-3, "training moves the end");
    let kept = (image(&flow, Pass::evaluation(&mut rng(1)))? - image(&fixed, Pass::evaluation(&mut rng(1)))?)?;
    assert_eq!(max_abs(&kept)?, 0.0, "evaluation keeps it");
    Ok(())
}

#[test]
fn looser_tolerances_of_a_pass_save_evaluations() -> TestResult {
    let cnf = cnf(settings(1e-9, HUTCHINSON)?)?;
    let x = uniform(3, &[6, 3])?;
    let evaluations = |factor| -> Result<f64, BoxError> {
        let mut rng = rng(0);
        let mut pass = Pass::training(&mut rng).tolerance(factor);
        cnf.forward(&x, &mut pass)?;
        Ok(pass.cost().snapshot().forward_evaluations)
    };
    assert!(evaluations(1e5)? < 0.5 * evaluations(1.0)?);
    assert!(
        cnf.forward(&x, &mut Pass::training(&mut rng(0)).tolerance(f64::NAN))
            .is_err()
    );
    Ok(())
}

#[test]
fn backsolve() -> TestResult {
    check(&HUTCHINSON, "backsolve", false, 1e-5)
}

#[test]
fn interpolated() -> TestResult {
    check(&HUTCHINSON, "interpolated", true, 1e-5)
}

#[test]
fn reversible() -> TestResult {
    check(&HUTCHINSON, "reversible", false, 1e-7)
}

#[test]
fn binomial() -> TestResult {
    check(&HUTCHINSON, "binomial", false, 1e-7)
}

#[test]
fn both_backends_are_the_same_function() -> TestResult {
    let x = uniform(3, &[6, 3])?;
    let run = |backend: Path| -> Result<Vec<f64>, BoxError> {
        let settings = settings(1e-5, HUTCHINSON)?;
        let cnf = backend.on(cnf(settings)?);
        let total = loss(&cnf, &x, false)?;
        let gradients = total.backward()?;
        let mut values = vec![value(&total)?];
        for parameter in cnf.parameters() {
            let gradient = gradients
                .get(&parameter.var)
                .ok_or("every parameter must have a gradient")?;
            values.extend(gradient.flatten_all()?.to_vec1::<f64>()?);
        }
        Ok(values)
    };
    let (fused, generic) = (run(Path::Kernels)?, run(Path::Tensors)?);
    let scale = generic.iter().fold(0.0f64, |scale, value| scale.max(value.abs()));
    for (a, b) in fused.iter().zip(&generic) {
        assert!((a - b).abs() < 1e-10 * scale, "{a} against {b}");
    }
    Ok(())
}

#[test]
fn probes_stay_fixed_for_a_pass_and_differ_between_passes() -> TestResult {
    let cnf = cnf(settings(1e-8, HUTCHINSON)?)?;
    let x = uniform(3, &[6, 3])?;
    let log_det = |seed| -> Result<Tensor, BoxError> {
        Ok(cnf
            .forward(&x, &mut Pass::training(&mut rng(seed)))?
            .log_det()?
            .detach())
    };
    assert_eq!(max_abs(&(log_det(1)? - log_det(1)?)?)?, 0.0);
    assert!(max_abs(&(log_det(1)? - log_det(2)?)?)? > 1e-3);
    Ok(())
}

#[test]
fn the_estimated_log_determinant_is_unbiased() -> TestResult {
    let exact = cnf(settings(1e-8, TraceMode::Exact)?)?;
    let estimated = cnf(settings(1e-8, HUTCHINSON)?)?;
    let x = uniform(3, &[1, 3])?;
    let reference = exact
        .forward(&x, &mut Pass::evaluation(&mut rng(0)))?
        .log_det()?
        .to_vec1::<f64>()?[0];
    let many = x.broadcast_as((3000, 3))?.contiguous()?;
    let draws: Vec<f64> = estimated
        .forward(&many, &mut Pass::evaluation(&mut rng(1)))?
        .log_det()?
        .to_vec1()?;
    let mean = draws.iter().sum::<f64>() / draws.len() as f64;
    let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / (draws.len() - 1) as f64;
    let z = (mean - reference) / (variance / draws.len() as f64).sqrt();
    assert!(z.abs() < 4.0 && variance > 1e-6, "z = {z}, variance {variance}");
    Ok(())
}

#[test]
fn threads_do_not_change_a_bit() -> TestResult {
    let run = |threads: usize| -> Result<Vec<f64>, BoxError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        // candle works in the pool it is called from.
        let run = || -> Result<Vec<f64>, String> {
            let inner = || -> Result<Vec<f64>, BoxError> {
                let cnf = cnf(settings(1e-5, HUTCHINSON)?)?;
                let x = uniform(3, &[6, 3])?;
                let total = loss(&cnf, &x, false)?;
                let gradients = total.backward()?;
                let mut bits = vec![value(&total)?];
                for parameter in cnf.parameters() {
                    let gradient = gradients
                        .get(&parameter.var)
                        .ok_or("every parameter must have a gradient")?;
                    bits.extend(gradient.flatten_all()?.to_vec1::<f64>()?);
                }
                Ok(bits)
            };
            inner().map_err(|error| error.to_string())
        };
        Ok(pool.install(run)?)
    };
    assert_eq!(run(1)?, run(3)?);
    Ok(())
}

#[test]
fn costs_are_counted() -> TestResult {
    let cnf = cnf(settings(1e-5, HUTCHINSON)?)?;
    let mut rng = rng(0);
    let mut pass = Pass::training(&mut rng);
    let image = cnf.forward(&uniform(3, &[6, 3])?, &mut pass)?;
    let before = pass.cost().snapshot();
    assert!(before.forward_evaluations >= 8.0 && before.accepted_steps >= 1.0);
    assert_eq!(before.backward_evaluations, 0.0);
    image.log_det()?.sum_all()?.backward()?;
    assert!(pass.cost().snapshot().backward_evaluations >= 6.0);
    Ok(())
}

/// Flows may share a backend, and with it the memory of evaluations that are kept for gradients.
#[test]
fn one_backend_serves_flows_of_different_networks() -> TestResult {
    let shared: Arc<dyn Backend> = Arc::new(CpuBackend::default());
    for (dimension, residual) in [(3, false), (3, true), (2, false), (3, false)] {
        let config = MlpConfig::new(dimension).hidden([6]);
        let network = Mlp::new(&config, &mut rng(dimension as u64), DType::F64, &Device::Cpu)?;
        let field: Arc<dyn VectorField> = match residual {
            true => Arc::new(Residual::new(network)),
            false => Arc::new(network),
        };
        let trace = TraceMode::Hutchinson {
            distribution: ProbeDistribution::Rademacher,
            probes: 1,
        };
        let x = uniform(4, &[6, dimension])?;
        let gradient = |backend: Option<&Arc<dyn Backend>>| -> Result<Vec<f64>, BoxError> {
            let cnf = Cnf::new(field.clone(), settings(1e-6, trace.clone())?)?;
            let cnf = match backend {
                Some(backend) => cnf.with_backend(backend.clone()),
                None => cnf,
            };
            let image = cnf.forward(&x, &mut Pass::training(&mut rng(9)))?;
            let gradients = image.log_det()?.sum_all()?.backward()?;
            let first = &cnf.field().parameters()[0].var;
            let gradient = gradients.get(first).ok_or("no gradient")?;
            Ok(gradient.flatten_all()?.to_vec1()?)
        };
        assert_eq!(gradient(Some(&shared))?, gradient(None)?);
    }
    Ok(())
}
