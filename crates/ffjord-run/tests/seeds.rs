//! Every reader of files with the seeds of the fuzz targets, and with cut and damaged copies of them.

#[path = "../../../fuzz/bodies.rs"]
mod bodies;

use std::path::Path;

/// At most so many copies of a seed are cut, and as many damaged.
const COPIES: usize = 60;

/// The names of the files in a folder, in order.
fn listed(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn no_file_ends_the_program() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    for (name, body) in bodies::ALL {
        let files = listed(&seeds.join(name));
        assert!(!files.is_empty(), "{name} has no seeds");
        for file in files {
            let whole = std::fs::read(&file).unwrap();
            body(&whole);
            let step = whole.len().div_ceil(COPIES).max(1);
            for place in (0..whole.len()).step_by(step) {
                body(&whole[..place]);
                let mut damaged = whole.clone();
                damaged[place] ^= 1 << (place % 8);
                body(&damaged);
            }
        }
    }
}

#[test]
fn every_reader_has_a_target() {
    let targets = listed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets"));
    let stem = |path: &std::path::PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let names: Vec<String> = targets.iter().map(stem).collect();
    let mut expected: Vec<&str> = bodies::ALL.iter().map(|(name, _)| *name).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
}
