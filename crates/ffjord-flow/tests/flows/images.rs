//! Bijections of images.

use crate::check::{Check, EXACT};
use crate::common::{TestResult, max_abs, rng, settings, uniform};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{
    ActNorm, Bijection, Chain, Cnf, Flow, FlowError, Logit, LuLinear, MovingBatchNorm, Multiscale, Pass, Permutation,
    Squeeze, TraceMode, ZeroMean,
};
use ffjord_nn::{ConvNet, ConvNetConfig};
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error>;
type Parts = Vec<Box<dyn Bijection>>;

const IMAGE: [usize; 3] = [2, 3, 4];
const F64: DType = DType::F64;
const CPU: Device = Device::Cpu;

/// Rows of data between 0 and 1.
const UNIT: Check = Check { unit: true, ..EXACT };

/// Solves at a tolerance of 1e-9.
const SOLVED: Check = Check {
    condition: 0,
    step: 1e-3,
    accuracy: 1e-7,
    gradients: 1e-5,
    unit: true,
};

#[test]
fn logits_and_means() -> TestResult {
    for alpha in [0.05, 1e-6] {
        // Differences see the curvature near the ends.
        let check = Check {
            step: 1e-5,
            accuracy: 1e-7,
            gradients: 1e-7,
            ..UNIT
        };
        check.run(|_| Ok(Logit::new(&IMAGE, alpha)?))?;
    }
    UNIT.run(|_| Ok(ZeroMean::new(&IMAGE)?))
}

#[test]
fn squeezes_in_the_order_of_the_original() -> TestResult {
    EXACT.run(|_| Ok(Squeeze::new(&[2, 4, 2], 2)?))?;
    EXACT.run(|_| Ok(Squeeze::new(&[1, 3, 6], 3)?))?;
    let [channels, r, height, width] = [2, 3, 2, 1];
    let squeeze = Squeeze::new(&[channels, r * height, r * width], r)?;
    let x = uniform(1, &[1, channels, r * height, r * width])?;
    let y = squeeze.forward(&x, &mut Pass::evaluation(&mut rng(0)))?.value;
    let at = |tensor: &Tensor, c: usize, h: usize, w: usize| tensor.get(0)?.get(c)?.get(h)?.get(w)?.to_scalar::<f64>();
    for (c, i, j) in (0..channels).flat_map(|c| (0..r).flat_map(move |i| (0..r).map(move |j| (c, i, j)))) {
        for (h, w) in (0..height).flat_map(|h| (0..width).map(move |w| (h, w))) {
            assert_eq!(at(&y, (c * r + i) * r + j, h, w)?, at(&x, c, r * h + i, r * w + j)?);
        }
    }
    Ok(())
}

fn linear(shape: &[usize], seed: u64) -> Result<Parts, BoxError> {
    let norm = ActNorm::new(shape, F64, &CPU)?;
    norm.forward(&uniform(7, &[&[6], shape].concat())?, &mut Pass::training(&mut rng(0)))?;
    Ok(vec![
        Box::new(norm),
        Box::new(Permutation::random(shape, &mut rng(seed), F64, &CPU)?),
        Box::new(LuLinear::new(shape, F64, &CPU)?),
    ])
}

#[test]
fn norms_orders_and_convolutions_of_one_pixel() -> TestResult {
    EXACT.run(|seed| Ok(Chain::new(linear(&IMAGE, seed)?)?))?;
    let norm = ActNorm::new(&IMAGE, F64, &CPU)?;
    let x = ((uniform(3, &[5, 2, 3, 4])? * 5.0)? + 3.0)?;
    let z = norm.forward(&x, &mut Pass::training(&mut rng(0)))?.value;
    let by_channel = z.transpose(0, 1)?.contiguous()?.flatten_from(1)?;
    assert!(max_abs(&by_channel.mean(1)?)? < 1e-9);
    assert!(max_abs(&(by_channel.var(1)? - 1.0)?)? < 1e-5);
    Ok(())
}

#[test]
fn batch_norms() -> TestResult {
    let moved = |norm: MovingBatchNorm| -> Result<MovingBatchNorm, BoxError> {
        let batch = (uniform(7, &[&[5], norm.input_shape()].concat())? * 3.0)?;
        norm.forward(&batch, &mut Pass::training(&mut rng(0)))?;
        Ok(norm)
    };
    EXACT.run(|_| moved(MovingBatchNorm::new(&IMAGE, F64, &CPU)?))?;
    EXACT.run(|_| moved(MovingBatchNorm::of_batches(&IMAGE, F64, &CPU)?))?;
    EXACT.run(|_| moved(MovingBatchNorm::with_lag(&IMAGE, 0.7, F64, &CPU)?))?;
    EXACT.run(|_| moved(MovingBatchNorm::with_lag(&[3], 0.2, F64, &CPU)?))
}

#[test]
fn a_lag_mixes_the_batch_with_what_was_before() -> TestResult {
    let norm = MovingBatchNorm::with_lag(&[1, 1, 3], 0.25, F64, &CPU)?;
    let x = Tensor::new(&[1.0, 3.0, 8.0], &CPU)?.reshape((1, 1, 1, 3))?;
    // Means and variances of the batch are 4 and 13, the running ones 0 and 1 at first, then 0.4 and 2.2.
    for (steps, mean, variance) in [(1, 0.0, 1.0), (2, 0.4, 2.2)] {
        let image = norm.forward(&x, &mut Pass::training(&mut rng(0)))?;
        let whole = 1.0 - 0.25f64.powi(steps);
        let (mean, variance) = (
            (0.25 * 4.0 + 0.75 * mean) / whole,
            (0.25 * 13.0 + 0.75 * variance) / whole,
        );
        let factor = (variance + 1e-4f64).powf(-0.5);
        let last = image.value.flatten_all()?.to_vec1::<f64>()?[2];
        assert!((last - (8.0 - mean) * factor).abs() < 1e-12, "{last}");
        assert!((image.log_det()?.to_vec1::<f64>()?[0] - 3.0 * factor.ln()).abs() < 1e-12);
    }
    for lag in [0.0, 1.0, f64::NAN] {
        assert!(MovingBatchNorm::with_lag(&IMAGE, lag, F64, &CPU).is_err());
    }
    Ok(())
}

/// The logit of the double nearest to 1, against the expansions of its logarithms.
#[test]
fn a_logit_keeps_its_digits_at_the_ends() -> TestResult {
    let logit = Logit::new(&[1], 1e-6)?;
    let value = |x: f64| -> Result<(f64, f64), BoxError> {
        let x = Tensor::new(&[[x]], &CPU)?;
        let image = logit.forward(&x, &mut Pass::evaluation(&mut rng(0)))?;
        Ok((
            image.value.flatten_all()?.to_vec1::<f64>()?[0],
            image.log_det()?.to_vec1::<f64>()?[0],
        ))
    };
    for small in [0.0, 2f64.powi(-52), 2f64.powi(-40), 2f64.powi(-20)] {
        // 1 − s at 1 − small is exactly s at small.
        let (low, high) = (value(small)?, value(1.0 - small)?);
        let s = 1e-6 + (1.0 - 2e-6) * small;
        let exact = s.ln() - (-s).ln_1p();
        assert!((low.0 - exact).abs() < 4e-15, "{small:e}: {} against {exact}", low.0);
        assert!(
            (low.0 + high.0).abs() < 4e-15 && (low.1 - high.1).abs() < 4e-15,
            "{small:e}"
        );
    }
    // Backwards from far out, where σ(z) is 1 in double precision.
    let z = Tensor::new(&[[50.0]], &CPU)?;
    let back = logit.inverse(&z, &mut Pass::evaluation(&mut rng(0)))?;
    let expected = -(1.0f64 - 2e-6).ln() - 50.0 - 2.0 * (-50f64).exp().ln_1p();
    assert!((back.log_det()?.to_vec1::<f64>()?[0] - expected).abs() < 1e-13);
    Ok(())
}

#[test]
fn a_logit_refuses_what_is_no_pixel() -> TestResult {
    let logit = Logit::new(&[2], 1e-6)?;
    let x = Tensor::new(&[[0.5, 0.1], [0.5, 255.0], [f64::NAN, 0.5]], &CPU)?;
    let refused = logit.forward(&x, &mut Pass::evaluation(&mut rng(0)));
    match refused {
        Err(error @ FlowError::OutsideDomain { .. }) => {
            assert!(
                error.to_string().contains("in rows 1, 2: accepted are numbers between"),
                "{error}"
            );
        }
        other => return Err(format!("{other:?}").into()),
    }
    for alpha in [-0.1, 0.5, f64::NAN] {
        assert!(Logit::new(&[2], alpha).is_err());
    }
    assert!(Logit::new(&[], 0.1).is_err());
    Ok(())
}

/// The numbers that leave after each scale, and where they come from.
#[test]
fn halves_leave_in_the_order_of_the_original() -> TestResult {
    let identity = |shape: [usize; 3]| Ok(Box::new(Squeeze::new(&shape, 1)?) as Box<dyn Bijection>);
    let flow = Multiscale::build([1, 4, 4], 3, 1, Vec::new(), identity)?;
    let x = Tensor::arange(0f64, 16.0, &CPU)?.reshape((1, 1, 4, 4))?;
    let mut rng = rng(0);
    let mut pass = Pass::evaluation(&mut rng);
    let z = flow.forward(&x, &mut pass)?.value;
    // Channels 2 and 3 of the first squeeze are the odd lines. Of the even ones, channels 0 and 1 at 2 × 2 pixels, the
    // second squeeze keeps the four cells of channel 0.
    let odd_lines = [4.0, 6.0, 12.0, 14.0, 5.0, 7.0, 13.0, 15.0];
    let second = [1.0, 3.0, 9.0, 11.0];
    let last = [0.0, 2.0, 8.0, 10.0];
    let wanted = [&odd_lines[..], &second, &last].concat();
    assert_eq!(z.flatten_all()?.to_vec1::<f64>()?, wanted);
    assert_eq!(max_abs(&(flow.inverse(&z, &mut pass)?.value - x)?)?, 0.0);
    Ok(())
}

#[test]
fn multiscale_flows() -> TestResult {
    let make = |seed| -> Result<Multiscale, BoxError> {
        let block = |shape: [usize; 3]| {
            let parts = linear(&shape, seed).map_err(|error| FlowError::Own(error.to_string().into()))?;
            Ok(Box::new(Chain::new(parts)?) as Box<dyn Bijection>)
        };
        let first: Parts = vec![Box::new(ZeroMean::new(&[1, 8, 4])?)];
        Ok(Multiscale::build([1, 8, 4], 3, 2, first, block)?)
    };
    EXACT.run(make)?;
    let names: Vec<String> = make(1)?
        .parameters()
        .into_iter()
        .map(|parameter| parameter.name)
        .collect();
    for name in [
        "transforms.0.chain.2.chain.0.shift",
        "transforms.1.chain.4.chain.2.lower",
        "transforms.2.chain.1.chain.0.shift",
    ] {
        assert!(names.iter().any(|known| known == name), "{name} among {names:?}");
    }
    Ok(())
}

#[test]
fn multiscale_flows_of_continuous_ones() -> TestResult {
    SOLVED.run(|seed| {
        let block = |[channels, height, width]: [usize; 3]| {
            let config = ConvNetConfig::new(channels, (height, width)).hidden([]);
            let field = ConvNet::new(&config, &mut rng(seed), F64, &CPU)?;
            let settings =
                settings(1e-9, TraceMode::Exact).map_err(|error| FlowError::Own(error.to_string().into()))?;
            Ok(Box::new(Cnf::new(Arc::new(field), settings)?) as Box<dyn Bijection>)
        };
        let first: Parts = vec![Box::new(Logit::new(&[1, 4, 4], 0.05)?)];
        Ok(Multiscale::build([1, 4, 4], 2, 1, first, block)?)
    })
}

#[test]
fn scales_that_do_not_fit_are_refused() -> TestResult {
    let squeeze = |shape: &[usize]| Ok::<_, FlowError>(Box::new(Squeeze::new(shape, 2)?) as Box<dyn Bijection>);
    let identity = |shape: [usize; 3]| Ok(Box::new(Squeeze::new(&shape, 1)?) as Box<dyn Bijection>);
    let refused = |outcome: Result<Multiscale, FlowError>| matches!(outcome, Err(FlowError::InvalidSetting { .. }));
    assert!(refused(Multiscale::new(Vec::new())));
    assert!(refused(Multiscale::new(vec![
        squeeze(&[1, 4, 4])?,
        squeeze(&[4, 2, 2])?
    ])));
    assert!(refused(Multiscale::new(vec![
        identity([1, 4, 4])?,
        squeeze(&[1, 4, 4])?
    ])));
    assert!(refused(Multiscale::build([1, 6, 6], 3, 1, Vec::new(), identity)));
    assert!(refused(Multiscale::build([1, 8, 8], 0, 1, Vec::new(), identity)));
    assert!(refused(Multiscale::build([1, 8, 8], 1, 0, Vec::new(), identity)));
    let flow = Flow::over_normal(Multiscale::new(vec![squeeze(&[1, 4, 4])?])?)?;
    let error = flow.evaluate(
        &Tensor::zeros((2, 16), DType::F32, &CPU)?,
        &mut Pass::evaluation(&mut rng(0)),
    );
    assert!(matches!(error, Err(FlowError::InputShape { .. })));
    Ok(())
}
