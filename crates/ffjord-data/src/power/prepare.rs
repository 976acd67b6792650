//! The published preprocessing: shuffle, dequantise, split, standardise.

use super::{COLUMNS, Measurement};
use crate::{ConstantColumns, DataError, Matrix, Prepared, SplitRule, numpy::LegacyGenerator};

const SEED: u32 = 42;
/// Widths of the uniform noise, the resolution of each variable in its unit.
const VOLTAGE_STEP: f64 = 0.01;
const ACTIVE_POWER_STEP: f64 = 0.001;
const SUB_METERING_STEP: f64 = 1.0;

/// Makes the split of Papamakarios et al. (2017) from measurements in the order of the original file.
///
/// numpy's legacy generator with seed 42 shuffles the rows and then draws uniform noise of one resolution step for
/// voltage, active power and the sub-meterings (the minute gets none), each as one array over all rows. The last tenth
/// is test, the last tenth of the rest validation; all are standardised by train + validation. With all
/// [`ROWS`](super::ROWS) rows this is the published split, row for row.
///
/// # Errors
/// [`DataError::NoTrainingRows`] and [`DataError::ConstantColumn`] for too few or too uniform rows.
///
/// ```
/// use ffjord_data::power::{Measurement, prepare};
///
/// let rows: Vec<_> = (0..1440).map(|minute_of_day| Measurement { minute_of_day, ..Measurement::default() }).collect();
/// let prepared = prepare(&rows)?;
/// assert_eq!(prepared.splits.test.rows(), 144);
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
pub fn prepare(measurements: &[Measurement]) -> Result<Prepared, DataError> {
    let table = dequantised(measurements);
    crate::prepare(
        &table,
        Some(&COLUMNS.map(str::to_owned)),
        &SplitRule::default(),
        ConstantColumns::Reject,
    )
}

/// The shuffled rows with noise, `[N, 6]`.
fn dequantised(measurements: &[Measurement]) -> Matrix<f64> {
    let mut generator = LegacyGenerator::new(SEED);
    let mut rows = measurements.to_vec();
    generator.shuffle(&mut rows);
    let mut values: Vec<[f64; 6]> = rows.iter().map(Measurement::values).collect();
    drop(rows);
    // One pass for each array of noise, in the order in which the original draws them.
    for [_, voltage, ..] in &mut values {
        *voltage += VOLTAGE_STEP * generator.random_sample();
    }
    for [active_power, ..] in &mut values {
        *active_power += ACTIVE_POWER_STEP * generator.random_sample();
    }
    for [_, _, sub_metering @ .., _] in &mut values {
        for energy in sub_metering {
            *energy += SUB_METERING_STEP * generator.random_sample();
        }
    }
    Matrix::from_parts(COLUMNS.len(), values.into_flattened())
}
