//! The manifest of the packed file.

use super::{COLUMNS, Measurement, PowerDataset, prepare};
use crate::{
    DataError, Dataset, Matrix,
    manifest::{ColumnRecord, FileRecord, Licence, Manifest, PreparedRecord},
};

const UNITS: [(&str, f64); 6] = [
    ("kW", 0.001),
    ("V", 0.01),
    ("Wh", 1.0),
    ("Wh", 1.0),
    ("Wh", 1.0),
    ("min", 1.0),
];

/// The manifest of `packed`, a file named `file_name` that [`encode`](super::encode) made from `measurements`.
///
/// # Errors
/// Those of [`prepare`], whose row counts and moments are part of it.
pub fn describe(measurements: &[Measurement], file_name: &str, packed: &[u8]) -> Result<Manifest, DataError> {
    let values: Vec<[f64; 6]> = measurements.iter().map(Measurement::values).collect();
    let table = Matrix::from_rows(&values);
    let (means, stds) = (table.column_means(), table.column_stds());
    let columns = (0..COLUMNS.len())
        .map(|column| {
            let (unit, step) = UNITS[column];
            let entries = || values.iter().map(|row| row[column]);
            ColumnRecord {
                name: COLUMNS[column].to_owned(),
                unit: unit.to_owned(),
                step,
                minimum: entries().fold(f64::INFINITY, f64::min),
                maximum: entries().fold(f64::NEG_INFINITY, f64::max),
                mean: means[column],
                std: stds[column],
            }
        })
        .collect();
    let prepared = prepare(measurements)?;
    let dataset = PowerDataset::from_bytes(Vec::new());
    Ok(Manifest {
        name: dataset.name().to_owned(),
        title: "Individual household electric power consumption".to_owned(),
        citation: dataset.citation().to_owned(),
        licence: Licence {
            name: dataset.licence().to_owned(),
            url: "https://creativecommons.org/licenses/by/4.0/".to_owned(),
        },
        source: "https://doi.org/10.24432/C58K54".to_owned(),
        changes:
            "Rows with a missing value were dropped. Of the nine columns, date, reactive power and intensity were \
                  dropped and the time became the minute of the day. The remaining numbers are the original's, stored \
                  as integers and compressed. The text they were read from had been rebuilt from a copy whose gaps \
                  were filled with values of the day before; one or two of the 25,979 missing rows could be misplaced."
                .to_owned(),
        made_by: "cargo run --release -p ffjord-data --example embed_power -- household_power_consumption.txt \
                  datasets/power"
            .to_owned(),
        file: FileRecord::of(file_name, packed),
        rows: measurements.len() as u64,
        columns,
        prepared: PreparedRecord {
            train_rows: prepared.splits.train.rows() as u64,
            validation_rows: prepared.splits.validation.rows() as u64,
            test_rows: prepared.splits.test.rows() as u64,
            means: prepared.standardizer.means().to_vec(),
            stds: prepared.standardizer.stds().to_vec(),
        },
    })
}
