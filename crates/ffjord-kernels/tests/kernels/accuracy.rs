//! Errors of the functions in units in the last place: against exact values over the whole range, and between levels.

#[path = "../../examples/accuracy/double_double.rs"]
mod double_double;
#[path = "../../examples/accuracy/function.rs"]
mod function;
#[path = "../../examples/accuracy/measure.rs"]
mod measure;

use ffjord_kernels::Real;
use ffjord_kernels::elementwise::Function;
use ffjord_kernels::simd::SimdLevel;
use function::Measured;
use proptest::prelude::*;

/// What every function and level must keep to.
const BOUND: f64 = 2.0;

/// Between bit patterns of the single-precision sweep: a prime, sparser than in the example `accuracy`.
const STRIDE: usize = 4093;

/// Double-precision numbers of each kind.
const DOUBLES: u64 = 30_000;

#[test]
fn every_level_is_within_two_units_in_the_last_place_over_the_whole_range() {
    let levels: Vec<SimdLevel> = SimdLevel::available().collect();
    let (singles, doubles) = (measure::single_inputs(STRIDE), measure::double_inputs(DOUBLES));
    for measured in Measured::ALL {
        let single = measure::single_errors(measured, &levels, &singles);
        let double = measure::double_errors(measured, &levels, &doubles);
        for (level, (single, double)) in levels.iter().zip(single.into_iter().zip(double)) {
            let name = measured.name();
            assert!(single <= BOUND, "{level} {name} f32: {single} ulp");
            assert!(double <= BOUND, "{level} {name} f64: {double} ulp");
        }
    }
}

#[test]
fn the_factor_of_swish_costs_no_accuracy() {
    let x: Vec<f32> = measure::single_inputs(STRIDE)
        .into_iter()
        .filter(|x| x.abs() < 1e30)
        .collect();
    for beta in [1.7f32, -0.6, 1e-3] {
        let wanted = x.iter().map(|&x| {
            let x = f64::from(x);
            x / (1.0 + (-f64::from(beta) * x).exp())
        });
        let wanted: Vec<f64> = wanted.collect();
        for level in SimdLevel::available() {
            let mut got = x.clone();
            Function::Swish { beta }.apply(level, &mut got);
            for ((&x, &got), &wanted) in x.iter().zip(&got).zip(&wanted) {
                let error = measure::single_error(got, wanted);
                assert!(error <= BOUND, "{level} swish with β = {beta} at {x}: {error} ulp");
            }
        }
    }
}

/// Values and slopes of all levels are those of the scalar level, to within twice the bound.
///
/// Slopes of tanh are differences from one, and those of swish have a zero: their errors are relative to one.
fn agree<T: Real>(x: &[T], epsilon: f64, least: f64) -> Result<(), TestCaseError> {
    for function in [
        Function::Relu,
        Function::Square,
        Function::Tanh,
        Function::Sigmoid,
        Function::Softplus,
        Function::Elu,
        Function::Swish { beta: 1.25 },
    ] {
        let at = |level| {
            let (mut values, mut slopes) = (x.to_vec(), x.to_vec());
            function.cast::<T>().apply_with_slope(level, &mut values, &mut slopes);
            (values, slopes)
        };
        let (values, slopes) = at(SimdLevel::scalar());
        let absolute = matches!(function, Function::Tanh | Function::Swish { .. });
        for level in SimdLevel::available() {
            let (other_values, other_slopes) = at(level);
            let values = values.iter().zip(&other_values).map(|(&a, &b)| (a, b, least));
            let slopes = slopes
                .iter()
                .zip(&other_slopes)
                .map(|(&a, &b)| (a, b, if absolute { 1.0 } else { least }));
            for (a, b, least) in values.chain(slopes) {
                let (a, b) = (a.to_f64(), b.to_f64());
                let same = a == b || a.is_nan() && b.is_nan();
                let close = (a - b).abs() <= 2.0 * BOUND * epsilon * a.abs().max(least);
                prop_assert!(
                    same || close,
                    "{level} {function:?}: {b} where the scalar level has {a}"
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn levels_agree_in_single_precision(bits in prop::collection::vec(any::<u32>(), 1..70), near in -20f32..20.0) {
        let mut x: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        x.push(near);
        agree(&x, f64::from(f32::EPSILON), f64::from(f32::MIN_POSITIVE))?;
    }

    #[test]
    fn levels_agree_in_double_precision(bits in prop::collection::vec(any::<u64>(), 1..40), near in -50f64..50.0) {
        let mut x: Vec<f64> = bits.into_iter().map(f64::from_bits).collect();
        x.push(near);
        agree(&x, f64::EPSILON, f64::MIN_POSITIVE)?;
    }
}
