//! The expected numbers come from the published rules written anew with numpy and pandas, applied to the same texts.

use std::fs;

use ffjord_data::{Benchmark, BenchmarkError, DataError, Matrix, Prepared, table::save_npy};
use tempfile::TempDir;

use crate::originals::{folder_with, small_bsds300};
use crate::texts::{gas_text, hepmass_text, miniboone_text};

fn shape(matrix: &Matrix<f32>) -> (usize, usize) {
    (matrix.rows(), matrix.columns())
}

/// First values of the first training row, last values of the last test row, first means of the validation rows.
fn assert_shows(prepared: &Prepared, first: [f64; 6], last: [f64; 6], means: [f64; 6]) {
    let splits = &prepared.splits;
    let test = splits.test.row(splits.test.rows() - 1);
    let given = [
        splits.train.row(0)[..6].iter().map(|value| f64::from(*value)).collect(),
        test[test.len() - 6..].iter().map(|value| f64::from(*value)).collect(),
        splits.validation.column_means()[..6].to_vec(),
    ];
    for (given, expected) in given.iter().zip([first, last, means]) {
        for (value, expected) in given.iter().zip(expected) {
            assert!((value - expected).abs() < 2e-6, "{given:?}: {expected}");
        }
    }
}

#[test]
fn gas_drops_the_first_of_correlated_sensors() {
    let folder = folder_with(&[("ethylene_CO.txt", &gas_text(400))]);
    let prepared = Benchmark::Gas.prepare(folder.path()).unwrap();
    let splits = &prepared.splits;
    assert_eq!(
        [&splits.train, &splits.validation, &splits.test].map(shape),
        [(324, 8), (36, 8), (40, 8)]
    );
    assert_shows(
        &prepared,
        [1.521365, 0.627062, 1.311186, 1.47916, -0.285408, -0.25381],
        [-0.596914, -0.419286, 1.777973, -1.542559, -0.138914, 0.432207],
        [0.058415, 0.113054, 0.098945, 0.208893, 0.000765, -0.097972],
    );
    // The frame as pandas writes it, with and without row numbers, and as an array.
    let rows: Vec<String> = gas_text(400)
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(","))
        .collect();
    let plain = format!("Time,Meth,Eth,{}\n{}\n", ["s"; 16].join(","), rows.join("\n"));
    let numbered: Vec<String> = (0..).zip(&rows).map(|(index, row)| format!("{index},{row}")).collect();
    let numbered = format!(",Time,Meth,Eth,{}\n{}\n", ["s"; 16].join(","), numbered.join("\n"));
    for text in [plain, numbered] {
        let folder = folder_with(&[("ethylene_CO.csv", &text)]);
        assert_eq!(Benchmark::Gas.prepare(folder.path()).unwrap(), prepared);
    }
    let values = rows
        .iter()
        .flat_map(|row| row.split(','))
        .map(|field| field.parse().unwrap());
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ethylene_CO.npy");
    save_npy(&path, &Matrix::<f64>::new(400, 19, values.collect()).unwrap()).unwrap();
    assert_eq!(Benchmark::Gas.prepare(&path).unwrap(), prepared);
}

#[test]
fn hepmass_keeps_signal_and_drops_discrete_features() {
    let files = [
        ("1000_train.csv", &*hepmass_text(600, 3, false)),
        ("1000_test.csv", &*hepmass_text(300, 5, true)),
    ];
    let folder = folder_with(&files);
    let prepared = Benchmark::Hepmass.prepare(folder.path()).unwrap();
    let splits = &prepared.splits;
    assert_eq!(
        [&splits.train, &splits.validation, &splits.test].map(shape),
        [(271, 22), (30, 22), (148, 22)]
    );
    assert_shows(
        &prepared,
        [0.397527, -0.363548, 0.920581, -1.456075, -0.358859, 0.358792],
        [-1.32391, 0.388396, 1.036378, 0.440056, -1.833689, 0.555844],
        [-0.038624, -0.125191, -0.045893, -0.082565, -0.050868, -0.292797],
    );
    fs::remove_file(folder.path().join("1000_test.csv")).unwrap();
    let error = Benchmark::Hepmass.prepare(folder.path()).unwrap_err();
    assert!(error.to_string().contains("1000_test.csv beside it"), "{error}");
}

#[test]
fn miniboone_drops_outliers_before_it_counts() {
    let folder = folder_with(&[("MiniBooNE_PID.txt", &miniboone_text(500, 100))]);
    let prepared = Benchmark::Miniboone.prepare(folder.path()).unwrap();
    let splits = &prepared.splits;
    assert_eq!(
        [&splits.train, &splits.validation, &splits.test].map(shape),
        [(395, 46), (43, 46), (48, 46)]
    );
    assert_shows(
        &prepared,
        [1.025648, -0.162225, -0.617994, -0.665193, 1.218016, 1.6995],
        [-0.399051, -1.665522, 0.593596, 1.623791, 0.949139, 0.018848],
        [0.074607, -0.155706, -0.044125, -0.126436, -0.189195, 0.037946],
    );
}

#[test]
fn bsds300_is_used_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("BSDS300.hdf5");
    let values = small_bsds300(&path);
    let splits = Benchmark::Bsds300.prepare(&path).unwrap().splits;
    assert_eq!(
        [&splits.train, &splits.validation, &splits.test].map(shape),
        [(20, 63), (7, 63), (13, 63)]
    );
    assert_eq!(splits.train.as_slice(), &values[..20 * 63]);
    let mut builder = hdf5_pure::FileBuilder::new();
    builder
        .create_dataset("train")
        .with_f64_data(&[0.0; 62])
        .with_shape(&[1, 62]);
    builder.write(&path).unwrap();
    let error = Benchmark::Bsds300.prepare(&path).unwrap_err();
    assert!(matches!(&error, DataError::Benchmark(BenchmarkError::Array { shape, .. }) if shape == &[1, 62]));
}
