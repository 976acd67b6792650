//! Element-wise functions against their definitions in double precision, over the whole range of inputs.

mod reference;

use ffjord_kernels::Real;
use ffjord_kernels::elementwise::Function;
use ffjord_kernels::simd::SimdLevel;

/// Every 2¹²-th single-precision number or so, and everything that is special about floating-point numbers.
fn single_inputs() -> Vec<f32> {
    let spread = (0..=u32::MAX / 4093).map(|i| f32::from_bits(i * 4093));
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
    ];
    let tiny = (0..64).flat_map(|i| [f32::from_bits(1 << (i % 23)), -f32::from_bits(1 << (i % 23))]);
    let near = (-120_000..120_000).map(|i| i as f32 * 1e-3);
    spread
        .chain(special)
        .chain(tiny)
        .chain(near)
        .filter(|x| !x.is_nan())
        .collect()
}

fn double_inputs() -> Vec<f64> {
    let special = [
        0.0,
        -0.0,
        5e-324,
        -5e-324,
        1e-310,
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    let decades = (-320..=308).flat_map(|d| [1.7, -1.7, 3.3, -9.1].map(|m| m * 10f64.powi(d)));
    let near = (-400_000..400_000).map(|i| i as f64 * 1.97e-3);
    special.into_iter().chain(decades).chain(near).collect()
}

/// |got − wanted| in units of the last place of `wanted`, an exact value rounded to double precision.
fn ulps(got: f64, wanted: f64, mantissa_bits: i32, least_exponent: i32) -> f64 {
    if got == wanted || (got.is_nan() && wanted.is_nan()) {
        return 0.0;
    }
    let exponent = if wanted == 0.0 {
        least_exponent
    } else {
        (wanted.abs().log2().floor() as i32).max(least_exponent)
    };
    (got - wanted).abs() / (2f64.powi(exponent) * 2f64.powi(-mantissa_bits))
}

fn worst_single(level: SimdLevel, function: Function<f32>, wanted: impl Fn(f64) -> f64) -> (f64, f32) {
    let inputs = single_inputs();
    let mut outputs = inputs.clone();
    function.apply(level, &mut outputs);
    let errors = inputs.iter().zip(&outputs).map(|(&x, &y)| {
        // What rounds to infinity or to zero in single precision may do so here.
        let exact = wanted(f64::from(x));
        let exact = if (exact as f32).is_infinite() {
            f64::from(exact as f32)
        } else {
            exact
        };
        (ulps(f64::from(y), exact, 23, -126), x)
    });
    errors.fold((0.0, 0.0), |worst, error| {
        if error.0 > worst.0 || error.0.is_nan() {
            error
        } else {
            worst
        }
    })
}

fn worst_double(level: SimdLevel, function: Function<f64>, wanted: impl Fn(f64) -> f64) -> (f64, f64) {
    let inputs = double_inputs();
    let mut outputs = inputs.clone();
    function.apply(level, &mut outputs);
    let errors = inputs
        .iter()
        .zip(&outputs)
        .map(|(&x, &y)| (ulps(y, wanted(x), 52, -1022), x));
    errors.fold((0.0, 0.0), |worst, error| {
        if error.0 > worst.0 || error.0.is_nan() {
            error
        } else {
            worst
        }
    })
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        x.exp() / (1.0 + x.exp())
    }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn elu(x: f64) -> f64 {
    if x > 0.0 { x } else { x.exp_m1() }
}

/// The bounds in ulps, a little above what the example `accuracy` measures with denser inputs. The double-precision
/// references here are themselves off by up to an ulp.
const BOUND_SINGLE: f64 = 2.4;
const BOUND_DOUBLE: f64 = 3.0;

#[test]
fn values_are_within_the_stated_ulps_of_the_definitions_at_every_level() {
    for level in SimdLevel::available() {
        for (name, single, double, wanted) in [
            ("tanh", Function::Tanh, Function::Tanh, f64::tanh as fn(f64) -> f64),
            ("sigmoid", Function::Sigmoid, Function::Sigmoid, sigmoid),
            ("softplus", Function::Softplus, Function::Softplus, softplus),
            ("elu", Function::Elu, Function::Elu, elu),
        ] {
            let (worst, at) = worst_single(level, single, wanted);
            println!("{level} {name} f32: {worst:.2} ulp at {at:e}");
            assert!(worst <= BOUND_SINGLE, "{level} {name} f32: {worst} ulp at {at:e}");
            let (worst, at) = worst_double(level, double, wanted);
            println!("{level} {name} f64: {worst:.2} ulp at {at:e}");
            assert!(worst <= BOUND_DOUBLE, "{level} {name} f64: {worst} ulp at {at:e}");
        }
    }
}

fn all<T: Real>() -> [Function<T>; 8] {
    let beta = T::from_f64(1.25);
    [
        Function::Identity,
        Function::Relu,
        Function::Square,
        Function::Tanh,
        Function::Sigmoid,
        Function::Softplus,
        Function::Elu,
        Function::Swish { beta },
    ]
}

#[test]
fn nan_goes_through_values_and_derivatives() {
    for level in SimdLevel::available() {
        for function in all::<f32>() {
            // Enough elements for vectors and for the rest.
            let (mut x, mut slope) = (vec![f32::NAN; 37], vec![0.0; 37]);
            function.apply_with_slope(level, &mut x, &mut slope);
            assert!(x.iter().all(|y| y.is_nan()), "{level} {function:?}");
            let constant_slope = matches!(function, Function::Identity);
            assert!(
                constant_slope || slope.iter().all(|s| s.is_nan()),
                "{level} {function:?} slope"
            );
        }
    }
}

#[test]
fn zeros_keep_their_sign_and_infinities_reach_the_limits() {
    for level in SimdLevel::available() {
        for function in [Function::Tanh, Function::Elu] {
            let mut x = [0.0f32, -0.0, f32::NEG_INFINITY];
            function.apply(level, &mut x);
            assert_eq!(
                x.map(f32::to_bits),
                [0.0f32, -0.0, -1.0].map(f32::to_bits),
                "{level} {function:?}"
            );
        }
        let mut x = [f64::INFINITY, f64::NEG_INFINITY];
        Function::Softplus.apply(level, &mut x);
        assert_eq!(x, [f64::INFINITY, 0.0]);
        Function::Sigmoid.apply(level, &mut x[..1]);
        assert_eq!(x[0], 1.0);
    }
}

#[test]
fn derivatives_are_those_of_dual_numbers() {
    use reference::{Dual, Number};
    let activate = |function: Function<f64>, x: Dual<Dual<f64>>| {
        let one = Dual::constant(1.0);
        let sigmoid = |x: Dual<Dual<f64>>| (one + (Dual::constant(0.0) - x).exp()).reciprocal();
        match function {
            Function::Identity => x,
            Function::Relu => {
                if x.value() > 0.0 {
                    x
                } else {
                    Dual::constant(0.0)
                }
            }
            Function::Square => x * x,
            Function::Tanh => Dual::constant(2.0) * sigmoid(x + x) - one,
            Function::Sigmoid => sigmoid(x),
            Function::Softplus => (one + x.exp()).ln(),
            Function::Elu => {
                if x.value() > 0.0 {
                    x
                } else {
                    x.exp() - one
                }
            }
            Function::Swish { beta } => x * sigmoid(Dual::constant(beta) * x),
        }
    };
    let x: Vec<f64> = (-300..300).map(|i| i as f64 * 0.0371 + 0.01).collect();
    for level in SimdLevel::available() {
        for function in all::<f64>() {
            let (mut slope, mut curvature) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            function.derivatives(level, &x, &mut slope, &mut curvature);
            for (i, &x) in x.iter().enumerate() {
                let seeded = Dual::new(Dual::new(x, 1.0), Dual::new(1.0, 0.0));
                let y = activate(function, seeded);
                let (first, second) = (y.value.derivative, y.derivative.derivative);
                assert!(
                    (slope[i] - first).abs() < 4e-15 * (1.0 + first.abs()),
                    "{level} {function:?} φ' at {x}"
                );
                assert!((curvature[i] - second).abs() < 4e-14, "{level} {function:?} φ'' at {x}");
            }
        }
    }
}
