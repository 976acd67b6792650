//! What every bijection must do: invert, know its log-determinant, and name its parameters.

use crate::common::{TestResult, cnf, field, max_abs, rng, settings, uniform};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Bijection, Chain, Cnf, Density, Flow, MovingBatchNorm, Pass, StandardNormalBase, TraceMode};

/// The logarithm of |det| of a dense Jacobian by finite differences of fourth order, for one row.
fn log_det_by_differences(
    bijection: &dyn Bijection,
    row: &Tensor,
    dimension: usize,
) -> Result<f64, Box<dyn std::error::Error>> {
    let step = 1e-3;
    let mut columns = Vec::new();
    for i in 0..dimension {
        let mut direction = vec![0.0; dimension];
        direction[i] = step;
        let direction = Tensor::from_vec(direction, (1, dimension), &Device::Cpu)?;
        let at = |scale: f64| -> Result<Vec<f64>, Box<dyn std::error::Error>> {
            let mut rng = rng(0);
            let moved = (row + (&direction * scale)?)?;
            Ok(bijection
                .forward(&moved, &mut Pass::evaluation(&mut rng))?
                .value
                .flatten_all()?
                .to_vec1()?)
        };
        let (a, b, c, d) = (at(-2.0)?, at(-1.0)?, at(1.0)?, at(2.0)?);
        columns.push(
            (0..dimension)
                .map(|j| (a[j] - 8.0 * b[j] + 8.0 * c[j] - d[j]) / (12.0 * step))
                .collect::<Vec<f64>>(),
        );
    }
    Ok(determinant(columns).abs().ln())
}

fn determinant(mut matrix: Vec<Vec<f64>>) -> f64 {
    let n = matrix.len();
    let mut determinant = 1.0;
    for i in 0..n {
        let pivot = (i..n)
            .max_by(|&a, &b| matrix[a][i].abs().total_cmp(&matrix[b][i].abs()))
            .unwrap_or(i);
        if pivot != i {
            matrix.swap(i, pivot);
            determinant = -determinant;
        }
        determinant *= matrix[i][i];
        for j in i + 1..n {
            let factor = matrix[j][i] / matrix[i][i];
            let pivot_row = matrix[i].clone();
            matrix[j]
                .iter_mut()
                .zip(pivot_row)
                .for_each(|(entry, pivot)| *entry -= factor * pivot);
        }
    }
    determinant
}

fn check(bijection: &dyn Bijection) -> TestResult {
    let x = uniform(3, &[9, 3])?;
    let mut rng = rng(0);
    let mut pass = Pass::evaluation(&mut rng);
    let image = bijection.forward(&x, &mut pass)?;
    let back = bijection.inverse(&image.value, &mut pass)?;
    assert!(max_abs(&(&back.value - &x)?)? < 1e-6, "the inverse does not lead back");
    assert!(
        max_abs(&(&back.log_det + &image.log_det)?)? < 1e-6,
        "the log-determinants do not cancel"
    );
    let log_det: Vec<f64> = image.log_det.to_vec1()?;
    for row in [0, 8] {
        let expected = log_det_by_differences(bijection, &x.narrow(0, row, 1)?, 3)?;
        assert!(
            (log_det[row] - expected).abs() < 1e-6,
            "row {row}: {} against {expected}",
            log_det[row]
        );
    }
    let mut names: Vec<String> = bijection
        .parameters()
        .into_iter()
        .chain(bijection.buffers())
        .map(|parameter| parameter.name)
        .collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert!(count > 0 && names.len() == count, "names must be unique: {names:?}");
    Ok(())
}

fn moved_batch_norm() -> Result<MovingBatchNorm, Box<dyn std::error::Error>> {
    let norm = MovingBatchNorm::new(&[3], DType::F64, &Device::Cpu)?;
    for (index, parameter) in norm.parameters().iter().enumerate() {
        parameter.var.set(&uniform(40 + index as u64, &[3])?)?;
    }
    norm.forward(&(uniform(7, &[50, 3])? * 3.0)?, &mut Pass::training(&mut rng(0)))?;
    Ok(norm)
}

#[test]
fn continuous_flow() -> TestResult {
    check(&cnf(settings(1e-9, TraceMode::Exact)?)?)
}

#[test]
fn residual_continuous_flow() -> TestResult {
    check(&Cnf::new(field(true)?, settings(1e-9, TraceMode::Exact)?)?)
}

#[test]
fn batch_norm() -> TestResult {
    check(&moved_batch_norm()?)
}

#[test]
fn chain() -> TestResult {
    let flow = |end_time| -> Result<Box<dyn Bijection>, Box<dyn std::error::Error>> {
        let mut settings = settings(1e-9, TraceMode::Exact)?;
        settings.end_time = end_time;
        Ok(Box::new(cnf(settings)?))
    };
    check(&Chain::new(vec![
        Box::new(moved_batch_norm()?),
        flow(0.4)?,
        flow(0.7)?,
    ])?)
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
        hidden: vec![16, 16],
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Tanh,
    };
    let field = Mlp::new(&config, &mut rng(5), DType::F64, &Device::Cpu)?;
    let mut settings = settings(1e-5, TraceMode::Exact)?;
    settings.evaluation.block_rows = 512;
    let flow = Flow::new(
        Cnf::new(std::sync::Arc::new(field), settings)?,
        StandardNormalBase::new(&[2], DType::F64, &Device::Cpu)?,
    );
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
    let flow = Flow::new(
        cnf(settings(1e-6, TraceMode::Exact)?)?,
        StandardNormalBase::new(&[3], DType::F64, &Device::Cpu)?,
    );
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
