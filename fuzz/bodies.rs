//! What every fuzz target does with its bytes: a reader may refuse them, but neither end the program nor take memory for
//! what is not there.
//!
//! The targets under `fuzz_targets/` call these functions, and so does a test of `ffjord-run` with the files under
//! `seeds/`.

use ffjord_data::image::{ImageRows, read_images};
use ffjord_data::table::{self, LoadOptions, Table};
use ffjord_data::{Benchmark, ImageSet, diagnose};
use std::path::Path;

/// A reader and its name, which is also that of its folder of seeds.
pub type Body = (&'static str, fn(&[u8]));

/// All readers.
pub const ALL: &[Body] = &[
    ("csv", csv),
    ("npy", npy),
    ("npz", npz),
    ("parquet", parquet),
    ("arrow", arrow),
    ("pth", pth),
    ("safetensors", safetensors),
    ("hdf5", hdf5),
    ("amat", amat),
    ("mat", mat),
    ("faces", faces),
    ("idx", idx),
    ("picture", picture),
    ("image_array", image_array),
    ("config", config),
    ("data_summary", data_summary),
    ("metrics", metrics),
];

/// Calls `read` with a file of this name that holds `bytes`.
fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("it can be written to");
    read(&path);
}

/// Reads a table strictly and with bad rows kept, and examines what came of it.
fn table(name: &str, bytes: &[u8]) {
    with_file(name, bytes, |path| {
        let strict = table::load(path, &LoadOptions::default());
        let options = LoadOptions {
            keep_non_finite: true,
            ..LoadOptions::default()
        };
        let kept = table::load(path, &options);
        if let Ok(Table { values, names, .. }) = &strict {
            assert!(values.as_slice().iter().all(|value| value.is_finite()));
            assert!(names.as_ref().is_none_or(|names| names.len() == values.columns()));
            let names = names.clone().unwrap_or_default();
            for finding in diagnose(values, values.rows(), None) {
                finding.describe(&names);
            }
            assert_eq!(kept.expect("what is good is good either way").values, *values);
        } else if let Ok(table) = kept {
            assert!(!table.bad.is_empty());
            table.describe();
        }
    });
}

/// Text tables.
pub fn csv(bytes: &[u8]) {
    table("a.csv", bytes);
}

/// numpy's arrays.
pub fn npy(bytes: &[u8]) {
    table("a.npy", bytes);
}

/// Archives of numpy's arrays.
pub fn npz(bytes: &[u8]) {
    table("a.npz", bytes);
}

/// Parquet, where the crates are built with it; else such a file is refused by its name.
pub fn parquet(bytes: &[u8]) {
    table("a.parquet", bytes);
}

/// Files of Arrow, as Parquet.
pub fn arrow(bytes: &[u8]) {
    table("a.arrow", bytes);
}

/// Checkpoints of the original implementation, zip archives and streams of pickles.
pub fn pth(bytes: &[u8]) {
    with_file("a.pth", bytes, |path| drop(ffjord_run::load_original(path)));
}

/// Weights.
pub fn safetensors(bytes: &[u8]) {
    with_file("a.safetensors", bytes, |path| drop(ffjord_train::load_tensors(path)));
}

/// The file of BSDS300.
pub fn hdf5(bytes: &[u8]) {
    with_file("BSDS300.hdf5", bytes, |path| drop(Benchmark::Bsds300.prepare(path)));
}

/// Reads a set of images from a file of this name.
fn images(set: ImageSet, name: &str, bytes: &[u8]) {
    with_file(name, bytes, |path| drop(set.find(Some(path), 0)));
}

/// The texts of binary digits; all three are needed.
pub fn amat(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    for split in ["train", "valid", "test"] {
        let path = folder.path().join(format!("binarized_mnist_{split}.amat"));
        std::fs::write(path, bytes).expect("it can be written to");
    }
    drop(ImageSet::BinarizedMnist.find(Some(folder.path()), 0));
}

/// MATLAB files, whose arrays different sets want in different ways.
pub fn mat(bytes: &[u8]) {
    images(ImageSet::Omniglot, "chardata.mat", bytes);
    images(ImageSet::FreyFaces, "frey_rawface.mat", bytes);
    images(
        ImageSet::Caltech101Silhouettes,
        "caltech101_silhouettes_28_split1.mat",
        bytes,
    );
}

/// The pickle of the Frey Faces.
pub fn faces(bytes: &[u8]) {
    images(ImageSet::FreyFaces, "freyfaces.pkl", bytes);
}

/// Reads pictures for a flow of images of this shape and so many levels.
fn pictures(path: &Path) {
    for levels in [2, 256] {
        if let Ok(ImageRows::Dequantised(rows)) = read_images(path, [1, 2, 2], levels) {
            assert!(rows.as_slice().iter().all(|value| (0.0..=1.0).contains(value)));
        }
    }
}

/// The files of MNIST.
pub fn idx(bytes: &[u8]) {
    with_file("images.idx", bytes, pictures);
}

/// PNG and JPEG pictures, told apart by what they begin with.
pub fn picture(bytes: &[u8]) {
    for name in ["a.png", "a.jpg"] {
        with_file(name, bytes, |path| {
            pictures(path.parent().expect("a file lies in a folder"))
        });
    }
}

/// numpy's arrays as images.
pub fn image_array(bytes: &[u8]) {
    with_file("images.npy", bytes, pictures);
}

/// The configuration of a run folder.
pub fn config(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(ffjord_run::config::resolve_stored(text, "fuzz"));
    }
}

/// What a run folder says of its data.
pub fn data_summary(bytes: &[u8]) {
    if let Ok(summary) = serde_json::from_slice::<ffjord_run::DataSummary>(bytes) {
        drop(summary.standardizer());
    }
}

/// The metrics of a run folder.
pub fn metrics(bytes: &[u8]) {
    with_file("metrics.jsonl", bytes, |path| drop(ffjord_train::read_metrics(path)));
}
