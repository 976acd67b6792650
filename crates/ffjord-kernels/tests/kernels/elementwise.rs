//! Element-wise functions at what is special about floating-point numbers, and their derivatives.

use ffjord_kernels::Real;
use ffjord_kernels::elementwise::Function;
use ffjord_kernels::simd::SimdLevel;

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
        for beta in [1.0, 1.25] {
            let (mut x, mut slope) = ([f32::INFINITY, f32::MAX, f32::MIN, f32::NEG_INFINITY], [0.5; 4]);
            Function::Swish { beta }.apply_with_slope(level, &mut x, &mut slope);
            assert_eq!((x, slope), ([f32::INFINITY, f32::MAX, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]));
        }
        let (mut x, mut slope) = ([f64::NEG_INFINITY, -1e4], [0.5; 2]);
        Function::Elu.apply_with_slope(level, &mut x, &mut slope);
        assert_eq!((x, slope), ([-1.0; 2], [0.0; 2]));
    }
}

#[test]
fn a_value_has_the_same_bits_with_its_slope_and_with_tangents() {
    // Even and odd lengths, and less than a vector.
    for numbers in [1, 2, 7, 999, 1000] {
        let x: Vec<f64> = (0..numbers).map(|i| f64::from(i - 500) * 0.0137).collect();
        for level in SimdLevel::available() {
            for function in all::<f64>() {
                let (mut alone, mut beside, mut slope) = (x.clone(), x.clone(), x.clone());
                function.apply(level, &mut alone);
                function.apply_with_slope(level, &mut beside, &mut slope);
                assert_eq!(alone, beside, "{level} {function:?}");
                let scaled: Vec<f64> = x.iter().zip(&slope).map(|(&x, &slope)| x * slope).collect();
                for tangents in [1, 2] {
                    let mut stack = x.repeat(1 + tangents);
                    function.forward_stack(level, x.len(), &mut stack, &mut []);
                    let wanted = [alone.clone(), scaled.repeat(tangents)].concat();
                    assert_eq!(stack, wanted, "{level} {function:?} with {tangents} tangents");
                    let (mut stack, mut kept) = (x.repeat(1 + tangents), vec![0.0; x.len()]);
                    function.forward_stack(level, x.len(), &mut stack, &mut kept);
                    assert_eq!((stack, kept), (wanted, slope.clone()), "{level} {function:?}, recorded");
                }
            }
        }
    }
}

#[test]
fn derivatives_are_those_of_dual_numbers() {
    use crate::reference::{Dual, Number};
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
