//! Discrete flows of images, and the noise that a flow draws within levels.

use crate::check::{Check, EXACT};
use crate::common::{TestResult, max_abs, rng, uniform};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{
    Affine, Bijection, ColumnTransform, DequantizationConfig, FlowError, ImageArchitecture, ImageCoupling,
    ImageCouplingConfig, ImageFlowConfig, ImageMask, Pass, RationalQuadraticSpline, VariationalDequantization,
};
use ffjord_nn::ActivationKind;
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error>;

const F64: DType = DType::F64;
const CPU: Device = Device::Cpu;

const MASKS: [ImageMask; 5] = [
    ImageMask::SecondHalf,
    ImageMask::FirstHalf,
    ImageMask::Odd,
    ImageMask::Even,
    ImageMask::All,
];

fn coupling(mask: ImageMask, condition: usize, transform: Arc<dyn ColumnTransform>) -> ImageCouplingConfig {
    ImageCouplingConfig {
        shape: [3, 2, 3],
        mask,
        condition,
        hidden: vec![4, 5],
        activation: ActivationKind::Tanh,
        transform,
    }
}

#[test]
fn couplings_of_pixels_and_channels() -> TestResult {
    for mask in MASKS {
        for condition in [0, 2] {
            if (mask, condition) == (ImageMask::All, 0) {
                continue;
            }
            let check = Check {
                condition: condition * 6,
                ..EXACT
            };
            let config = coupling(mask, condition, Arc::new(Affine));
            check.run(|seed| Ok(ImageCoupling::new(&config, &mut rng(seed), F64, &CPU)?))?;
        }
    }
    let splines = Check {
        step: 1e-5,
        accuracy: 1e-7,
        gradients: 1e-5,
        ..EXACT
    };
    for mask in [ImageMask::Odd, ImageMask::FirstHalf] {
        let config = coupling(mask, 0, Arc::new(RationalQuadraticSpline::new(4, 2.0)?));
        splines.run(|seed| Ok(ImageCoupling::new(&config, &mut rng(seed), F64, &CPU)?))?;
    }
    Ok(())
}

#[test]
fn couplings_leave_what_their_masks_say() -> TestResult {
    let x = uniform(4, &[2, 3, 2, 3])?;
    for (mask, expected) in [
        // 1 + 2 of three channels; of 2 × 3 pixels, 3 are odd.
        (ImageMask::SecondHalf, 12),
        (ImageMask::FirstHalf, 6),
        (ImageMask::Odd, 9),
        (ImageMask::Even, 9),
    ] {
        let coupling = ImageCoupling::new(&coupling(mask, 0, Arc::new(Affine)), &mut rng(1), F64, &CPU)?;
        for parameter in coupling.parameters() {
            parameter.var.set(&uniform(7, parameter.var.dims())?)?;
        }
        let z = coupling.forward(&x, &mut Pass::evaluation(&mut rng(0)))?.value;
        let moved = (z - &x)?.ne(0.0)?.to_dtype(F64)?.sum_all()?.to_scalar::<f64>()?;
        assert_eq!(moved, 2.0 * f64::from(expected), "{mask:?}");
    }
    Ok(())
}

#[test]
fn couplings_with_nothing_to_decide_are_refused() {
    for (shape, mask) in [
        ([1, 4, 4], ImageMask::SecondHalf),
        ([1, 4, 4], ImageMask::FirstHalf),
        ([3, 4, 4], ImageMask::All),
        ([3, 1, 1], ImageMask::Odd),
        ([3, 0, 4], ImageMask::Odd),
    ] {
        let config = ImageCouplingConfig {
            shape,
            ..coupling(mask, 0, Arc::new(Affine))
        };
        let refused = ImageCoupling::new(&config, &mut rng(1), F64, &CPU);
        assert!(
            matches!(refused, Err(FlowError::InvalidSetting { .. })),
            "{shape:?} {mask:?}"
        );
    }
}

#[test]
fn real_nvp_and_glow() -> TestResult {
    // Batch normalisation is checked with gentle differences.
    let check = Check {
        accuracy: 1e-7,
        gradients: 1e-6,
        ..EXACT
    };
    for architecture in [ImageArchitecture::RealNvp, ImageArchitecture::Glow] {
        let config = ImageFlowConfig {
            shape: [1, 8, 4],
            blocks: 2,
            hidden: vec![3],
            activation: ActivationKind::Tanh,
        };
        check.run(|seed| {
            let flow = architecture.build(&config, Vec::new(), &mut rng(seed), F64, &CPU)?;
            // A first batch sets scales and shifts.
            flow.forward(&uniform(7, &[6, 1, 8, 4])?, &mut Pass::training(&mut rng(0)))?;
            Ok(flow)
        })?;
        let none = ImageFlowConfig { blocks: 0, ..config };
        assert!(architecture.build(&none, Vec::new(), &mut rng(1), F64, &CPU).is_err());
    }
    Ok(())
}

fn dequantization() -> Result<VariationalDequantization, BoxError> {
    let config = DequantizationConfig {
        shape: [1, 2, 2],
        levels: 8,
        couplings: 2,
        hidden: vec![4],
        activation: ActivationKind::Tanh,
    };
    let dequantization = VariationalDequantization::new(&config, &mut rng(1), F64, &CPU)?;
    for (index, parameter) in dequantization.parameters().iter().enumerate() {
        parameter
            .var
            .set(&(uniform(50 + index as u64, parameter.var.dims())? * 0.2)?)?;
    }
    Ok(dequantization)
}

#[test]
fn noise_stays_within_the_levels_and_has_the_density_that_it_says() -> TestResult {
    let dequantization = dequantization()?;
    let rows = 20_000;
    // The same four levels in every row, at the lower edge, inside and near the upper edge of their cells.
    let x = Tensor::new(&[0.0, 3.5 / 8.0, 4.999 / 8.0, 7.2 / 8.0], &CPU)?;
    let x = x.reshape((1, 1, 2, 2))?.broadcast_as((rows, 1, 2, 2))?.contiguous()?;
    let moved = dequantization.forward(&x, &mut Pass::evaluation(&mut rng(3)))?;
    let level = ((&moved.value * 8.0)?.floor()? - (x * 8.0)?.floor()?)?;
    assert_eq!(max_abs(&level)?, 0.0);
    // E_q[1 / q] is the volume of the unit cube. Uniform noise would have 1 in every row.
    let inverse_density = moved.log_det()?.exp()?;
    let mean = inverse_density.mean_all()?.to_scalar::<f64>()?;
    let spread = inverse_density.var(0)?.to_scalar::<f64>()?.sqrt();
    assert!(spread > 0.1, "{spread}");
    assert!(
        (mean - 1.0).abs() < 5.0 * spread / (rows as f64).sqrt(),
        "{mean} ± {spread}"
    );
    Ok(())
}

#[test]
fn dequantisation_has_right_gradients() -> TestResult {
    let dequantization = dequantization()?;
    let x = uniform(5, &[6, 1, 2, 2])?.affine(0.49, 0.5)?;
    let loss = || -> Result<Tensor, BoxError> {
        let mut rng = rng(9);
        let moved = dequantization.forward(&x, &mut Pass::training(&mut rng))?;
        let value = (&moved.value * uniform(8, &[6, 1, 2, 2])?)?.sum_all()?;
        Ok((value + (moved.log_det()? * uniform(7, &[6])?)?.sum_all()?)?)
    };
    let (gradients, step) = (loss()?.backward()?, 1e-5);
    for (index, parameter) in dequantization.parameters().iter().enumerate() {
        let centre = parameter.var.as_detached_tensor().copy()?;
        let direction = uniform(90 + index as u64, centre.dims())?;
        let at = |by: f64| -> Result<f64, BoxError> {
            parameter.var.set(&(&centre + (&direction * by)?)?)?;
            Ok(loss()?.to_scalar()?)
        };
        let difference = (at(step)? - at(-step)?) / (2.0 * step);
        parameter.var.set(&centre)?;
        let gradient = gradients.get(&parameter.var).ok_or("no gradient")?;
        let gradient: f64 = (gradient * &direction)?.sum_all()?.to_scalar()?;
        assert!(
            (gradient - difference).abs() < 1e-7,
            "{}: {gradient} against {difference}",
            parameter.name
        );
    }
    Ok(())
}

#[test]
fn dequantisation_begins_as_uniform() -> TestResult {
    let config = DequantizationConfig {
        shape: [2, 3, 3],
        levels: 256,
        couplings: 2,
        hidden: vec![8, 8],
        activation: ActivationKind::Softplus,
    };
    let dequantization = VariationalDequantization::new(&config, &mut rng(1), F64, &CPU)?;
    let x = uniform(5, &[3, 2, 3, 3])?.affine(0.49, 0.5)?;
    let moved = dequantization.forward(&x, &mut Pass::evaluation(&mut rng(2)))?;
    assert!(max_abs(moved.log_det()?)? < 1e-12);
    let refused = VariationalDequantization::new(&DequantizationConfig { levels: 1, ..config }, &mut rng(1), F64, &CPU);
    assert!(matches!(refused, Err(FlowError::InvalidSetting { .. })));
    Ok(())
}
