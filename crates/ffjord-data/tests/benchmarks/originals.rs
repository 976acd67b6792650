//! Small files in the originals' formats.

use std::{fs, path::Path};

use tempfile::TempDir;

pub fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, contents) in files {
        fs::write(folder.path().join(name), contents).unwrap();
    }
    folder
}

/// Writes arrays of 20, 7 and 13 rows, all with the beginning of the values that are returned.
pub fn small_bsds300(path: &Path) -> Vec<f32> {
    let values: Vec<f32> = (0..63 * 40).map(|index| (index as f32 * 0.37).sin()).collect();
    let mut builder = hdf5_pure::FileBuilder::new();
    for (name, rows) in [("train", 20), ("validation", 7), ("test", 13)] {
        let doubles: Vec<f64> = values[..rows * 63].iter().map(|value| f64::from(*value)).collect();
        builder
            .create_dataset(name)
            .with_f64_data(&doubles)
            .with_shape(&[rows as u64, 63]);
    }
    builder.write(path).unwrap();
    values
}
