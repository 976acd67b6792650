//! What every bijection must do, and what is particular to each.

use crate::check::{COLUMNS, Check, EXACT};
use crate::common::{Path, TestResult, cnf, field, max_abs, rng, settings, shallow_field, uniform};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Bijection, Chain, Cnf, Density, Flow, MovingBatchNorm, Pass, TraceMode};
use ffjord_ode::{Method, Solver};

type BoxError = Box<dyn std::error::Error>;

/// Solves at a tolerance of 1e-10.
const SOLVED: Check = Check {
    condition: 0,
    step: 1e-3,
    accuracy: 1e-7,
    gradients: 1e-5,
    unit: false,
};

fn moved_batch_norm(norm: MovingBatchNorm) -> Result<MovingBatchNorm, BoxError> {
    norm.forward(&(uniform(7, &[50, COLUMNS])? * 3.0)?, &mut Pass::training(&mut rng(0)))?;
    Ok(norm)
}

fn running_norm() -> Result<MovingBatchNorm, BoxError> {
    moved_batch_norm(MovingBatchNorm::new(&[COLUMNS], DType::F64, &Device::Cpu)?)
}

#[test]
fn continuous_flow() -> TestResult {
    SOLVED.run(|_| cnf(settings(1e-10, TraceMode::Exact)?))
}

#[test]
fn residual_continuous_flow() -> TestResult {
    SOLVED.run(|_| Ok(Cnf::new(field(true)?, settings(1e-10, TraceMode::Exact)?)?))
}

#[test]
fn one_hidden_layer_with_its_trace_in_closed_form() -> TestResult {
    for residual in [false, true] {
        let settings = || settings(1e-10, TraceMode::Exact);
        SOLVED.run(|_| Ok(Cnf::new(shallow_field(residual)?, settings()?)?))?;

        let log_det = |backend: Path| -> Result<Tensor, BoxError> {
            let mut settings = settings()?;
            settings.evaluation.solver = Solver::new(Method::Dopri5).fixed_steps(3);
            let cnf = backend.on(Cnf::new(shallow_field(residual)?, settings)?);
            Ok(cnf
                .forward(&uniform(3, &[9, COLUMNS])?, &mut Pass::evaluation(&mut rng(0)))?
                .log_det()?
                .clone())
        };
        let difference = (log_det(Path::Kernels)? - log_det(Path::Tensors)?)?;
        assert!(max_abs(&difference)? < 1e-13);
    }
    Ok(())
}

#[test]
fn batch_norm() -> TestResult {
    EXACT.run(|_| running_norm())
}

#[test]
fn batch_norm_of_batches() -> TestResult {
    EXACT.run(|_| moved_batch_norm(MovingBatchNorm::of_batches(&[COLUMNS], DType::F64, &Device::Cpu)?))
}

#[test]
fn chain() -> TestResult {
    let flow = |end_time| -> Result<Box<dyn Bijection>, BoxError> {
        let mut settings = settings(1e-10, TraceMode::Exact)?;
        settings.end_time = end_time;
        Ok(Box::new(cnf(settings)?))
    };
    SOLVED.run(|_| Ok(Chain::new(vec![Box::new(running_norm()?), flow(0.4)?, flow(0.7)?])?))
}

#[test]
fn batch_norm_follows_the_originals_update() -> TestResult {
    let norm = MovingBatchNorm::new(&[1], DType::F64, &Device::Cpu)?;
    let x = Tensor::new(&[[1.0], [3.0], [8.0]], &Device::Cpu)?;
    let image = norm.forward(&x, &mut Pass::training(&mut rng(0)))?;
    // The statistics of before the batch: mean 0, variance 1.
    assert!((image.value.flatten_all()?.to_vec1::<f64>()?[2] - 8.0 / (1.0f64 + 1e-4).sqrt()).abs() < 1e-12);
    let buffers = norm.buffers();
    let value =
        |index: usize| -> Result<f64, Box<dyn std::error::Error>> { Ok(buffers[index].var.to_vec1::<f64>()?[0]) };
    assert!((value(0)? - 1.0).abs() < 1e-12);
    assert!((value(1)? - 0.4).abs() < 1e-12);
    assert!((value(2)? - (1.0 + 0.1 * 12.0)).abs() < 1e-12);
    norm.forward(
        &Tensor::new(&[[f64::NAN], [1.0]], &Device::Cpu)?,
        &mut Pass::training(&mut rng(0)),
    )?;
    assert!(
        (value(1)? - 0.4).abs() < 1e-12,
        "a NaN must not enter the running statistics"
    );
    Ok(())
}

#[test]
fn density_integrates_to_one_within_the_tolerance() -> TestResult {
    use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig};
    let config = MlpConfig {
        dimension: 2,
        given: 0,
        hidden: vec![16, 16],
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Tanh,
    };
    let field = Mlp::new(&config, &mut rng(5), DType::F64, &Device::Cpu)?;
    let mut settings = settings(1e-5, TraceMode::Exact)?;
    settings.evaluation.block_rows = 512;
    let flow = Flow::over_normal(Cnf::new(std::sync::Arc::new(field), settings)?)?;
    let (half, cells) = (8.0, 120);
    let width = 2.0 * half / cells as f64;
    let centre = |i: usize| -half + (i as f64 + 0.5) * width;
    let grid: Vec<f64> = (0..cells * cells)
        .flat_map(|i| [centre(i % cells), centre(i / cells)])
        .collect();
    let grid = Tensor::from_vec(grid, (cells * cells, 2), &Device::Cpu)?;
    let log_prob = flow.log_prob(&grid, &mut Pass::evaluation(&mut rng(0)))?;
    let mass = log_prob.exp()?.sum_all()?.to_scalar::<f64>()? * width * width;
    assert!((mass - 1.0).abs() < 1e-3, "∫p dx = {mass}");
    Ok(())
}

#[test]
fn samples_follow_the_density() -> TestResult {
    // Under the model itself, E[−ln p(x)] over its samples is the entropy: that of the base less the mean log-determinant.
    let flow = Flow::over_normal(cnf(settings(1e-6, TraceMode::Exact)?)?)?;
    let samples = flow.sample(200, &mut Pass::sampling(&mut rng(9)))?;
    let z = flow
        .bijection()
        .forward(&samples, &mut Pass::evaluation(&mut rng(0)))?
        .value;
    let base = flow.base().sample(200, &mut Pass::sampling(&mut rng(9)))?;
    assert!(
        max_abs(&(z - base)?)? < 1e-4,
        "samples must be images of the base's draws"
    );
    Ok(())
}
