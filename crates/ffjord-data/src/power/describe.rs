//! The manifest of the packed file.

use super::{COLUMNS, Measurement, PowerDataset, prepare};
use crate::{
    DataError, Dataset, Matrix,
    manifest::{
        ColumnRecord, FileRecord, Licence, Manifest, MomentsRecord, Original, PreparedRecord, RemoteFile, StandardRows,
    },
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
/// ```
/// use ffjord_data::power::{Measurement, describe, encode};
/// // Numbers that only look like measurements.
/// let row = |i: u16| Measurement {
///     active_power: 1000 + 7 * i % 1013,
///     voltage: 24000 + 11 * i % 101,
///     sub_metering: [(i % 7) as u8, (i % 5) as u8, (i % 19) as u8],
///     minute_of_day: i % 1440,
/// };
/// let rows: Vec<Measurement> = (0..1000).map(row).collect();
/// let manifest = describe(&rows, "power.bin", &encode(&rows)?)?;
/// assert_eq!((manifest.rows, manifest.prepared.train_rows), (1000, 810));
/// assert_eq!(manifest.columns[5].maximum, 999.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        made_by: Some(
            "cargo run --release -p ffjord-data --example embed_power -- household_power_consumption.txt \
                  crates/ffjord-data/datasets/power"
                .to_owned(),
        ),
        file: Some(FileRecord::of(file_name, packed)),
        rows: measurements.len() as u64,
        columns,
        prepared: PreparedRecord {
            train_rows: prepared.splits.train.rows() as u64,
            validation_rows: prepared.splits.validation.rows() as u64,
            test_rows: prepared.splits.test.rows() as u64,
            dimension: COLUMNS.len() as u64,
            means: prepared.standardizer.means().to_vec(),
            stds: prepared.standardizer.stds().to_vec(),
            standard: StandardRows::TrainAndValidation,
            validation: None,
            test: Some(MomentsRecord::of(&[&prepared.splits.test])),
        },
        originals: originals(),
    })
}

fn originals() -> Vec<Original> {
    let file = |name: &str, urls: &[&str], md5: Option<&str>| RemoteFile {
        name: name.to_owned(),
        urls: urls.iter().map(ToString::to_string).collect(),
        bytes: None,
        sha256: None,
        md5: md5.map(str::to_owned),
    };
    let zip = "individual+household+electric+power+consumption.zip";
    let publisher = format!("https://archive.ics.uci.edu/static/public/235/{zip}");
    let archive = "data.tar.gz";
    let deposits = [
        "https://zenodo.org/records/1161203/files/data.tar.gz",
        "https://zenodo.org/api/records/1161203/files/data.tar.gz/content",
    ];
    vec![
        Original {
            title: "The publisher's file".to_owned(),
            page: "https://doi.org/10.24432/C58K54".to_owned(),
            files: vec![file(zip, &[&publisher], None)],
        },
        Original {
            title: "The preprocessed archive of Papamakarios et al.".to_owned(),
            page: "https://doi.org/10.5281/zenodo.1161203".to_owned(),
            files: vec![file(archive, &deposits, Some("9b9c9b0375315ad270eba4ce80c093ab"))],
        },
    ]
}
