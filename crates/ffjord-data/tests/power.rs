//! The embedded POWER data is complete and becomes the published split, row for row.
#![cfg(feature = "power")]

use ffjord_data::{
    Dataset, Matrix,
    manifest::Manifest,
    numpy::LegacyGenerator,
    power::{self, PowerDataset},
};

const MANIFEST: &str = include_str!("../datasets/power/manifest.json");
const PACKED: &[u8] = include_bytes!("../datasets/power/power.bin");

fn assert_all_close<T: Copy + Into<f64>>(values: &[T], expected: &[f64], tolerance: f64) {
    assert_eq!(values.len(), expected.len());
    for (value, expected) in values.iter().zip(expected) {
        let value: f64 = (*value).into();
        assert!(
            (value - expected).abs() <= tolerance,
            "{value} is not {expected} ± {tolerance}"
        );
    }
}

#[test]
fn numpys_generator_draws_the_published_permutation_and_noise() {
    let mut generator = LegacyGenerator::new(42);
    let mut order: Vec<u32> = (0..power::ROWS as u32).collect();
    generator.shuffle(&mut order);
    assert_eq!(
        order[..8],
        [
            1_026_581, 1_815, 1_291_834, 202_937, 1_044_824, 266_898, 1_387_932, 731_982
        ]
    );
    let mut uniforms = |count: usize| (0..count).map(|_| generator.random_sample()).collect::<Vec<_>>();
    let voltage = uniforms(power::ROWS);
    assert_all_close(&[0.01 * voltage[0], 0.01 * voltage[1]], &[0.00760364, 0.00924917], 5e-9);
    let active_power = uniforms(power::ROWS);
    assert_all_close(
        &[0.001 * active_power[0], 0.001 * active_power[1]],
        &[0.00078631, 0.00027263],
        5e-9,
    );
    assert_all_close(&uniforms(3), &[0.91868426, 0.62493484, 0.34143236], 5e-9);
}

#[test]
fn the_split_is_the_published_one() {
    let dataset = PowerDataset::embedded();
    let prepared = dataset.prepare().unwrap();
    let means = [
        1.09168205,
        240.84478585,
        1.62038642,
        1.79879116,
        6.95573764,
        719.62572383,
    ];
    let stds = [1.05699674, 3.23958668, 6.15359155, 5.82991955, 8.4410717, 415.89381048];
    assert_all_close(prepared.standardizer.means(), &means, 6e-9);
    assert_all_close(prepared.standardizer.stds(), &stds, 6e-9);

    let splits = &prepared.splits;
    let parts = [&splits.train, &splits.validation, &splits.test];
    assert_eq!(parts.map(Matrix::rows), [1_659_917, 184_435, 204_928]);
    assert_eq!(parts.map(Matrix::columns), [dataset.dimension(); 3]);
    // Printed to eight decimals and held in single precision.
    let first_train = [
        0.38893617,
        -0.20594671,
        -0.11403132,
        -0.20135035,
        1.34884469,
        -0.32610662,
    ];
    let first_test = [
        -0.71813667,
        -0.18485265,
        -0.11447967,
        -0.10243952,
        -0.71584878,
        -1.5692124,
    ];
    assert_all_close(splits.train.row(0), &first_train, 1.2e-7);
    assert_all_close(splits.test.row(0), &first_test, 1.2e-7);
    let test_means = [0.00409826, 0.00021755, 0.00261779, -0.0005027, 0.0032619, 0.00262292];
    assert_all_close(&splits.test.column_means(), &test_means, 1e-8);
}

#[test]
fn the_manifest_describes_the_file() {
    let manifest = Manifest::from_json(MANIFEST).unwrap();
    let file = manifest.file.as_ref().unwrap();
    file.verify(PACKED).unwrap();
    assert!(file.verify(&PACKED[1..]).is_err());
    let measurements = power::decode(PACKED).unwrap();
    assert_eq!(measurements.len(), power::ROWS);
    let again = power::describe(&measurements, &file.name, PACKED).unwrap();
    assert_eq!(again, manifest);
    assert_eq!(again.to_json().unwrap(), MANIFEST);
}

#[test]
fn an_incomplete_or_damaged_file_is_not_taken_for_the_published_data() {
    let mut measurements = power::decode(PACKED).unwrap();
    measurements.truncate(1000);
    let short = PowerDataset::from_bytes(power::encode(&measurements).unwrap());
    assert_eq!(short.measurements().unwrap(), measurements);
    assert!(short.load().unwrap_err().to_string().contains("1000 complete rows"));
    let truncated = PowerDataset::from_bytes(&PACKED[..PACKED.len() - 1]);
    assert!(truncated.load().unwrap_err().to_string().contains("corrupt"));
}
