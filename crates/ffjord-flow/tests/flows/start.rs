//! Maps that are fitted to rows before training: of each column by itself, and of all together.

use crate::check::{COLUMNS, Check, EXACT};
use crate::common::{TestResult, max_abs, rng, uniform};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{
    Bijection, Chain, Cnf, Density, Flow, FlowError, Jitter, MarginalMaps, Pass, StandardNormal, Whitening,
};
use rand::Rng;
use rand_distr::Distribution;

type BoxError = Box<dyn std::error::Error>;

/// The knots of steps are kinks, which differences must not reach over.
const KINKED: Check = Check {
    condition: 0,
    step: 1e-5,
    accuracy: 1e-8,
    gradients: 1e-6,
    unit: false,
};

fn normal(rng: &mut impl Rng) -> f64 {
    rand_distr::StandardNormal.sample(rng)
}

/// Rows of three columns that depend on each other: smooth, in steps, and with heavy tails.
fn rows(seed: u64, count: usize) -> Result<Tensor, BoxError> {
    let mut rng = rng(seed);
    let values: Vec<f64> = (0..count)
        .flat_map(|_| {
            let (a, b) = (normal(&mut rng), normal(&mut rng));
            let step = (2.0 * a + 0.3 * b).round() * 0.5;
            [
                a + 0.2 * a.sin(),
                step + rng.random_range(-0.25..0.25),
                0.8 * (0.7 * (b + a)).sinh(),
            ]
        })
        .collect();
    Ok(Tensor::from_vec(values, (count, COLUMNS), &Device::Cpu)?)
}

fn log_density(map: impl Bijection, rows: &Tensor) -> Result<f64, BoxError> {
    let base = StandardNormal::new(map.output_shape(), rows.dtype(), &Device::Cpu)?;
    let flow = Flow::new(map, base)?;
    let log_prob = flow.log_prob(rows, &mut Pass::evaluation(&mut rng(0)))?;
    Ok(log_prob.to_dtype(DType::F64)?.mean_all()?.to_scalar()?)
}

fn column(values: Vec<f64>) -> Result<Tensor, BoxError> {
    let count = values.len();
    Ok(Tensor::from_vec(values, (count, 1), &Device::Cpu)?)
}

#[test]
fn marginal_maps() -> TestResult {
    KINKED.run(|seed| Ok(MarginalMaps::fit(&rows(seed, 800)?, 10)?))
}

/// Images of two channels with 5 levels, some of them rare.
fn level_maps(dtype: DType) -> Result<(MarginalMaps, Vec<f64>), BoxError> {
    let probabilities: Vec<f64> = (0..2 * 3 * 2 * 5)
        .map(|i| 1.2 + (1.7 * f64::from(i * i % 31)).sin() + if i % 7 == 0 { 1e4 } else { 0.0 })
        .collect();
    let maps = MarginalMaps::of_levels(&[2, 3, 2], 5, dtype, &Device::Cpu)?;
    maps.refit_levels(&probabilities)?;
    Ok((maps, probabilities))
}

#[test]
fn maps_of_levels() -> TestResult {
    // Inside of the levels, which differences must not reach over.
    let check = Check {
        unit: true,
        step: 1e-7,
        accuracy: 1e-5,
        gradients: 1e-5,
        ..KINKED
    };
    check.run(|_| Ok(level_maps(DType::F64)?.0))
}

#[test]
fn maps_of_levels_have_the_probabilities_of_the_levels_as_their_density() -> TestResult {
    for (dtype, accuracy) in [(DType::F64, 1e-6), (DType::F32, 2e-2)] {
        let (maps, probabilities) = level_maps(dtype)?;
        for level in 0..5 {
            for noise in [0.0, 0.4, 0.99] {
                let x = Tensor::full((level as f64 + noise) / 5.0, (1, 2, 3, 2), &Device::Cpu)?.to_dtype(dtype)?;
                let base = StandardNormal::new(&[2, 3, 2], dtype, &Device::Cpu)?;
                let transformed = maps.forward(&x, &mut Pass::evaluation(&mut rng(0)))?;
                let log_prob = (base.log_prob(&transformed.value, &mut Pass::evaluation(&mut rng(0)))?
                    + transformed.log_det()?)?;
                let expected: f64 = probabilities
                    .chunks(5)
                    .map(|column| (5.0 * column[level] / column.iter().sum::<f64>()).ln())
                    .sum();
                let error = (log_prob.to_dtype(DType::F64)?.to_vec1::<f64>()?[0] - expected).abs();
                assert!(error < accuracy, "{dtype:?}, level {level}: {error:e}");
            }
        }
    }
    Ok(())
}

#[test]
fn levels_without_a_probability_are_refused() -> TestResult {
    let maps = MarginalMaps::of_levels(&[1, 1, 1], 2, DType::F32, &Device::Cpu)?;
    for probabilities in [vec![1.0], vec![1.0, 0.0], vec![1.0, f64::NAN], vec![1.0; 3]] {
        let refused = maps.refit_levels(&probabilities);
        assert!(
            matches!(refused, Err(FlowError::InvalidSetting { .. })),
            "{probabilities:?}"
        );
    }
    assert!(MarginalMaps::of_levels(&[1, 1, 1], 1, DType::F32, &Device::Cpu).is_err());
    Ok(())
}

#[test]
fn marginal_maps_before_a_fit() -> TestResult {
    let maps = MarginalMaps::new(COLUMNS, 7, DType::F64, &Device::Cpu)?;
    let x = (uniform(1, &[5, COLUMNS])? * 100.0)?;
    let image = maps.forward(&x, &mut Pass::evaluation(&mut rng(0)))?;
    assert_eq!(max_abs(&(image.value - x)?)?, 0.0);
    assert_eq!(max_abs(image.log_det.as_ref().ok_or("none")?)?, 0.0);
    Ok(())
}

#[test]
fn whitening() -> TestResult {
    EXACT.run(|seed| Ok(Whitening::fit(&rows(seed, 800)?)?))
}

#[test]
fn marginal_maps_and_whitening_in_a_chain() -> TestResult {
    KINKED.run(|seed| {
        let rows = rows(seed, 800)?;
        let maps = MarginalMaps::fit(&rows, 10)?;
        let normal = maps.forward(&rows, &mut Pass::evaluation(&mut rng(0)))?.value;
        // A map further in is differentiated with respect to what comes before it.
        let whitening = Whitening::fit(&normal)?;
        let second = MarginalMaps::fit(
            &whitening.forward(&normal, &mut Pass::evaluation(&mut rng(0)))?.value,
            10,
        )?;
        Ok(Chain::new(vec![Box::new(maps), Box::new(whitening), Box::new(second)])?)
    })
}

#[test]
fn whitened_columns_are_uncorrelated_with_variance_one() -> TestResult {
    let rows = (rows(3, 4000)? * 50.0)?;
    let white = Whitening::fit(&rows)?
        .forward(&rows, &mut Pass::evaluation(&mut rng(0)))?
        .value;
    let covariance = (white.t()?.matmul(&white)? / 4000.0)?;
    let error = max_abs(&(covariance - Tensor::eye(COLUMNS, DType::F64, &Device::Cpu)?)?)?;
    assert!(error < 2e-2, "{error}");
    Ok(())
}

#[test]
fn few_rows_are_shrunk_and_many_are_not() -> TestResult {
    // Twelve independent columns: the largest factor of a whitening from few rows is far off without shrinkage.
    let columns = 12;
    let largest = |count: usize| -> Result<f64, BoxError> {
        let mut rng = rng(11);
        let values: Vec<f64> = (0..count * columns).map(|_| normal(&mut rng)).collect();
        let whitening = Whitening::fit(&Tensor::from_vec(values, (count, columns), &Device::Cpu)?)?;
        max_abs(whitening.buffers()[1].var.as_tensor())
    };
    assert!(largest(15)? < 1.6, "{}", largest(15)?);
    assert!((largest(50_000)? - 1.0).abs() < 0.02, "{}", largest(50_000)?);
    Ok(())
}

#[test]
fn columns_that_repeat_each_other_or_stand_still_have_an_inverse() -> TestResult {
    let mut rng = rng(4);
    let values: Vec<f64> = (0..500)
        .flat_map(|_| {
            let x = normal(&mut rng);
            [x, 2.0 * x, 7.0]
        })
        .collect();
    let both_signs: Vec<f64> = (0..500)
        .flat_map(|row| [f64::from(row % 2), 1.0 - f64::from(row % 2), 7.0])
        .collect();
    for values in [values, both_signs, vec![1.0, 2.0, 3.0]] {
        let rows = Tensor::from_vec(values.clone(), (values.len() / 3, 3), &Device::Cpu)?;
        for dtype in [DType::F32, DType::F64] {
            let rows = rows.to_dtype(dtype)?;
            let chain = fitted(&rows)?;
            let mut rng = crate::common::rng(0);
            let image = chain.forward(&rows, &mut Pass::evaluation(&mut rng))?;
            let back = chain.inverse(&image.value, &mut Pass::evaluation(&mut rng))?.value;
            let error = max_abs(&(back - &rows)?.to_dtype(DType::F64)?)?;
            assert!(
                error < if dtype == DType::F32 { 2e-2 } else { 1e-8 },
                "{dtype:?}: {error}"
            );
            let log_det: f64 = image.log_det()?.to_dtype(DType::F64)?.sum_all()?.to_scalar()?;
            assert!(log_det.is_finite());
        }
    }
    Ok(())
}

/// Marginal maps and whitening, each fitted to what it is given.
fn fitted(rows: &Tensor) -> Result<Chain, BoxError> {
    let maps = MarginalMaps::fit(rows, 64)?;
    let normal = maps.forward(rows, &mut Pass::evaluation(&mut rng(0)))?.value;
    let whitening = Whitening::fit(&normal)?;
    Ok(Chain::new(vec![Box::new(maps), Box::new(whitening)])?)
}

#[test]
fn a_blurred_lattice_is_exact_in_few_knots() -> TestResult {
    // Places and probabilities of a lattice with a gap, blurred by uniform noise of its step.
    let masses = [
        (0.0, 0.55),
        (1.0, 0.05),
        (2.0, 0.2),
        (3.0, 0.01),
        (17.0, 0.15),
        (18.0, 0.04),
    ];
    let draw = |seed: u64, count: usize| -> Result<Tensor, BoxError> {
        let mut rng = rng(seed);
        let value = |_| {
            let mut share: f64 = rng.random_range(0.0..1.0);
            let place = masses.iter().find(|(_, mass)| {
                share -= mass;
                share < 0.0
            });
            place.map_or(0.0, |(place, _)| *place) + rng.random_range(0.0..1.0)
        };
        column((0..count).map(value).collect())
    };
    let entropy: f64 = masses.iter().map(|(_, mass)| -mass * mass.ln()).sum();
    let unseen = draw(2, 20_000)?;
    let unseen_entropy = {
        let values: Vec<f64> = unseen.flatten_all()?.to_vec1()?;
        let log_mass = |value: &f64| {
            let place = masses.iter().find(|(place, _)| *place == value.floor());
            place.map_or(f64::NEG_INFINITY, |(_, mass)| mass.ln())
        };
        -values.iter().map(log_mass).sum::<f64>() / values.len() as f64
    };
    assert!((entropy - unseen_entropy).abs() < 0.05);
    let maps = MarginalMaps::fit(&draw(1, 50_000)?, 64)?;
    let excess = -log_density(maps, &unseen)? - unseen_entropy;
    assert!(excess < 2e-3, "{excess} nats above the entropy");
    Ok(())
}

#[test]
fn columns_become_normal_and_no_worse_than_a_gaussian() -> TestResult {
    let (seen, unseen) = (rows(5, 20_000)?, rows(6, 20_000)?);
    for (name, of, least) in [("smooth", 0, 0.0), ("steps", 1, 5e-3), ("heavy tails", 2, 0.05)] {
        let (seen, unseen) = (
            seen.narrow(1, of, 1)?.contiguous()?,
            unseen.narrow(1, of, 1)?.contiguous()?,
        );
        let gaussian = log_density(Whitening::fit(&seen)?, &unseen)?;
        let maps = MarginalMaps::fit(&seen, 128)?;
        let image = maps.forward(&unseen, &mut Pass::evaluation(&mut rng(0)))?.value;
        let image: Vec<f64> = image.flatten_all()?.to_vec1()?;
        let moment = |power: i32| image.iter().map(|z| z.powi(power)).sum::<f64>() / image.len() as f64;
        let found = [moment(1), moment(2), moment(4)];
        for (moment, (expected, error)) in found.iter().zip([(0.0, 0.05), (1.0, 0.08), (3.0, 0.6)]) {
            assert!((moment - expected).abs() < error, "{name}: {found:?}");
        }
        let gain = log_density(maps, &unseen)? - gaussian;
        assert!(gain > least - 1e-3, "{name}: {gain}");
    }
    Ok(())
}

#[test]
fn every_number_of_single_precision_has_a_finite_image_that_rises_with_it() -> TestResult {
    let mut rng = rng(7);
    let mut draw = |value: &mut dyn FnMut(&mut dyn rand::RngCore) -> f64| -> Vec<f64> {
        (0..3000).map(|_| value(&mut rng)).collect()
    };
    let columns = [
        ("normal", draw(&mut |mut rng| normal(&mut rng))),
        ("tiny", draw(&mut |mut rng| 1e-30 * normal(&mut rng))),
        ("huge", draw(&mut |mut rng| 1e30 * normal(&mut rng))),
        (
            "a spike",
            draw(&mut |rng| {
                if rng.random_bool(0.97) {
                    0.0
                } else {
                    rng.random_range(0.0..9.0)
                }
            }),
        ),
        (
            "two numbers",
            draw(&mut |rng| f64::from(u8::from(rng.random_bool(0.3)))),
        ),
        ("one number", vec![-3.25; 3000]),
        (
            "an outlier",
            draw(&mut |rng| {
                if rng.random_bool(0.001) {
                    1e8
                } else {
                    rng.random_range(0.0..1.0)
                }
            }),
        ),
        (
            "Cauchy",
            draw(&mut |rng| (std::f64::consts::PI * (rng.random_range(0.0..1.0) - 0.5)).tan()),
        ),
    ];
    let sizes = (-380..=384)
        .map(|step| f64::from(step) * 0.1)
        .map(|power| 10f64.powf(power));
    let mut places: Vec<f32> = sizes.map(|size| size as f32).filter(|size| size.is_finite()).collect();
    places.extend(places.clone().iter().map(|place| -place));
    places.extend([0.0, f32::MAX, f32::MIN]);
    places.extend((-400..400).map(|step| step as f32 * 0.025));
    places.sort_by(f32::total_cmp);
    let count = places.len();
    let places = Tensor::from_vec(places, (count, 1), &Device::Cpu)?;
    for (name, values) in columns {
        let maps = MarginalMaps::fit(&column(values)?.to_dtype(DType::F32)?, 256)?;
        let mut rng = crate::common::rng(0);
        let image = maps.forward(&places, &mut Pass::evaluation(&mut rng))?;
        let values: Vec<f32> = image.value.flatten_all()?.to_vec1()?;
        assert!(values.iter().all(|z| z.is_finite()), "{name}");
        assert!(values.windows(2).all(|pair| pair[0] <= pair[1]), "{name}");
        let log_det: Vec<f32> = image.log_det()?.to_vec1()?;
        assert!(log_det.iter().all(|log_det| log_det.is_finite()), "{name}");
        // Back as well, from all that noise can be.
        let noise = Tensor::arange(-900i64, 901, &Device::Cpu)?.to_dtype(DType::F32)?;
        let noise = (noise * 0.01)?.unsqueeze(1)?;
        let back: Vec<f32> = maps
            .inverse(&noise, &mut Pass::evaluation(&mut rng))?
            .value
            .flatten_all()?
            .to_vec1()?;
        assert!(back.iter().all(|x| x.is_finite()), "{name}");
        assert!(back.windows(2).all(|pair| pair[0] <= pair[1]), "{name}");
    }
    Ok(())
}

#[test]
fn single_precision_finds_its_way_back() -> TestResult {
    let rows = rows(8, 5000)?.to_dtype(DType::F32)?;
    let chain = fitted(&rows)?;
    let mut rng = rng(0);
    let image = chain.forward(&rows, &mut Pass::evaluation(&mut rng))?;
    let back = chain.inverse(&image.value, &mut Pass::evaluation(&mut rng))?;
    let error = max_abs(&(&back.value - &rows)?.to_dtype(DType::F64)?)?;
    assert!(error < 2e-3, "{error}");
    let error = max_abs(&(back.log_det()? + image.log_det()?)?.to_dtype(DType::F64)?)?;
    assert!(error < 2e-2, "{error}");
    Ok(())
}

#[test]
fn a_fit_is_the_same_for_any_number_of_threads() -> TestResult {
    let rows = rows(9, 20_000)?.to_dtype(DType::F32)?;
    let numbers = |threads: usize| -> Result<Vec<f32>, BoxError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let buffers = pool
            .install(|| fitted(&rows).map_err(|error| error.to_string()))?
            .buffers();
        let values = buffers.iter().map(|buffer| buffer.var.flatten_all()?.to_vec1::<f32>());
        Ok(values.collect::<candle_core::Result<Vec<_>>>()?.concat())
    };
    assert_eq!(numbers(1)?, numbers(3)?);
    Ok(())
}

#[test]
fn what_cannot_be_fitted_or_is_damaged_is_refused() -> TestResult {
    let device = Device::Cpu;
    let none = Tensor::zeros((0, 2), DType::F32, &device)?;
    let hole = Tensor::new(&[[1f32, 2.0], [f32::NAN, 1.0]], &device)?;
    let answers = [MarginalMaps::fit(&none, 8).map(drop), Whitening::fit(&none).map(drop)];
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Err(FlowError::InputShape { .. })))
    );
    let answers = [MarginalMaps::fit(&hole, 8).map(drop), Whitening::fit(&hole).map(drop)];
    for answer in answers {
        assert!(matches!(answer, Err(FlowError::NonFiniteInput { rows }) if rows == [1]));
    }
    for (dimension, knots) in [(0, 8), (2, 1), (2, 70_000)] {
        let answer = MarginalMaps::new(dimension, knots, DType::F32, &device);
        assert!(matches!(answer, Err(FlowError::InvalidSetting { .. })));
    }
    assert!(Whitening::new(0, DType::F32, &device).is_err());

    let maps = MarginalMaps::fit(&rows(1, 300)?, 16)?;
    let knots = &maps.buffers()[1];
    assert_eq!(knots.name, "knots");
    knots.var.set(&knots.var.neg()?)?;
    let answer = maps.forward(&uniform(1, &[2, COLUMNS])?, &mut Pass::evaluation(&mut rng(0)));
    assert!(answer.is_err_and(|error| error.to_string().contains("rise together")));
    Ok(())
}

#[test]
fn a_saved_flow_keeps_what_its_start_was_fitted_to() -> TestResult {
    let rows = rows(2, 600)?.to_dtype(DType::F32)?;
    let flow = |start: Chain| -> Result<Flow<Chain>, BoxError> {
        let cnf = Cnf::builder(COLUMNS).hidden([8]).seed(1).build()?;
        Ok(Flow::over_normal(Chain::new(vec![Box::new(start), Box::new(cnf)])?)?)
    };
    let file = tempfile::NamedTempFile::new()?;
    let saved = flow(fitted(&rows)?)?;
    saved.save(file.path())?;
    let unfitted = Chain::new(vec![
        Box::new(MarginalMaps::new(COLUMNS, 64, DType::F32, &Device::Cpu)?),
        Box::new(Whitening::new(COLUMNS, DType::F32, &Device::Cpu)?),
    ])?;
    let loaded = flow(unfitted)?;
    loaded.load(file.path())?;
    let log_prob = |flow: &Flow<Chain>| -> Result<Vec<f32>, BoxError> {
        Ok(flow.log_prob(&rows, &mut Pass::evaluation(&mut rng(0)))?.to_vec1()?)
    };
    assert_eq!(log_prob(&saved)?, log_prob(&loaded)?);
    Ok(())
}

#[test]
fn noise_is_of_training_alone() -> TestResult {
    let rows = rows(3, 4000)?;
    let jitter = Jitter::new(&[COLUMNS], 0.3)?;
    for map in [
        jitter.forward(&rows, &mut Pass::evaluation(&mut rng(0)))?,
        jitter.inverse(&rows, &mut Pass::sampling(&mut rng(0)))?,
    ] {
        assert_eq!(max_abs(&(map.value - &rows)?)?, 0.0);
    }
    let mut rng = rng(1);
    let mut pass = Pass::training(&mut rng);
    let (first, second) = (jitter.forward(&rows, &mut pass)?, jitter.forward(&rows, &mut pass)?);
    assert_eq!(max_abs(first.log_det()?)?, 0.0);
    let deviation =
        |difference: Tensor| -> Result<f64, BoxError> { Ok(difference.sqr()?.mean_all()?.to_scalar::<f64>()?.sqrt()) };
    // Of 12,000 numbers; two draws are independent of each other.
    assert!((deviation((&first.value - &rows)?)? - 0.3).abs() < 0.01);
    assert!((deviation((first.value - second.value)?)? - 0.3 * 2f64.sqrt()).abs() < 0.015);
    for wrong in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            Jitter::new(&[COLUMNS], wrong),
            Err(FlowError::InvalidSetting { .. })
        ));
    }
    Ok(())
}
