//! Inputs and settings that are refused, in words.

use crate::common::{TestResult, cnf, field, narrow_field, rng, settings, uniform};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{
    Bijection, Chain, Cnf, Density, Flow, FlowError, MovingBatchNorm, Pass, PathIntegral, StandardNormal, TraceMode,
    Transformed,
};
use ffjord_nn::{Dual, VectorField};
use ffjord_ode::{Method, SetupError, SolveError, Solver, Tolerance};
use ffjord_trace::ProbeDistribution;
use std::sync::Arc;

const HUTCHINSON: TraceMode = TraceMode::Hutchinson {
    distribution: ProbeDistribution::Rademacher,
    probes: 1,
};

#[test]
fn wrong_batches() -> TestResult {
    let cnf = cnf(settings(1e-5, TraceMode::Exact)?)?;
    let mut rng = rng(0);
    let mut pass = Pass::evaluation(&mut rng);
    assert!(matches!(
        cnf.forward(&uniform(0, &[2, 4])?, &mut pass),
        Err(FlowError::InputShape { .. })
    ));
    let single = Tensor::zeros((2, 3), DType::F32, &Device::Cpu)?;
    assert!(matches!(
        cnf.forward(&single, &mut pass),
        Err(FlowError::InputType { .. })
    ));
    let probes = uniform(0, &[1, 2, 3])?;
    let outcome = cnf.forward_with_probes(&uniform(0, &[6, 3])?, &probes, pass.cost());
    assert!(matches!(
        outcome,
        Err(FlowError::InputShape {
            what: "probe stack",
            ..
        })
    ));
    Ok(())
}

#[test]
fn wrong_settings() -> TestResult {
    for change in [
        |s: &mut ffjord_flow::CnfSettings| s.end_time = 0.0,
        |s: &mut ffjord_flow::CnfSettings| s.end_time = f64::NAN,
        |s: &mut ffjord_flow::CnfSettings| s.training.block_rows = 0,
        |s: &mut ffjord_flow::CnfSettings| s.integrals = vec![PathIntegral::Kinetic, PathIntegral::Kinetic],
        // Variance takes several probes, whole Jacobians the exact trace, and a bottleneck a narrow field.
        |s: &mut ffjord_flow::CnfSettings| s.integrals = vec![PathIntegral::TraceVariance],
        |s: &mut ffjord_flow::CnfSettings| {
            s.training.trace = HUTCHINSON;
            s.integrals = vec![PathIntegral::Frobenius];
        },
        |s: &mut ffjord_flow::CnfSettings| {
            s.training.trace = HUTCHINSON;
            s.integrals = vec![PathIntegral::EnergyGradient];
        },
        |s: &mut ffjord_flow::CnfSettings| s.evaluation.trace = TraceMode::BottleneckExact,
    ] {
        let mut settings = settings(1e-5, TraceMode::Exact)?;
        change(&mut settings);
        assert!(matches!(
            Cnf::new(field(false)?, settings),
            Err(FlowError::InvalidSetting { .. })
        ));
    }
    let mut narrow = settings(1e-5, TraceMode::BottleneckExact)?;
    assert!(
        Cnf::new(narrow_field()?, narrow.clone()).is_err(),
        "‖J ε‖² has no products there"
    );
    narrow.integrals = vec![PathIntegral::Kinetic];
    assert!(Cnf::new(narrow_field()?, narrow).is_ok());
    for spread in [-0.1, 1.0, f64::NAN] {
        let flow = cnf(settings(1e-5, TraceMode::Exact)?)?;
        assert!(matches!(
            flow.with_random_end_time(spread),
            Err(FlowError::InvalidSetting { .. })
        ));
    }
    let mut settings = settings(1e-5, TraceMode::Exact)?;
    settings.adjoint = "reversible".parse()?;
    assert!(matches!(
        Cnf::new(field(false)?, settings),
        Err(FlowError::Setup(SetupError::AdjointNeedsMethod { .. }))
    ));
    assert!(Chain::new(Vec::new()).is_err());
    assert!(MovingBatchNorm::new(&[], DType::F32, &Device::Cpu).is_err());
    Ok(())
}

#[test]
fn a_failed_solve_names_its_rows_and_its_cause() -> TestResult {
    let mut settings = settings(1e-5, TraceMode::Exact)?;
    settings.evaluation.solver = Solver::new(Method::Dopri5)
        .adaptive(Tolerance::new(1e-9, 1e-9)?)
        .max_steps(2);
    let cnf = cnf(settings)?;
    let outcome = cnf.forward(&uniform(0, &[6, 3])?, &mut Pass::evaluation(&mut rng(0)));
    match outcome {
        Err(FlowError::Solve {
            first_row: 0,
            last_row: 2,
            source,
        }) => {
            assert!(matches!(*source, SolveError::MaxSteps { limit: 2, .. }), "{source}");
        }
        other => panic!("expected a failed solve, got {other:?}"),
    }
    Ok(())
}

/// A field that is not a number where the last column is above 10.
#[derive(Debug)]
struct Cliff(ffjord_nn::Mlp);

impl VectorField for Cliff {
    fn parameters(&self) -> &[ffjord_nn::Parameter] {
        self.0.parameters()
    }
    fn dtype(&self) -> DType {
        self.0.dtype()
    }
    fn device(&self) -> &Device {
        self.0.device()
    }
    fn state_shape(&self) -> &[usize] {
        self.0.state_shape()
    }
    fn dual(&self, t: &Tensor, z: &Dual, given: Option<&Tensor>) -> ffjord_nn::Result<Dual> {
        let beyond = z.value()?.narrow(1, 2, 1)?.gt(10.0)?.to_dtype(DType::F64)?;
        // Infinity times 0 is no number.
        let cliff = ((beyond * 1e308)?.sqr()? * 0.0)?;
        self.0.dual(t, z, given)?.shift(&cliff)
    }
}

#[test]
fn rows_that_stop_being_numbers_are_named_in_the_batch() -> TestResult {
    let network = ffjord_nn::Mlp::new(&ffjord_nn::MlpConfig::new(3), &mut rng(1), DType::F64, &Device::Cpu)?;
    let cnf = Cnf::new(Arc::new(Cliff(network)), settings(1e-5, TraceMode::Exact)?)?;
    let mut rows = uniform(0, &[6, 3])?.to_vec2::<f64>()?;
    rows[4][2] = 11.0;
    let outcome = cnf.forward(&Tensor::new(rows, &Device::Cpu)?, &mut Pass::evaluation(&mut rng(0)));
    let error = outcome.map(|_| ()).expect_err("a NaN");
    assert!(error.to_string().contains("rows 3 to 5"), "{error}");
    assert!(error.to_string().contains("row 4"), "{error}");
    // A caller that takes a file in parts counts in the file.
    let error = error.in_rows_from(100).to_string();
    assert!(
        error.contains("rows 103 to 105") && error.contains("row 104"),
        "{error}"
    );
    Ok(())
}

#[test]
fn rows_of_the_kernels_are_named_too() -> TestResult {
    // A field that grows as the square of its state.
    let config = ffjord_nn::MlpConfig::new(3).activation(ffjord_nn::ActivationKind::Square);
    let network = ffjord_nn::Mlp::new(&config, &mut rng(1), DType::F64, &Device::Cpu)?;
    let cnf = Cnf::new(Arc::new(network), settings(1e-5, TraceMode::Exact)?)?;
    let mut rows = uniform(0, &[6, 3])?.to_vec2::<f64>()?;
    rows[4] = vec![1e200; 3];
    let outcome = cnf.forward(&Tensor::new(rows, &Device::Cpu)?, &mut Pass::training(&mut rng(0)));
    let error = outcome.map(|_| ()).expect_err("an overflow").to_string();
    assert!(error.contains("row 4"), "{error}");
    Ok(())
}

#[test]
fn rows_that_are_no_numbers_are_named_and_scored_apart() -> TestResult {
    let flow = Flow::over_normal(cnf(settings(1e-5, TraceMode::Exact)?)?)?;
    let clean = uniform(0, &[6, 3])?;
    let mut rows = clean.to_vec2::<f64>()?;
    rows[5][1] = f64::NAN;
    rows[0][0] = f64::INFINITY;
    let x = Tensor::new(rows, &Device::Cpu)?;
    for mut pass in [Pass::training(&mut rng(0)), Pass::evaluation(&mut rng(0))] {
        match flow.log_prob(&x, &mut pass) {
            Err(FlowError::NonFiniteInput { rows }) => assert_eq!(rows, [0, 5]),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }
    let scores: Vec<f64> = flow.scores(&x, &mut Pass::evaluation(&mut rng(0)))?.to_vec1()?;
    assert!(scores[0].is_nan() && scores[5].is_nan());
    assert!(scores[1..5].iter().all(|score| score.is_finite()));
    let all = flow
        .scores(&clean, &mut Pass::evaluation(&mut rng(0)))?
        .to_vec1::<f64>()?;
    assert_eq!(
        all,
        flow.log_prob(&clean, &mut Pass::evaluation(&mut rng(0)))?
            .to_vec1::<f64>()?
    );
    Ok(())
}

#[test]
fn a_sampling_pass_has_no_densities() -> TestResult {
    let flow = Flow::over_normal(cnf(settings(1e-5, TraceMode::Exact)?)?)?;
    let x = uniform(0, &[6, 3])?;
    let outcome = flow.log_prob(&x, &mut Pass::sampling(&mut rng(0)));
    assert!(matches!(outcome, Err(FlowError::NoLogDet)));
    let outcome = flow.rsample_with_log_prob(6, &mut Pass::sampling(&mut rng(0)));
    assert!(matches!(outcome, Err(FlowError::NoLogDet)));
    let image = flow.bijection().inverse(&x, &mut Pass::sampling(&mut rng(0)))?;
    assert!(image.log_det.is_none() && matches!(image.log_det(), Err(FlowError::NoLogDet)));
    Ok(())
}

#[test]
fn an_evaluation_has_no_gradient_and_says_so() -> TestResult {
    let flow = Flow::over_normal(cnf(settings(1e-5, TraceMode::Exact)?)?)?;
    let x = uniform(0, &[6, 3])?;
    let log_prob = flow.log_prob(&x, &mut Pass::evaluation(&mut rng(0)))?;
    let error = log_prob.mean_all()?.backward().map(|_| ()).expect_err("no gradient");
    assert!(error.to_string().contains("Pass::training"), "{error}");
    Ok(())
}

#[test]
fn the_tolerance_of_a_pass_holds_for_evaluations_too() -> TestResult {
    let cnf = cnf(settings(1e-4, TraceMode::Exact)?)?;
    let evaluations = |factor: f64| -> Result<f64, FlowError> {
        let mut rng = rng(0);
        let mut pass = Pass::evaluation(&mut rng).tolerance(factor);
        cnf.forward(&uniform(0, &[6, 3]).expect("rows"), &mut pass)?;
        Ok(pass.cost().snapshot().forward_evaluations)
    };
    assert!(evaluations(1e-6)? > 2.0 * evaluations(1.0)?);
    Ok(())
}

#[test]
fn no_rows_are_an_empty_tensor() -> TestResult {
    let flow = Flow::over_normal(cnf(settings(1e-5, TraceMode::Exact)?)?)?;
    let x = flow.sample(0, &mut Pass::sampling(&mut rng(0)))?;
    assert_eq!(x.dims(), [0, 3]);
    assert_eq!(flow.log_prob(&x, &mut Pass::evaluation(&mut rng(0)))?.dims(), [0]);
    Ok(())
}

#[test]
fn a_base_that_does_not_fit_is_refused_at_once() -> TestResult {
    for (shape, dtype) in [([4], DType::F64), ([3], DType::F32)] {
        let base = StandardNormal::new(&shape, dtype, &Device::Cpu)?;
        let outcome = Flow::new(cnf(settings(1e-5, TraceMode::Exact)?)?, base);
        assert!(matches!(outcome, Err(FlowError::Base { .. })));
    }
    Ok(())
}

/// A map whose log-determinants are those of the columns instead of the rows.
#[derive(Debug)]
struct Careless;

impl Bijection for Careless {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> ffjord_flow::Result<Transformed> {
        Ok(Transformed::new(x.clone(), x.sum(0)?))
    }
    fn inverse(&self, z: &Tensor, _: &mut Pass<'_>) -> ffjord_flow::Result<Transformed> {
        Ok(Transformed::new(z.clone(), z.sum(0)?))
    }
    fn parameters(&self) -> Vec<ffjord_nn::Parameter> {
        Vec::new()
    }
    fn input_shape(&self) -> &[usize] {
        &[3]
    }
}

#[test]
fn a_log_determinant_of_the_wrong_shape_is_named() -> TestResult {
    let flow = Flow::new(Careless, StandardNormal::new(&[3], DType::F64, &Device::Cpu)?)?;
    let x = uniform(0, &[6, 3])?;
    let outcome = flow.log_prob(&x, &mut Pass::evaluation(&mut rng(0)));
    assert!(matches!(
        outcome,
        Err(FlowError::Image {
            what: "log-determinant",
            ..
        })
    ));
    let chain = Chain::new(vec![Box::new(Careless), Box::new(Careless)])?;
    let error = chain
        .forward(&x, &mut Pass::evaluation(&mut rng(0)))
        .map(|_| ())
        .expect_err("refused");
    assert!(error.to_string().contains("Careless"), "{error}");
    Ok(())
}
