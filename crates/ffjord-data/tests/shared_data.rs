//! The publishers' own files, where they lie beside the repository, load through the same code.

use std::path::PathBuf;

use ffjord_data::table::{self, LoadOptions};

/// A file of the folder `shared/data` next to the repository, or nothing, said aloud.
fn shared(file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

#[test]
fn miniboone_arrays_have_the_published_shapes() {
    for (file, rows) in [("val.npy", 3_284), ("test.npy", 3_648), ("train_head.npy", 1_523)] {
        let Some(path) = shared(&format!("miniboone_partial/{file}")) else {
            continue;
        };
        let table = table::load(path, &LoadOptions::default()).unwrap().values;
        assert_eq!((table.rows(), table.columns()), (rows, 43));
        // Standardised by their publisher.
        assert!(table.column_means().iter().all(|mean| mean.abs() < 0.2));
        assert!(table.column_stds().iter().all(|std| (0.7..1.5).contains(std)));
    }
}

#[cfg(feature = "power")]
#[test]
fn the_original_text_of_power_holds_the_embedded_integers() {
    use ffjord_data::power::{self, PowerDataset};

    let Some(path) = shared("power/household_power_consumption.txt.gz") else {
        return;
    };
    let original = PowerDataset::open(path).measurements().unwrap();
    assert_eq!(original.len(), power::ROWS);
    assert!(original == PowerDataset::embedded().measurements().unwrap());
}
