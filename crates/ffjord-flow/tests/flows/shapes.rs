//! Chains that change the shape of their rows.

use crate::common::{TestResult, max_abs, rng, settings, uniform};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Bijection, Chain, Cnf, Density, Flow, FlowError, MovingBatchNorm, Pass, Squeeze, TraceMode};
use ffjord_nn::{ConvNet, ConvNetConfig};
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error>;

/// Batch normalisation of one channel of 4 × 4 pixels, a squeeze to four channels of 2 × 2, and a flow of those.
fn chain() -> Result<Chain, BoxError> {
    let config = ConvNetConfig::new(4, (2, 2)).hidden([3]);
    let field = ConvNet::new(&config, &mut rng(1), DType::F64, &Device::Cpu)?;
    Ok(Chain::new(vec![
        Box::new(MovingBatchNorm::new(&[1, 4, 4], DType::F64, &Device::Cpu)?),
        Box::new(Squeeze::new(&[1, 4, 4], 2)?),
        Box::new(Cnf::new(Arc::new(field), settings(1e-9, TraceMode::Exact)?)?),
    ])?)
}

#[test]
fn a_squeeze_inside_a_chain_is_a_bijection_with_a_density() -> TestResult {
    let chain = chain()?;
    assert_eq!(
        (chain.input_shape(), chain.output_shape()),
        (&[1, 4, 4][..], &[4, 2, 2][..])
    );
    let x = uniform(2, &[3, 1, 4, 4])?;
    let mut rng = rng(0);
    let mut pass = Pass::evaluation(&mut rng);
    let image = chain.forward(&x, &mut pass)?;
    assert_eq!(image.value.dims(), [3, 4, 2, 2]);
    let back = chain.inverse(&image.value, &mut pass)?;
    assert!(max_abs(&(&back.value - &x)?)? < 1e-7);
    assert!(max_abs(&(back.log_det()? + image.log_det()?)?)? < 1e-7);

    // The determinant of the Jacobian by differences, against the sum over the chain.
    let (step, row) = (1e-4, x.narrow(0, 0, 1)?);
    let mut jacobian = Vec::new();
    for pixel in 0..16 {
        let mut unit = vec![0.0; 16];
        unit[pixel] = step;
        let unit = Tensor::from_vec(unit, (1, 1, 4, 4), &Device::Cpu)?;
        let above = chain.forward(&(&row + &unit)?, &mut pass)?.value;
        let below = chain.forward(&(&row - &unit)?, &mut pass)?.value;
        jacobian.push(((above - below)? / (2.0 * step))?.flatten_all()?.to_vec1::<f64>()?);
    }
    let expected = log_abs_determinant(jacobian);
    let log_det = image.log_det()?.get(0)?.to_scalar::<f64>()?;
    assert!((log_det - expected).abs() < 1e-5, "{log_det} against {expected}");

    let flow = Flow::over_normal(chain)?;
    let samples = flow.sample(5, &mut Pass::sampling(&mut rng))?;
    assert_eq!(samples.dims(), [5, 1, 4, 4]);
    assert_eq!(flow.log_prob(&samples, &mut Pass::evaluation(&mut rng))?.dims(), [5]);
    assert_eq!(flow.sample(0, &mut Pass::sampling(&mut rng))?.dims(), [0, 1, 4, 4]);
    Ok(())
}

/// By Gaussian elimination with pivots.
fn log_abs_determinant(mut rows: Vec<Vec<f64>>) -> f64 {
    let mut sum = 0.0;
    for column in 0..rows.len() {
        let pivot = (column..rows.len())
            .max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))
            .unwrap_or(column);
        rows.swap(column, pivot);
        sum += rows[column][column].abs().ln();
        let (done, below) = rows.split_at_mut(column + 1);
        for row in below {
            let factor = row[column] / done[column][column];
            row.iter_mut().zip(&done[column]).for_each(|(x, y)| *x -= factor * y);
        }
    }
    sum
}

#[test]
fn a_part_that_does_not_take_what_it_is_handed_is_refused() -> TestResult {
    let parts: Vec<Box<dyn Bijection>> = vec![
        Box::new(Squeeze::new(&[1, 4, 4], 2)?),
        Box::new(MovingBatchNorm::new(&[1, 4, 4], DType::F64, &Device::Cpu)?),
    ];
    let error = Chain::new(parts).map(|_| ()).expect_err("shapes that do not fit");
    assert!(error.to_string().contains("part 0 makes rows of [4, 2, 2]"), "{error}");
    for (shape, factor) in [(&[1, 3, 4][..], 2), (&[4, 4][..], 2), (&[1, 4, 4][..], 0)] {
        assert!(matches!(
            Squeeze::new(shape, factor),
            Err(FlowError::InvalidSetting { .. })
        ));
    }
    Ok(())
}
