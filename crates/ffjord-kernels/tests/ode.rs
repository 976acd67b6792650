//! Fused Runge–Kutta updates against loops.

mod reference;

use ffjord_kernels::KernelError;
use ffjord_kernels::ode::{Stage, Tolerance, combine, combine_with_error};
use ffjord_kernels::simd::SimdLevel;
use reference::noises;

#[test]
fn a_step_and_its_error_are_the_sums_of_their_terms() {
    // Longer than a block, and no multiple of anything.
    let len = 1237;
    let (y, slopes) = (noises(1, len), [noises(2, len), noises(3, len), noises(4, len)]);
    let (weights, errors) = ([0.3, -0.2, 0.7], [0.01, 0.02, -0.03]);
    let tolerance = Tolerance {
        absolute: 1e-3,
        relative: 1e-2,
    };
    let expected: Vec<f64> = (0..len)
        .map(|j| y[j] + (0..3).map(|i| weights[i] * slopes[i][j]).sum::<f64>())
        .collect();
    let wanted: f64 = (0..len)
        .map(|j| {
            let error: f64 = (0..3).map(|i| errors[i] * slopes[i][j]).sum();
            (error / (1e-3 + 1e-2 * y[j].abs().max(expected[j].abs()))).powi(2)
        })
        .sum();
    let stages: Vec<_> = (0..3)
        .map(|i| Stage {
            weight: weights[i],
            error_weight: errors[i],
            slope: &slopes[i],
        })
        .collect();
    let terms: Vec<_> = (0..3).map(|i| (weights[i], slopes[i].as_slice())).collect();
    for level in SimdLevel::available() {
        let (mut next, mut plain) = (vec![0.0; len], vec![0.0; len]);
        let got = combine_with_error(level, &y, &stages, tolerance, &mut next).unwrap();
        combine(level, &y, &terms, &mut plain).unwrap();
        assert!((got - wanted).abs() < 1e-12 * wanted, "{level}: {got} and {wanted}");
        assert_eq!(next, plain, "{level}: both make the same step");
        assert!(
            next.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-15),
            "{level}"
        );
    }
}

#[test]
fn a_nan_in_any_operand_shows_in_the_error() {
    let tolerance = Tolerance {
        absolute: 1.0,
        relative: 1.0,
    };
    for level in SimdLevel::available() {
        for (y, k) in [(f32::NAN, 1.0), (1.0, f32::NAN)] {
            let (y, k, mut next) = ([0.0, y, 0.0], [1.0, k, 1.0], [0.0; 3]);
            let stage = Stage {
                weight: 0.1,
                error_weight: 0.0,
                slope: &k,
            };
            assert!(
                combine_with_error(level, &y, &[stage], tolerance, &mut next)
                    .unwrap()
                    .is_nan()
            );
        }
    }
}

#[test]
fn lengths_are_checked() {
    let refusal = combine(SimdLevel::detect(), &[1.0f64; 2], &[(1.0, &[1.0][..])], &mut [0.0; 2]);
    assert!(matches!(
        refusal,
        Err(KernelError::Length {
            given: 1,
            expected: 2,
            ..
        })
    ));
}
