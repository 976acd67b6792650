//! Inputs and settings that are refused, in words.

use crate::common::{TestResult, cnf, field, narrow_field, rng, settings, uniform};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Bijection, Chain, Cnf, FlowError, MovingBatchNorm, Pass, PathIntegral, TraceMode};
use ffjord_ode::{Method, SetupError, SolveError, Solver, Tolerance};
use ffjord_trace::ProbeDistribution;

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
    let empty = Tensor::zeros((0, 3), DType::F64, &Device::Cpu)?;
    assert!(matches!(
        cnf.forward(&empty, &mut pass),
        Err(FlowError::InputShape { .. })
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
    let mut rows = uniform(0, &[6, 3])?.to_vec2::<f64>()?;
    rows[5][1] = f64::NAN;
    let x = Tensor::new(rows, &Device::Cpu)?;
    let message = cnf
        .forward(&x, &mut Pass::training(&mut rng(0)))
        .map(|_| ())
        .map_err(|error| error.to_string());
    assert!(message.is_err_and(|text| text.contains("rows 3 to 5") && text.contains("NaN")));
    Ok(())
}
