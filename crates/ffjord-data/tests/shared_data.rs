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

#[test]
fn the_reduced_miniboone_and_our_bsds300_prepare_by_name() {
    use ffjord_data::{Benchmark, Matrix, manifest::ManifestError};

    if let Some(folder) = shared("miniboone_partial") {
        let splits = Benchmark::MinibooneReduced.prepare(folder).unwrap().splits;
        let manifest = Benchmark::MinibooneReduced.manifest().unwrap();
        manifest.prepared.check("miniboone-reduced", &splits).unwrap();
    }
    if let Some(path) = shared("bsds300_small/BSDS300.hdf5") {
        let splits = Benchmark::Bsds300.prepare(path).unwrap().splits;
        let rows = [&splits.train, &splits.validation, &splits.test].map(Matrix::rows);
        assert_eq!(rows, [60_000, 5_000, 20_000]);
        assert_eq!(splits.train.columns(), 63);
        // The mean of a patch was removed before its last pixel was dropped.
        assert!(splits.train.column_means().iter().all(|mean| mean.abs() < 0.01));
        let check = Benchmark::Bsds300
            .manifest()
            .unwrap()
            .prepared
            .check("bsds300", &splits);
        assert!(matches!(check, Err(ManifestError::Prepared { given: 60_000.0, .. })));
    }
}

#[test]
fn the_sets_of_variational_autoencoders_have_the_published_splits() {
    use ffjord_data::ImageSet;

    for (set, folder, counts) in [
        (ImageSet::BinarizedMnist, "binarized_mnist", [50_000, 10_000, 10_000]),
        (ImageSet::FreyFaces, "frey_faces", [1_565, 200, 200]),
        (
            ImageSet::Caltech101Silhouettes,
            "caltech101_silhouettes",
            [4_100, 2_264, 2_307],
        ),
    ] {
        let Some(path) = shared(folder) else { continue };
        let splits = set.load(Some(&path)).unwrap();
        assert_eq!(
            [&splits.train, &splits.validation, &splits.test].map(ffjord_data::Images::len),
            counts
        );
    }
    let (Some(pickle), Some(matlab)) = (
        shared("frey_faces/freyfaces.pkl"),
        shared("frey_faces/frey_rawface.mat"),
    ) else {
        return;
    };
    for seed in [123, 321] {
        let of = |path| ImageSet::FreyFaces.find(Some(path), seed).unwrap().splits.test;
        assert_eq!(of(pickle.as_path()), of(matlab.as_path()));
    }
    let Some(substitute) = shared("omniglot_substitute") else {
        return;
    };
    let found = ImageSet::Omniglot.find(Some(&substitute), 123).unwrap();
    let splits = &found.splits;
    let counts = [&splits.train, &splits.validation, &splits.test].map(ffjord_data::Images::len);
    assert_eq!(counts, [23_000, 1_345, 8_115]);
    assert_eq!((splits.train.levels(), splits.test.levels()), (256, 2));
    assert!(found.difference.unwrap().contains("number of test images is 8115"));
}
