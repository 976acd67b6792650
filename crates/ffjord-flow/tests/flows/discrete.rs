//! Coupling, autoregressive and linear maps, and the flows of the literature that are made of them.

use crate::check::{COLUMNS, Check, EXACT};
use crate::common::{TestResult, max_abs, rng, uniform};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{
    ActNorm, Affine, Architecture, Autoregressive, AutoregressiveFlowConfig, Bijection, Chain, ColumnSplines,
    ColumnTransform, Coupling, CouplingConfig, Density, DiscreteFlowConfig, Flow, FlowError, LuLinear, MovingBatchNorm,
    Pass, Permutation, RationalQuadraticSpline,
};
use ffjord_nn::ActivationKind;
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error>;

/// Inverting a spline's quadratic loses some digits.
const SPLINE: Check = Check {
    condition: 0,
    step: 1e-5,
    accuracy: 1e-8,
    gradients: 1e-7,
    unit: false,
};

/// A bound within the range of the rows, so that some lie outside.
fn spline() -> Result<RationalQuadraticSpline, FlowError> {
    RationalQuadraticSpline::new(4, 0.8)
}

fn coupling(transform: Arc<dyn ColumnTransform>, condition: usize, seed: u64) -> Result<Coupling, BoxError> {
    let config = CouplingConfig {
        transformed: vec![true, false, true],
        condition,
        hidden: vec![7, 6],
        activation: ActivationKind::Tanh,
        transform,
    };
    Ok(Coupling::new(&config, &mut rng(seed), DType::F64, &Device::Cpu)?)
}

fn autoregressive(
    transform: Arc<dyn ColumnTransform>,
    condition: usize,
    seed: u64,
) -> Result<Autoregressive, BoxError> {
    let config = AutoregressiveFlowConfig {
        dimension: COLUMNS,
        condition,
        hidden: vec![7, 6],
        activation: ActivationKind::Tanh,
        transform,
    };
    Ok(Autoregressive::new(&config, &mut rng(seed), DType::F64, &Device::Cpu)?)
}

fn chain(architecture: Architecture, condition: usize, seed: u64) -> Result<Chain, BoxError> {
    let config = DiscreteFlowConfig {
        dimension: COLUMNS,
        condition,
        blocks: if architecture == Architecture::Made { 1 } else { 2 },
        hidden: vec![7, 6],
        activation: ActivationKind::Tanh,
    };
    let parts = architecture.parts(&config, &mut rng(seed), DType::F64, &Device::Cpu)?;
    let boxed = parts.into_iter().map(|part| Box::new(part) as Box<dyn Bijection>);
    Ok(Chain::new(boxed.collect())?)
}

#[test]
fn couplings() -> TestResult {
    EXACT.run(|seed| coupling(Arc::new(Affine), 0, seed))?;
    SPLINE.run(|seed| coupling(Arc::new(spline()?), 0, seed))
}

/// A spline of every column, as a coupling without inputs would have it: the same function, in one operation.
#[test]
fn splines_of_columns() -> TestResult {
    let splines = || ColumnSplines::new(COLUMNS, spline()?, DType::F64, &Device::Cpu);
    SPLINE.run(|_| Ok(splines()?))?;

    let columns = splines()?;
    let parameters = uniform(4, columns.parameters()[0].var.dims())?;
    columns.parameters()[0].var.set(&parameters)?;
    let x = uniform(5, &[300, COLUMNS])?;
    let of_rows = parameters
        .unsqueeze(0)?
        .broadcast_as((300, COLUMNS, parameters.dim(1)?))?
        .contiguous()?;
    let (z, log_slope) = spline()?.forward(&x, &of_rows)?;
    let image = columns.forward(&x, &mut Pass::evaluation(&mut rng(0)))?;
    assert!(max_abs(&(z - &image.value)?)? < 1e-13);
    assert!(max_abs(&(log_slope.sum(1)? - image.log_det()?)?)? < 1e-12);

    // Training does not see the numbers of a fixed one, and files do.
    let fixed = splines()?.fixed();
    assert!(fixed.is_fixed() && !columns.is_fixed());
    assert_eq!(
        (fixed.parameters().len(), fixed.buffers()[0].name.as_str()),
        (0, "columns")
    );
    SPLINE.run(|_| Ok(splines()?.fixed()))?;

    let none = ColumnSplines::new(0, spline()?, DType::F64, &Device::Cpu);
    assert!(matches!(none, Err(FlowError::InvalidSetting { given, .. }) if given == "0"));
    Ok(())
}

#[test]
fn autoregressive_maps() -> TestResult {
    EXACT.run(|seed| autoregressive(Arc::new(Affine), 0, seed))?;
    SPLINE.run(|seed| autoregressive(Arc::new(spline()?), 0, seed))
}

#[test]
fn maps_with_a_condition() -> TestResult {
    let check = Check { condition: 2, ..EXACT };
    check.run(|seed| coupling(Arc::new(Affine), 2, seed))?;
    check.run(|seed| autoregressive(Arc::new(Affine), 2, seed))?;
    // A base whose mean and scale depend on the condition.
    check.run(|seed| {
        let config = CouplingConfig {
            transformed: vec![true; COLUMNS],
            condition: 2,
            hidden: vec![5],
            activation: ActivationKind::Tanh,
            transform: Arc::new(Affine),
        };
        Ok(Coupling::new(&config, &mut rng(seed), DType::F64, &Device::Cpu)?)
    })
}

#[test]
fn linear_maps_orders_and_norms() -> TestResult {
    EXACT.run(|_| Ok(LuLinear::new(&[COLUMNS], DType::F64, &Device::Cpu)?))?;
    EXACT.run(|seed| {
        Ok(Permutation::random(
            &[COLUMNS],
            &mut rng(seed),
            DType::F64,
            &Device::Cpu,
        )?)
    })?;
    EXACT.run(|_| {
        let norm = ActNorm::new(&[COLUMNS], DType::F64, &Device::Cpu)?;
        norm.forward(&uniform(7, &[20, COLUMNS])?, &mut Pass::training(&mut rng(0)))?;
        Ok(norm)
    })
}

#[test]
fn flows_of_the_literature() -> TestResult {
    for architecture in [
        Architecture::RealNvp,
        Architecture::Glow,
        Architecture::Made,
        Architecture::Maf,
    ] {
        EXACT.run(|seed| trained_once(chain(architecture, 0, seed)?))?;
    }
    SPLINE.run(|seed| trained_once(chain(Architecture::Spline(spline()?), 0, seed)?))
}

/// After one training pass, which sets what the first batch sets.
fn trained_once(chain: Chain) -> Result<Chain, BoxError> {
    chain.forward(&uniform(7, &[20, COLUMNS])?, &mut Pass::training(&mut rng(0)))?;
    Ok(chain)
}

#[test]
fn a_new_discrete_flow_is_a_permutation_of_its_input() -> TestResult {
    for architecture in [
        Architecture::Glow,
        Architecture::Made,
        Architecture::Spline(RationalQuadraticSpline::new(8, 3.0)?),
    ] {
        let x = uniform(3, &[5, COLUMNS])?;
        let image = chain(architecture, 0, 4)?.forward(&x, &mut Pass::evaluation(&mut rng(0)))?;
        assert!(max_abs(image.log_det()?)? < 1e-12, "{architecture:?}");
        let sums = (x.sqr()?.sum(1)? - image.value.sqr()?.sum(1)?)?;
        assert!(max_abs(&sums)? < 1e-12, "{architecture:?}");
    }
    Ok(())
}

#[test]
fn a_spline_meets_its_tails_and_rises_between() -> TestResult {
    let spline = RationalQuadraticSpline::new(5, 2.0)?;
    let count = 8001;
    let x: Vec<f64> = (0..count)
        .map(|i| -2.5 + 5.0 * f64::from(i) / f64::from(count - 1))
        .collect();
    let points = Tensor::from_vec(x.clone(), (count as usize, 1), &Device::Cpu)?;
    let parameters = (uniform(12, &[1, 1, spline.parameter_count()])? * 3.0)?;
    let parameters = parameters
        .broadcast_as((count as usize, 1, spline.parameter_count()))?
        .contiguous()?;
    let (y, log_slope) = spline.forward(&points, &parameters)?;
    let (y, log_slope): (Vec<f64>, Vec<f64>) = (y.flatten_all()?.to_vec1()?, log_slope.flatten_all()?.to_vec1()?);
    assert!(y.windows(2).all(|pair| pair[0] < pair[1]), "it must rise");
    for (x, (y, log_slope)) in x.iter().zip(y.iter().zip(&log_slope)) {
        if x.abs() >= 2.0 {
            assert!(
                (x - y).abs() < 1e-12 && log_slope.abs() < 1e-9,
                "at {x}: {y}, {log_slope}"
            );
        }
    }
    // The slopes integrate to the whole height.
    let inside = log_slope.iter().zip(&x).filter(|(_, x)| x.abs() < 2.0);
    let height: f64 = inside
        .map(|(log_slope, _)| log_slope.exp() * 5.0 / f64::from(count - 1))
        .sum();
    assert!((height - 4.0).abs() < 0.05, "{height}");
    let nan = spline.forward(&Tensor::new(&[[f64::NAN]], &Device::Cpu)?, &parameters.narrow(0, 0, 1)?)?;
    assert!(
        nan.0.sum_all()?.to_scalar::<f64>()?.is_nan(),
        "a NaN must not become a number"
    );
    Ok(())
}

#[test]
fn made_is_a_product_of_gaussians() -> TestResult {
    let flow = Flow::over_normal(chain(Architecture::Made, 0, 1)?)?;
    // Zero weights but a last bias: column d is N(μ_d, e^(2 α_d)), whatever the others are.
    let bias = flow.bijection().parameters();
    let bias = &bias.last().ok_or("there are parameters")?.var;
    bias.set(&Tensor::new(&[0.5, 0.0, -1.0, 0.7, 0.0, -0.3], &Device::Cpu)?)?;
    let limit = 1000f64.ln();
    let gaussian = |x: f64, mean: f64, raw: f64| {
        let log_scale = limit * (raw / limit).tanh();
        let z = (x - mean) * (-log_scale).exp();
        -0.5 * z * z - 0.5 * (2.0 * std::f64::consts::PI).ln() - log_scale
    };
    let x = Tensor::new(&[[0.1, 0.4, -2.0]], &Device::Cpu)?;
    let log_prob: Vec<f64> = flow.log_prob(&x, &mut Pass::evaluation(&mut rng(0)))?.to_vec1()?;
    let expected = gaussian(0.1, 0.5, 0.0) + gaussian(0.4, -1.0, 0.7) + gaussian(-2.0, 0.0, -0.3);
    assert!(
        (log_prob[0] - expected).abs() < 1e-12,
        "{} against {expected}",
        log_prob[0]
    );
    Ok(())
}

#[test]
fn a_first_batch_sets_activation_normalisation_once() -> TestResult {
    let norm = ActNorm::new(&[2], DType::F64, &Device::Cpu)?;
    let x = ((uniform(3, &[40, 2])? * 5.0)? + 3.0)?;
    let image = norm.forward(&x, &mut Pass::evaluation(&mut rng(0)))?;
    assert_eq!(max_abs(&(image.value - &x)?)?, 0.0, "an evaluation sets nothing");
    let poisoned = Tensor::new(&[[f64::NAN, 1.0], [2.0, 3.0]], &Device::Cpu)?;
    norm.forward(&poisoned, &mut Pass::training(&mut rng(0)))?;
    let image = norm.forward(&x, &mut Pass::training(&mut rng(0)))?.value;
    assert!(max_abs(&image.mean(0)?)? < 1e-9);
    assert!(max_abs(&(image.var(0)? - 1.0)?)? < 1e-5);
    let other = norm.forward(&(&x * 2.0)?, &mut Pass::training(&mut rng(0)))?.value;
    assert!(max_abs(&other.mean(0)?)? > 0.1, "a second batch sets nothing");
    Ok(())
}

#[test]
fn batches_are_normalised_with_their_own_statistics() -> TestResult {
    let norm = MovingBatchNorm::of_batches(&[2], DType::F64, &Device::Cpu)?;
    let x = ((uniform(3, &[40, 2])? * 5.0)? + 3.0)?;
    let image = norm.forward(&x, &mut Pass::training(&mut rng(0)))?.value;
    assert!(max_abs(&image.mean(0)?)? < 1e-9);
    assert!(max_abs(&(image.var(0)? - 1.0)?)? < 1e-3);
    let evaluated = norm.forward(&x, &mut Pass::evaluation(&mut rng(0)))?.value;
    assert!(
        max_abs(&evaluated.mean(0)?)? > 0.1,
        "an evaluation uses the running statistics"
    );
    Ok(())
}

#[test]
fn sizes_and_orders_that_cannot_be_are_refused() -> TestResult {
    let single = DiscreteFlowConfig {
        dimension: 1,
        condition: 0,
        blocks: 1,
        hidden: vec![4],
        activation: ActivationKind::Relu,
    };
    let parts = |architecture: Architecture, config: &DiscreteFlowConfig| {
        architecture
            .parts(config, &mut rng(0), DType::F32, &Device::Cpu)
            .map(|_| ())
    };
    for (architecture, config) in [
        (Architecture::RealNvp, single.clone()),
        (
            Architecture::Maf,
            DiscreteFlowConfig {
                blocks: 0,
                ..single.clone()
            },
        ),
        (
            Architecture::Made,
            DiscreteFlowConfig {
                blocks: 2,
                ..single.clone()
            },
        ),
    ] {
        assert!(
            matches!(parts(architecture, &config), Err(FlowError::InvalidSetting { .. })),
            "{architecture:?}"
        );
    }
    assert!(parts(Architecture::Maf, &single).is_ok());
    let empty = DiscreteFlowConfig { dimension: 0, ..single };
    assert!(parts(Architecture::Made, &empty).is_err());
    for (bins, bound) in [(1, 3.0), (501, 3.0), (8, 0.0), (8, f64::NAN)] {
        assert!(matches!(
            RationalQuadraticSpline::new(bins, bound),
            Err(FlowError::InvalidSetting { .. })
        ));
    }

    // What a damaged file may put in place of an order.
    let order = Permutation::reversed(&[3], DType::F64, &Device::Cpu)?;
    for wrong in [
        [0.0, 0.0, 1.0],
        [0.0, 1.0, 3.0],
        [0.5, 1.0, 2.0],
        [f64::NAN, 1.0, 2.0],
        [-1.0, 0.0, 1.0],
    ] {
        order.buffers()[0].var.set(&Tensor::new(&wrong, &Device::Cpu)?)?;
        let outcome = order.forward(&uniform(0, &[2, 3])?, &mut Pass::evaluation(&mut rng(0)));
        assert!(matches!(outcome, Err(FlowError::InvalidSetting { .. })), "{wrong:?}");
    }
    Ok(())
}
