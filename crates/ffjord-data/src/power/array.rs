//! The array of the preprocessed archive: the complete rows in eight columns, before shuffling and noise.

use std::path::Path;

use super::Measurement;
use crate::{DataError, benchmark::BenchmarkError, table::npy};

/// Active and reactive power, voltage, intensity, three sub-meterings, minute of the day.
const COLUMNS: usize = 8;

/// Reads the archive's `power/data.npy`, one row in memory at a time.
///
/// The numbers must be multiples of the original's resolution within rounding, so nothing is lost.
pub(super) fn read(path: &Path) -> Result<Vec<Measurement>, DataError> {
    let given = npy::columns(path)?;
    if given != COLUMNS {
        return Err(BenchmarkError::Width {
            name: "power",
            path: path.to_owned(),
            given,
            expected: "8, as an array",
        }
        .into());
    }
    let mut measurements = Vec::new();
    npy::for_each_row(path, &mut |row| {
        let measurement = measurement(row).ok_or_else(|| BenchmarkError::NotMeasured {
            path: path.to_owned(),
            row: measurements.len(),
        })?;
        measurements.push(measurement);
        Ok(())
    })?;
    Ok(measurements)
}

fn measurement(row: &[f64]) -> Option<Measurement> {
    let &[active_power, _, voltage, _, kitchen, laundry, heater, minute] = row else {
        return None;
    };
    let sub_metering = |value| u8::try_from(whole(value, 1.0)?).ok();
    Some(Measurement {
        active_power: whole(active_power, 1000.0)?,
        voltage: whole(voltage, 100.0)?,
        sub_metering: [sub_metering(kitchen)?, sub_metering(laundry)?, sub_metering(heater)?],
        minute_of_day: whole(minute, 1.0).filter(|minute| *minute < 24 * 60)?,
    })
}

/// `value` in units of which there are `scale` in one, if it is a whole number of them.
fn whole(value: f64, scale: f64) -> Option<u16> {
    // Wide enough for numbers that were stored in single precision.
    const ROUNDING: f64 = 0.05;
    let scaled = value * scale;
    let nearest = scaled.round();
    let fits = (scaled - nearest).abs() <= ROUNDING && (0.0..=f64::from(u16::MAX)).contains(&nearest);
    fits.then_some(nearest as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions_are_kept_and_what_is_between_is_refused() {
        let row = [4.216, 0.418, 234.84, 18.4, 0.0, 1.0, 17.0, 1044.0];
        let expected = Measurement {
            active_power: 4216,
            voltage: 23_484,
            sub_metering: [0, 1, 17],
            minute_of_day: 1044,
        };
        assert_eq!(measurement(&row), Some(expected));
        for (column, value) in [
            (0, 4.2165),
            (0, -1.0),
            (2, 234.845),
            (4, 0.5),
            (4, 256.0),
            (7, 1440.0),
            (0, 66.0),
        ] {
            let mut wrong = row;
            wrong[column] = value;
            assert_eq!(measurement(&wrong), None, "column {column}: {value}");
        }
    }
}
