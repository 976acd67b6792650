//! Numbers over the whole range, and the largest error of a function on them in units in the last place.

use super::double_double::DoubleDouble;
use super::function::Measured;
use ffjord_kernels::simd::SimdLevel;

/// Every finite single-precision number whose bit pattern is a multiple of `stride`.
///
/// A prime makes all low bits occur.
pub fn single_inputs(stride: usize) -> Vec<f32> {
    let sweep = (0..=u32::MAX).step_by(stride).map(f32::from_bits);
    sweep.filter(|x| x.is_finite()).collect()
}

/// `count` double-precision numbers of all exponents in turn, with random mantissas, as many random ones within ±40,
/// and the subnormal powers of two.
pub fn double_inputs(count: u64) -> Vec<f64> {
    const EXPONENTS: u64 = 2047;
    const OTHER_BITS: u64 = !(0x7ff << 52);
    let mut state = 0;
    let mut inputs: Vec<f64> = (0..52).map(|bit| f64::from_bits(1 << bit)).collect();
    for index in 0..count {
        let bits = split_mix(&mut state);
        inputs.push(f64::from_bits(bits & OTHER_BITS | (index % EXPONENTS) << 52));
        inputs.push(80.0 * ((bits >> 11) as f64 * 2f64.powi(-53) - 0.5));
    }
    inputs
}

/// The next number of the SplitMix64 generator (Steele, Lea & Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The largest error in single precision for each of the levels.
pub fn single_errors(measured: Measured, levels: &[SimdLevel], x: &[f32]) -> Vec<f64> {
    let wanted: Vec<f64> = x.iter().map(|&x| measured.in_double(f64::from(x))).collect();
    let worst = levels.iter().map(|&level| {
        let got = measured.by_kernel(level, x);
        largest(got.iter().zip(&wanted).map(|(&got, &wanted)| single_error(got, wanted)))
    });
    worst.collect()
}

/// The largest error in double precision for each of the levels.
pub fn double_errors(measured: Measured, levels: &[SimdLevel], x: &[f64]) -> Vec<f64> {
    let wanted: Vec<_> = x.iter().map(|&x| measured.exact(x)).collect();
    let worst = levels.iter().map(|&level| {
        let got = measured.by_kernel(level, x);
        largest(got.iter().zip(&wanted).map(|(&got, &wanted)| double_error(got, wanted)))
    });
    worst.collect()
}

/// The largest error, NaN if there is one.
fn largest(errors: impl Iterator<Item = f64>) -> f64 {
    errors.fold(
        0.0,
        |worst, error| if error > worst || error.is_nan() { error } else { worst },
    )
}

/// The exponent of a number's binade, not below that of the smallest normal number.
fn binade(x: f64, least: i32) -> i32 {
    let biased = (x.to_bits() >> 52 & 0x7ff) as i32;
    if biased == 0 { least } else { (biased - 1023).max(least) }
}

/// Units in the last place between a single-precision number and a double-precision one.
pub fn single_error(got: f32, wanted: f64) -> f64 {
    if got.is_infinite() && got == wanted as f32 {
        return 0.0;
    }
    (f64::from(got) - wanted).abs() * 2f64.powi(23 - binade(wanted, -126))
}

/// Units in the last place between a number and m · 2ᵏ; both are scaled up where they are subnormal.
fn double_error(got: f64, (wanted, exponent): (DoubleDouble, i32)) -> f64 {
    let up = |x: f64| x * 2f64.powi(-exponent / 2) * 2f64.powi(-exponent - -exponent / 2);
    let difference = (DoubleDouble::from(up(got)) - wanted).high.abs();
    let last_place = (binade(wanted.high, -1022) + exponent).max(-1022) - 52 - exponent;
    difference * 2f64.powi(-last_place / 2) * 2f64.powi(-last_place - -last_place / 2)
}
