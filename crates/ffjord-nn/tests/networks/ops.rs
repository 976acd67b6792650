//! Functions on tensors: against candle's operations and finite differences, on views, and on what is special.

use candle_core::{DType, Device, Result, Tensor, Var};
use ffjord_nn::ops::{self, Function};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ALL: [Function<f64>; 8] = [
    Function::Identity,
    Function::Relu,
    Function::Square,
    Function::Tanh,
    Function::Sigmoid,
    Function::Softplus,
    Function::Elu,
    Function::Swish { beta: 1.3 },
];

/// Away from zero, where relu and elu have no second derivative.
fn inputs(shape: &[usize]) -> Result<Tensor> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|_| rng.random_range(0.01..6.0) * if rng.random() { 1.0 } else { -1.0 })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

fn flat(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

fn assert_close(got: &Tensor, wanted: &Tensor, tolerance: f64, label: &str) -> Result<()> {
    assert_eq!(got.dims(), wanted.dims(), "{label}");
    for (got, wanted) in flat(got)?.into_iter().zip(flat(wanted)?) {
        let scale = wanted.abs().max(1.0);
        assert!((got - wanted).abs() <= tolerance * scale, "{label}: {got} and {wanted}");
    }
    Ok(())
}

/// The gradient of Σ w·φ(x), with different weights w.
fn gradient(x: &Tensor, function: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let x = Var::from_tensor(x)?;
    let y = function(&x)?;
    let weights = Tensor::arange(0f64, y.elem_count() as f64, &Device::Cpu)?.affine(0.01, -0.5)?;
    let loss = (&y * weights.reshape(y.dims())?.to_dtype(y.dtype())?)?.sum_all()?;
    match loss.backward()?.get(&x) {
        Some(gradient) => Ok(gradient.clone()),
        None => candle_core::bail!("no gradient"),
    }
}

fn by_candle(function: Function<f64>, x: &Tensor) -> Result<Tensor> {
    match function {
        Function::Identity => Ok(x.clone()),
        Function::Relu => x.relu(),
        Function::Square => x.sqr(),
        Function::Tanh => x.tanh(),
        Function::Sigmoid => candle_nn::ops::sigmoid(x),
        Function::Softplus => (x.exp()? + 1.0)?.log(),
        Function::Elu => x.elu(1.0),
        Function::Swish { beta } => (x * beta)?.silu()? / beta,
    }
}

#[test]
fn values_and_gradients_are_candles() -> Result<()> {
    for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F32, 2e-6)] {
        let x = inputs(&[7, 33])?.to_dtype(dtype)?;
        for function in ALL {
            let label = format!("{dtype:?} {function:?}");
            let wanted = by_candle(function, &x)?;
            assert_close(&ops::value(function, &x)?, &wanted, tolerance, &label)?;
            let wanted = gradient(&x, |x| by_candle(function, x))?;
            assert_close(&gradient(&x, |x| ops::value(function, x))?, &wanted, tolerance, &label)?;
        }
    }
    Ok(())
}

#[test]
fn named_functions_are_what_they_say() -> Result<()> {
    let x = inputs(&[5])?;
    for (named, function) in [
        (ops::tanh(&x)?, Function::Tanh),
        (ops::sigmoid(&x)?, Function::Sigmoid),
        (ops::softplus(&x)?, Function::Softplus),
        (ops::elu(&x)?, Function::Elu),
        (ops::swish(&x, 1.3)?, Function::Swish { beta: 1.3 }),
        (ops::relu(&x)?, Function::Relu),
    ] {
        assert_close(&named, &by_candle(function, &x)?, 1e-14, &format!("{function:?}"))?;
    }
    Ok(())
}

#[test]
fn derivatives_are_those_of_finite_differences() -> Result<()> {
    const STEP: f64 = 1e-5;
    let x = inputs(&[301])?;
    for function in ALL {
        let differences =
            |f: &dyn Fn(&Tensor) -> Result<Tensor>| (f(&(&x + STEP)?)? - f(&(&x - STEP)?)?)? / (2.0 * STEP);
        let slope = ops::slope(function, &x)?;
        let wanted = differences(&|x| ops::value(function, x))?;
        assert_close(&slope, &wanted, 1e-9, &format!("{function:?}'"))?;
        let weights = Tensor::arange(0f64, 301.0, &Device::Cpu)?.affine(0.01, -0.5)?;
        let wanted = (differences(&|x| ops::slope(function, x))? * weights)?;
        let curvature = gradient(&x, |x| ops::slope(function, x))?;
        assert_close(&curvature, &wanted, 1e-9, &format!("{function:?}''"))?;
    }
    Ok(())
}

type View = fn(&Tensor) -> Result<Tensor>;

#[test]
fn views_give_what_their_copies_give() -> Result<()> {
    let base = inputs(&[6, 10])?;
    let views: [(&str, View); 5] = [
        ("transposed", Tensor::t),
        ("narrowed rows", |x| x.narrow(0, 2, 3)),
        ("narrowed columns", |x| x.narrow(1, 3, 4)),
        ("broadcast", |x| x.narrow(0, 1, 1)?.broadcast_as((5, 10))),
        ("permuted", |x| x.reshape((2, 3, 10))?.permute((2, 0, 1))),
    ];
    for (name, view) in views {
        for function in ALL {
            let label = format!("{name} {function:?}");
            for f in [ops::value, ops::slope] {
                let wanted = f(function, &view(&base)?.copy()?)?;
                assert_close(&f(function, &view(&base)?)?, &wanted, 0.0, &label)?;
                let wanted = gradient(&base, |x| f(function, &view(x)?.force_contiguous()?))?;
                assert_close(&gradient(&base, |x| f(function, &view(x)?))?, &wanted, 0.0, &label)?;
            }
        }
    }
    Ok(())
}

#[test]
fn empty_tensors_and_single_numbers_keep_their_shape() -> Result<()> {
    for function in ALL {
        for shape in [&[0usize][..], &[3, 0, 2], &[]] {
            let x = inputs(shape)?;
            assert_eq!(ops::value(function, &x)?.dims(), shape);
            assert_eq!(ops::slope(function, &x)?.dims(), shape);
            assert_eq!(gradient(&x, |x| ops::value(function, x))?.dims(), shape);
        }
    }
    Ok(())
}

#[test]
fn infinities_reach_the_limits_and_nan_stays() -> Result<()> {
    let x = Tensor::new(&[f64::NEG_INFINITY, f64::INFINITY], &Device::Cpu)?;
    let infinity = f64::INFINITY;
    for (function, limits, slopes) in [
        (Function::Relu, [0.0, infinity], [0.0, 1.0]),
        (Function::Tanh, [-1.0, 1.0], [0.0, 0.0]),
        (Function::Sigmoid, [0.0, 1.0], [0.0, 0.0]),
        (Function::Softplus, [0.0, infinity], [0.0, 1.0]),
        (Function::Elu, [-1.0, infinity], [0.0, 1.0]),
        (Function::Swish { beta: 1.0 }, [0.0, infinity], [0.0, 1.0]),
    ] {
        for dtype in [DType::F64, DType::F32] {
            let x = x.to_dtype(dtype)?;
            assert_eq!(flat(&ops::value(function, &x)?)?, limits, "{dtype:?} {function:?}");
            assert_eq!(flat(&ops::slope(function, &x)?)?, slopes, "{dtype:?} {function:?}'");
            let nan = Tensor::new(&[f64::NAN; 3], &Device::Cpu)?.to_dtype(dtype)?;
            assert!(flat(&ops::value(function, &nan)?)?.iter().all(|y| y.is_nan()));
            assert!(
                flat(&gradient(&nan, |x| ops::value(function, x))?)?
                    .iter()
                    .all(|y| y.is_nan())
            );
        }
    }
    Ok(())
}

#[test]
fn the_number_of_threads_changes_no_bit() -> std::result::Result<(), Box<dyn std::error::Error>> {
    // Several pieces, the last of them with an odd length.
    let x = inputs(&[3, 33_331])?.to_dtype(DType::F32)?;
    let on_threads = |threads| -> std::result::Result<Vec<u32>, Box<dyn std::error::Error>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let y = pool
            .install(|| gradient(&x, ops::tanh))?
            .flatten_all()?
            .to_vec1::<f32>()?;
        Ok(y.into_iter().map(f32::to_bits).collect())
    };
    assert_eq!(on_threads(1)?, on_threads(3)?);
    Ok(())
}

#[test]
fn other_number_types_take_candles_operations() -> Result<()> {
    let x = inputs(&[4, 9])?;
    for (dtype, tolerance) in [(DType::F16, 4e-3), (DType::BF16, 4e-2)] {
        let narrow = x.to_dtype(dtype)?;
        for function in ALL {
            let label = format!("{dtype:?} {function:?}");
            let (value, slope) = (ops::value(function, &narrow)?, ops::slope(function, &narrow)?);
            assert_eq!((value.dtype(), slope.dtype()), (dtype, dtype), "{label}");
            assert_close(&value, &ops::value(function, &x)?, tolerance, &label)?;
            assert_close(&slope, &ops::slope(function, &x)?, tolerance, &label)?;
            let wanted = gradient(&x, |x| ops::value(function, x))?;
            assert_close(
                &gradient(&narrow, |x| ops::value(function, x))?,
                &wanted,
                tolerance,
                &label,
            )?;
        }
    }
    let integers = Tensor::new(&[1u32, 2], &Device::Cpu)?;
    assert!(ops::tanh(&integers).is_err());
    Ok(())
}
