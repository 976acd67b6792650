//! Measures the largest error of every function that is built on the exponential, at every level of this machine.
//!
//! Single precision is compared with double over every 257th bit pattern; double precision with 104-bit arithmetic at
//! random numbers of all exponents and densely where the functions bend. Prints a table in Markdown:
//!
//! ```text
//! cargo run --release -p ffjord-kernels --example accuracy
//! ```

mod double_double;
mod function;

use double_double::DoubleDouble;
use ffjord_kernels::simd::SimdLevel;
use function::Measured;

/// Between bit patterns of the single-precision sweep: a prime, so that all low bits occur.
const STRIDE: usize = 257;

/// Double-precision numbers of each kind.
const DOUBLES: u64 = 150_000;

fn single_inputs() -> Vec<f32> {
    let sweep = (0..=u32::MAX).step_by(STRIDE).map(f32::from_bits);
    sweep.filter(|x| x.is_finite()).collect()
}

/// Half with random bit patterns, half within ±40.
fn double_inputs() -> Vec<f64> {
    let mut state = 0u64;
    let mut inputs = Vec::new();
    for _ in 0..DOUBLES {
        let bits = split_mix(&mut state);
        inputs.push(f64::from_bits(bits));
        inputs.push(80.0 * ((bits >> 11) as f64 * 2f64.powi(-53) - 0.5));
    }
    inputs.retain(|x| x.is_finite());
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

/// The exponent of a number's binade, not below that of the smallest normal number.
fn binade(x: f64, least: i32) -> i32 {
    let biased = (x.to_bits() >> 52 & 0x7ff) as i32;
    if biased == 0 { least } else { (biased - 1023).max(least) }
}

/// Units in the last place between a single-precision number and a double-precision one.
fn single_error(got: f32, wanted: f64) -> f64 {
    if got == wanted as f32 && (got.is_infinite() || got == 0.0) {
        return if got.is_infinite() {
            0.0
        } else {
            wanted.abs() * 2f64.powi(149)
        };
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

/// The largest error, NaN if there is one.
fn largest(errors: impl Iterator<Item = f64>) -> f64 {
    errors.fold(
        0.0,
        |worst, error| if error > worst || error.is_nan() { error } else { worst },
    )
}

fn main() {
    let levels: Vec<SimdLevel> = SimdLevel::available().collect();
    let heads = levels
        .iter()
        .flat_map(|level| [format!("`f32` {level}"), format!("`f64` {level}")]);
    println!("| function | {} |", heads.collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---|".repeat(2 * levels.len()));
    let (singles, doubles) = (single_inputs(), double_inputs());
    for measured in Measured::ALL {
        let (mut singles, mut doubles) = (singles.clone(), doubles.clone());
        if measured.needs_normal_exponential() {
            singles.retain(|&x| x > -87.0);
            doubles.retain(|&x| x > -708.0);
        }
        let in_double: Vec<f64> = singles.iter().map(|&x| measured.in_double(f64::from(x))).collect();
        let exact: Vec<_> = doubles.iter().map(|&x| measured.exact(x)).collect();
        let cells = levels.iter().map(|&level| {
            let (single, double) = (measured.by_kernel(level, &singles), measured.by_kernel(level, &doubles));
            let single = largest(
                single
                    .iter()
                    .zip(&in_double)
                    .map(|(&got, &wanted)| single_error(got, wanted)),
            );
            let double = largest(
                double
                    .iter()
                    .zip(&exact)
                    .map(|(&got, &wanted)| double_error(got, wanted)),
            );
            format!("{single:.2} | {double:.2}")
        });
        println!("| {} | {} |", measured.name(), cells.collect::<Vec<_>>().join(" | "));
    }
    println!(
        "\n{} numbers in single, {} in double precision.",
        singles.len(),
        doubles.len()
    );
}
