//! Densities p(x | c).

use crate::check::{COLUMNS, Check};
use crate::common::{Path, TestResult, max_abs, rng, settings, uniform};
use candle_core::{DType, Device, Tensor, Var};
use ffjord_flow::{Bijection, Cnf, Density, Flow, FlowError, Pass, PathIntegral, TraceMode};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, VectorField};
use ffjord_ode::adjoint::AdjointMethod;
use ffjord_ode::{Method, Solver};
use ffjord_trace::ProbeDistribution;
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error>;

fn conditional(trace: TraceMode, hidden: Vec<usize>, condition: usize, seed: u64) -> Result<Cnf, BoxError> {
    let config = MlpConfig {
        dimension: COLUMNS,
        given: condition,
        hidden,
        layer: LayerKind::Ignore,
        activation: ActivationKind::Tanh,
    };
    let field = Mlp::new(&config, &mut rng(seed), DType::F64, &Device::Cpu)?;
    Ok(Cnf::new(Arc::new(field), settings(1e-10, trace)?)?)
}

#[test]
fn a_conditional_continuous_flow_is_a_bijection() -> TestResult {
    let check = Check {
        condition: 2,
        step: 1e-3,
        accuracy: 1e-7,
        gradients: 1e-5,
        unit: false,
    };
    check.run(|seed| conditional(TraceMode::Exact, vec![6], 2, seed))
}

#[test]
fn rows_that_are_given_no_number_are_scored_apart() -> TestResult {
    let flow = Flow::over_normal(conditional(TraceMode::Exact, vec![6], 1, 0)?)?;
    let (x, given) = (uniform(0, &[4, COLUMNS])?, uniform(1, &[4, 1])?);
    let scores = |x: &Tensor, given: Tensor| -> Result<Vec<f64>, BoxError> {
        let scores = flow.scores(x, &mut Pass::evaluation(&mut rng(0)).given(given))?;
        Ok(scores.to_vec1()?)
    };
    let all = scores(&x, given.clone())?;
    let mut holes = given.to_vec2::<f64>()?;
    holes[2][0] = f64::NAN;
    let found = scores(&x, Tensor::new(holes.clone(), &Device::Cpu)?)?;
    assert!(found[2].is_nan());
    for row in [0, 1, 3] {
        assert!((found[row] - all[row]).abs() < 1e-6, "{found:?} and {all:?}");
    }
    // A row that fails has its own number, although one before it was left out: this field grows as a square.
    let config = MlpConfig::new(COLUMNS).given(1).activation(ActivationKind::Square);
    let field = Mlp::new(&config, &mut rng(1), DType::F64, &Device::Cpu)?;
    let flow = Flow::over_normal(Cnf::new(Arc::new(field), settings(1e-5, TraceMode::Exact)?)?)?;
    let mut far = x.to_vec2::<f64>()?;
    far[3] = vec![1e200; COLUMNS];
    holes.swap(0, 2);
    let mut rng = rng(0);
    let mut pass = Pass::evaluation(&mut rng).given(Tensor::new(holes, &Device::Cpu)?);
    let error = flow.scores(&Tensor::new(far, &Device::Cpu)?, &mut pass);
    let error = error.err().ok_or("an overflow has a density")?.to_string();
    assert!(error.contains("rows 1 to 3") && error.contains("row 3"), "{error}");
    Ok(())
}

/// A field of one condition, and the field that it is where the condition is 1: the condition's weights are its bias.
fn at_one() -> Result<(Mlp, Mlp), BoxError> {
    let config = MlpConfig {
        dimension: COLUMNS,
        given: 0,
        hidden: vec![2],
        layer: LayerKind::Squash,
        activation: ActivationKind::Tanh,
    };
    let conditional = Mlp::new(&config.clone().given(1), &mut rng(0), DType::F64, &Device::Cpu)?;
    let plain = Mlp::new(&config, &mut rng(1), DType::F64, &Device::Cpu)?;
    for (from, to) in conditional.parameters().iter().zip(plain.parameters()) {
        let value = match from.name.as_str() {
            "layers.0._layer.weight" => from.var.narrow(1, 0, COLUMNS)?.contiguous()?,
            "layers.0._layer.bias" => {
                let weight = conditional.parameters()[0].var.narrow(1, COLUMNS, 1)?.contiguous()?;
                (from.var.as_tensor() + weight.flatten_all()?)?
            }
            _ => from.var.as_tensor().clone(),
        };
        to.var.set(&value.detach())?;
    }
    Ok((conditional, plain))
}

#[test]
fn every_path_integral_knows_conditions() -> TestResult {
    let (conditional, plain) = at_one()?;
    let (conditional, plain): (Arc<dyn VectorField>, Arc<dyn VectorField>) = (Arc::new(conditional), Arc::new(plain));
    let two_probes = TraceMode::Hutchinson {
        distribution: ProbeDistribution::Gaussian,
        probes: 2,
    };
    let of_columns = [
        PathIntegral::Frobenius,
        PathIntegral::Diagonal,
        PathIntegral::OffDiagonal,
        PathIntegral::EnergyGradient,
    ];
    for (trace, absent) in [
        (TraceMode::Exact, [PathIntegral::TraceVariance].as_slice()),
        (two_probes, of_columns.as_slice()),
    ] {
        let run = |field: &Arc<dyn VectorField>, condition: Option<Tensor>| -> Result<_, BoxError> {
            let mut settings = settings(1e-5, trace.clone())?;
            settings.training.solver = Solver::new(Method::Rk4).fixed_steps(4);
            settings.integrals = PathIntegral::ALL
                .into_iter()
                .filter(|integral| !absent.contains(integral))
                .collect();
            let cnf = Cnf::new(field.clone(), settings)?;
            let x = Var::from_tensor(&uniform(3, &[6, COLUMNS])?)?;
            let mut rng = rng(7);
            let mut pass = Pass::training(&mut rng);
            if let Some(condition) = condition {
                pass = pass.given(condition);
            }
            let image = cnf.forward(x.as_tensor(), &mut pass)?;
            let integrals: Vec<_> = image.integrals.iter().collect();
            let mut values = vec![image.log_det()?.clone()];
            values.extend(integrals.iter().map(|(_, values)| (*values).clone()));
            let values = Tensor::stack(&values, 0)?;
            let gradients = (values.sum_all()? + image.value.sqr()?.sum_all()?)?.backward()?;
            let gradient = |var: &Var| gradients.get(var).cloned().ok_or("a gradient");
            let last = cnf.parameters().len() - 2;
            Ok((values, gradient(&x)?, gradient(&cnf.parameters()[last].var)?))
        };
        let given = run(&conditional, Some(Tensor::ones((6, 1), DType::F64, &Device::Cpu)?))?;
        let expected = run(&plain, None)?;
        for (given, expected) in [(given.0, expected.0), (given.1, expected.1), (given.2, expected.2)] {
            assert_eq!(given.dims(), expected.dims());
            let error = max_abs(&(given - &expected)?.detach())?;
            assert!(
                error < 1e-12 * max_abs(&expected.detach())?.max(1.0),
                "{trace:?}: {error:e}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_trace_at_the_bottleneck_knows_conditions() -> TestResult {
    let (conditional, plain) = at_one()?;
    let mut settings = settings(1e-5, TraceMode::BottleneckExact)?;
    settings.integrals = Vec::new();
    let x = uniform(3, &[6, COLUMNS])?;
    let one = Tensor::ones((6, 1), DType::F64, &Device::Cpu)?;
    let given = Cnf::new(Arc::new(conditional), settings.clone())?;
    let given = given.forward(&x, &mut Pass::evaluation(&mut rng(0)).given(one))?;
    let expected = Cnf::new(Arc::new(plain), settings)?.forward(&x, &mut Pass::evaluation(&mut rng(0)))?;
    assert!(max_abs(&(given.log_det()? - expected.log_det()?)?)? < 1e-12);
    Ok(())
}

/// `dz/dt = a z + b c` with a condition of one column: `z(T) = e^{aT} x + b c (e^{aT} − 1)/a`, and the trace is a D.
fn linear(trace: TraceMode) -> Result<Cnf, BoxError> {
    let (a, b) = (0.6, [0.5, -0.3, 0.2]);
    let cnf = conditional(trace, Vec::new(), 1, 0)?;
    let weight: Vec<Vec<f64>> = (0..COLUMNS)
        .map(|i| {
            let mut row = vec![0.0; COLUMNS + 1];
            (row[i], row[COLUMNS]) = (a, b[i]);
            row
        })
        .collect();
    let parameters = cnf.parameters();
    parameters[0].var.set(&Tensor::new(weight, &Device::Cpu)?)?;
    parameters[1].var.set(&parameters[1].var.zeros_like()?)?;
    Ok(cnf)
}

#[test]
fn a_linear_field_with_a_condition_has_the_closed_form() -> TestResult {
    let (a, b, end) = (0.6f64, [0.5, -0.3, 0.2], 0.8);
    let growth = (a * end).exp();
    let (x, c) = (uniform(3, &[6, COLUMNS])?, uniform(4, &[6, 1])?);
    let drift = Tensor::new(&[b.map(|b| b * (growth - 1.0) / a)], &Device::Cpu)?;
    let expected = ((&x * growth)? + c.matmul(&drift)?)?;
    let hutchinson = TraceMode::Hutchinson {
        distribution: ProbeDistribution::Rademacher,
        probes: 1,
    };
    // The Jacobian is a multiple of the identity, so that a Rademacher estimate is exact as well.
    for trace in [TraceMode::Exact, hutchinson] {
        let cnf = linear(trace)?;
        let mut rng = rng(0);
        let mut pass = Pass::training(&mut rng).given(c.clone());
        let image = cnf.forward(&x, &mut pass)?;
        assert!(max_abs(&(&image.value - &expected)?)? < 1e-9);
        assert!(max_abs(&(image.log_det()? - a * end * COLUMNS as f64)?)? < 1e-9);
        let jacobian = image.integrals.get(PathIntegral::Jacobian).ok_or("asked for")?;
        assert!(max_abs(&(jacobian - a * a * end * COLUMNS as f64)?)? < 1e-9);
        let back = cnf.inverse(&image.value, &mut pass)?;
        assert!(max_abs(&(back.value - &x)?)? < 1e-8);
    }

    // p(x | c) is the Gaussian that this map makes of the base.
    let flow = Flow::over_normal(linear(TraceMode::Exact)?)?;
    let log_prob = flow.log_prob(&x, &mut Pass::evaluation(&mut rng(0)).given(c.clone()))?;
    let constant = a * end * COLUMNS as f64 - 0.5 * COLUMNS as f64 * (2.0 * std::f64::consts::PI).ln();
    let expected = ((expected.sqr()?.sum(1)? * -0.5)? + constant)?;
    assert!(max_abs(&(log_prob - expected)?)? < 1e-8);
    Ok(())
}

#[test]
fn gradients_reach_the_condition() -> TestResult {
    let cnf = linear(TraceMode::Exact)?;
    let c = Var::from_tensor(&uniform(4, &[6, 1])?)?;
    let mut rng = rng(0);
    let mut pass = Pass::training(&mut rng).given(c.as_tensor().clone());
    let image = cnf.forward(&uniform(3, &[6, COLUMNS])?, &mut pass)?;
    let gradients = image.value.sum_all()?.backward()?;
    let gradient = gradients.get(&c).ok_or("the condition must have a gradient")?;
    let expected = (0.5 - 0.3 + 0.2) * ((0.6f64 * 0.8).exp() - 1.0) / 0.6;
    assert!(max_abs(&(gradient - expected)?)? < 1e-8);
    Ok(())
}

/// Every adjoint on both backends: the gradient of the condition against differences along a direction.
#[test]
fn every_adjoint_reaches_the_condition() -> TestResult {
    let config = MlpConfig::new(COLUMNS).given(2).hidden([6]);
    let field: Arc<dyn VectorField> = Arc::new(Mlp::new(&config, &mut rng(5), DType::F64, &Device::Cpu)?);
    for name in AdjointMethod::NAMES {
        for backend in [Path::Kernels, Path::Tensors] {
            let mut settings = settings(1e-10, TraceMode::Exact)?;
            settings.adjoint = name.parse()?;
            settings.integrals = vec![PathIntegral::Kinetic];
            let method = if name == "reversible" {
                Method::ReversibleHeun
            } else {
                Method::Dopri5
            };
            if !matches!(settings.adjoint, AdjointMethod::Backsolve(_)) {
                settings.training.solver = Solver::new(method).fixed_steps(8);
            }
            let cnf = backend.on(Cnf::new(field.clone(), settings)?);
            let x = uniform(3, &[6, COLUMNS])?;
            let loss = |c: &Tensor| -> Result<Tensor, BoxError> {
                let mut rng = rng(1);
                let image = cnf.forward(&x, &mut Pass::training(&mut rng).given(c.clone()))?;
                let kinetic = image.integrals.get(PathIntegral::Kinetic).ok_or("asked for")?;
                let total = (image.value.sqr()?.sum_all()? + image.log_det()?.sum_all()?)?;
                Ok((total + kinetic.sum_all()?)?)
            };
            let (c, direction) = (Var::from_tensor(&uniform(4, &[6, 2])?)?, uniform(8, &[6, 2])?);
            let gradients = loss(c.as_tensor())?.backward()?;
            let gradient = gradients.get(&c).ok_or("the condition must have a gradient")?;
            let along: f64 = (gradient * &direction)?.sum_all()?.to_scalar()?;
            let at = |step: f64| -> Result<f64, BoxError> {
                Ok(loss(&(c.as_tensor() + (&direction * step)?)?)?.to_scalar()?)
            };
            let difference = (at(1e-4)? - at(-1e-4)?) / 2e-4;
            assert!(
                (along - difference).abs() < 1e-5 * difference.abs().max(1.0),
                "{name} {backend:?}: {along} against {difference}"
            );
        }
    }
    Ok(())
}

#[test]
fn conditions_that_do_not_fit_are_refused() -> TestResult {
    let flow = Flow::over_normal(linear(TraceMode::Exact)?)?;
    let x = uniform(3, &[6, COLUMNS])?;
    let without = flow.log_prob(&x, &mut Pass::evaluation(&mut rng(0)));
    assert!(matches!(without, Err(FlowError::MissingCondition { width: 1 })));
    for shape in [[5, 1], [6, 2]] {
        let outcome = flow.log_prob(&x, &mut Pass::evaluation(&mut rng(0)).given(uniform(4, &shape)?));
        assert!(matches!(outcome, Err(FlowError::InputShape { what: "condition", .. })));
    }
    let single = uniform(4, &[6, 1])?.to_dtype(DType::F32)?;
    let outcome = flow.sample(6, &mut Pass::sampling(&mut rng(0)).given(single));
    assert!(matches!(outcome, Err(FlowError::InputType { what: "condition", .. })));
    Ok(())
}

#[test]
fn a_condition_that_nothing_depends_on_is_refused() -> TestResult {
    let cnf = crate::common::cnf(settings(1e-5, TraceMode::Exact)?)?;
    let (x, c) = (uniform(3, &[6, COLUMNS])?, uniform(4, &[6, 1])?);
    let outcome = cnf.forward(&x, &mut Pass::evaluation(&mut rng(0)).given(c.clone()));
    assert!(matches!(outcome, Err(FlowError::UnexpectedCondition)));
    let flow = Flow::over_normal(cnf)?;
    for outcome in [
        flow.log_prob(&x, &mut Pass::evaluation(&mut rng(0)).given(c.clone())),
        flow.sample(6, &mut Pass::sampling(&mut rng(0)).given(c)),
    ] {
        assert!(matches!(outcome, Err(FlowError::UnexpectedCondition)));
    }
    Ok(())
}

#[test]
fn what_rows_are_given_is_no_part_of_the_state() -> TestResult {
    // A condition that moves nothing must not change a single step of the solve.
    let steps = |scale: f64| -> Result<f64, BoxError> {
        let cnf = linear(TraceMode::Exact)?;
        let weight = cnf.parameters()[0].var.as_detached_tensor();
        let weight = weight.narrow(1, 0, COLUMNS)?.pad_with_zeros(1, 0, 1)?;
        cnf.parameters()[0].var.set(&weight)?;
        let mut rng = rng(0);
        let mut pass = Pass::evaluation(&mut rng).given((uniform(4, &[6, 1])? * scale)?);
        cnf.forward(&uniform(3, &[6, COLUMNS])?, &mut pass)?;
        Ok(pass.cost().snapshot().forward_evaluations)
    };
    assert_eq!(steps(1.0)?, steps(1e6)?);
    Ok(())
}
