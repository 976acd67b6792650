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
mod measure;

use ffjord_kernels::simd::SimdLevel;
use function::Measured;
use measure::{double_errors, double_inputs, single_errors, single_inputs};

/// Between bit patterns of the single-precision sweep.
const STRIDE: usize = 257;

/// Double-precision numbers of each kind.
const DOUBLES: u64 = 150_000;

fn main() {
    let levels: Vec<SimdLevel> = SimdLevel::available().collect();
    let heads = levels
        .iter()
        .flat_map(|level| [format!("`f32` {level}"), format!("`f64` {level}")]);
    println!("| function | {} |", heads.collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---|".repeat(2 * levels.len()));
    let (singles, doubles) = (single_inputs(STRIDE), double_inputs(DOUBLES));
    for measured in Measured::ALL {
        let single = single_errors(measured, &levels, &singles);
        let double = double_errors(measured, &levels, &doubles);
        let cells = single
            .iter()
            .zip(&double)
            .map(|(single, double)| format!("{single:.2} | {double:.2}"));
        println!("| {} | {} |", measured.name(), cells.collect::<Vec<_>>().join(" | "));
    }
    println!(
        "\n{} numbers in single, {} in double precision.",
        singles.len(),
        doubles.len()
    );
}
