//! Manifests, prepared data in a cache, and archives.

use std::{fs, path::Path};

use ffjord_data::{
    Benchmark, BenchmarkError, DataError,
    benchmark::store,
    manifest::{Manifest, ManifestError},
    table::NpyError,
};

use crate::originals::folder_with;
use crate::texts::miniboone_text;

#[test]
fn prepared_data_survive_and_damage_is_found() {
    let folder = folder_with(&[("MiniBooNE_PID.txt", &miniboone_text(500, 0))]);
    let cache = folder.path().join("cache");
    let prepared = Benchmark::Miniboone.prepare(folder.path()).unwrap();
    for _ in 0..2 {
        store::save(&cache, Benchmark::Miniboone, &prepared, Vec::new(), None).unwrap();
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
    }
    let place = cache.join("miniboone");
    assert_eq!(Benchmark::Miniboone.prepare(&place).unwrap(), prepared);
    // They are not the published rows.
    assert!(matches!(
        store::verify(&place, Benchmark::Miniboone),
        Err(DataError::Manifest(ManifestError::Prepared { expected: 43.0, .. }))
    ));
    assert!(store::import(Benchmark::Miniboone, folder.path(), &cache, None).is_err());
    assert!(store::load(&place, Benchmark::Gas).is_err());
    let array = place.join("test.npy");
    let mut bytes = fs::read(&array).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&array, &bytes).unwrap();
    assert!(matches!(
        store::verify(&place, Benchmark::Miniboone),
        Err(DataError::Manifest(ManifestError::Mismatch { .. }))
    ));
    fs::write(place.join("prepared.json"), "{}").unwrap();
    let error = Benchmark::Miniboone.prepare(&place).unwrap_err();
    assert!(error.to_string().contains("import miniboone again"), "{error}");
}

#[test]
fn rows_of_ones_own_are_kept_under_a_label() {
    let folder = folder_with(&[("MiniBooNE_PID.txt", &miniboone_text(500, 0))]);
    let cache = folder.path().join("cache");
    let import = |label| store::import(Benchmark::Miniboone, folder.path(), &cache, label);
    assert_eq!(import(Some("own draw")).unwrap().label.as_deref(), Some("own draw"));
    let place = cache.join("miniboone");
    let verified = store::verify(&place, Benchmark::Miniboone).unwrap();
    assert_eq!(verified.label.as_deref(), Some("own draw"));
    // Another label may replace it; data without one are not replaced.
    assert_eq!(import(Some("another")).unwrap().label.as_deref(), Some("another"));
    let prepared = Benchmark::Miniboone.prepare(&place).unwrap();
    store::save(&cache, Benchmark::Miniboone, &prepared, Vec::new(), None).unwrap();
    assert!(matches!(
        import(Some("own draw")),
        Err(DataError::Benchmark(BenchmarkError::Labelled { .. }))
    ));
}

#[test]
fn manifests_agree_with_the_published_table() {
    let published = [
        ("power", 1_659_917, 184_435, 204_928, 6),
        ("gas", 852_174, 94_685, 105_206, 8),
        ("hepmass", 315_123, 35_013, 174_987, 21),
        ("miniboone", 29_556, 3_284, 3_648, 43),
        ("miniboone-reduced", 4_327, 480, 3_648, 43),
        ("bsds300", 1_000_000, 50_000, 250_000, 63),
    ];
    for (name, train, validation, test, dimension) in published {
        let benchmark: Benchmark = name.parse().unwrap();
        let manifest = benchmark.manifest().unwrap();
        let prepared = &manifest.prepared;
        assert_eq!(manifest.name, name);
        assert_eq!(
            (
                prepared.train_rows,
                prepared.validation_rows,
                prepared.test_rows,
                prepared.dimension
            ),
            (train, validation, test, dimension)
        );
        assert_eq!(manifest.rows, train + validation + test);
        assert!(!manifest.originals.is_empty());
        assert_eq!(Manifest::from_json(&manifest.to_json().unwrap()).unwrap(), manifest);
    }
}

#[test]
fn archives_are_unpacked_for_what_is_needed() {
    let folder = folder_with(&[]);
    let archive = folder.path().join("data.tar.gz");
    let gzip = flate2::write::GzEncoder::new(fs::File::create(&archive).unwrap(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(gzip);
    let mut add = |name: &str, contents: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, contents).unwrap();
    };
    add("data/miniboone/data.npy", b"\x93NUMPY\x01\x00");
    add("data/power/data.npy", b"not read");
    add("data/gas/ethylene_CO.pickle", b"\x80\x02");
    builder.into_inner().unwrap().finish().unwrap();
    let cache = folder.path().join("cache");
    let import = |benchmark, archive: &Path| store::import(benchmark, archive, &cache, None).unwrap_err();
    assert!(matches!(
        import(Benchmark::Miniboone, &archive),
        DataError::Npy {
            error: NpyError::Header(_),
            ..
        }
    ));
    assert!(import(Benchmark::Gas, &archive).to_string().contains("read_pickle"));
    assert!(
        import(Benchmark::Hepmass, &archive)
            .to_string()
            .contains("1000_train.csv")
    );
    let direct = Benchmark::Gas.prepare(&archive).unwrap_err();
    assert!(matches!(direct, DataError::Benchmark(BenchmarkError::Packed { .. })));
    let bytes = fs::read(&archive).unwrap();
    fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(
        import(Benchmark::Hepmass, &archive),
        DataError::Benchmark(BenchmarkError::Unpack { .. } | BenchmarkError::NotFound { .. })
    ));
    // Nothing is left behind.
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
}
