//! Files in the originals' formats become what the released loaders' rules make of them, and bad files are errors.
//!
//! The expected numbers come from these rules written anew with numpy and pandas, applied to the same generated texts.

use std::{fs, path::Path};

use ffjord_data::{
    Benchmark, BenchmarkError, DataError, Matrix, Prepared,
    benchmark::store,
    manifest::{Manifest, ManifestError},
    table::{NpyError, TextError, save_npy},
};
use proptest::prelude::*;
use tempfile::TempDir;

/// A small generator that is easy to write in another language.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = (self.0 * 1_103_515_245 + 12_345) % (1 << 31);
        (self.0 >> 12) % limit
    }

    fn thousandths(&mut self) -> String {
        let value = self.below(9000) + 1000;
        format!("{}.{:03}", value / 1000, value % 1000)
    }
}

fn gas_text(rows: u64) -> String {
    const COPIES: [(usize, usize); 7] = [(1, 0), (2, 0), (5, 4), (9, 15), (12, 3), (13, 3), (14, 3)];
    let mut numbers = Lcg(1);
    let mut text = "Time (seconds), CO conc (ppm), Ethylene conc (ppm), sensor readings (16 channels)\n".to_owned();
    for row in 0..rows {
        let own: Vec<u64> = (0..16).map(|_| numbers.below(10_000)).collect();
        let mut values = own.clone();
        for (column, source) in COPIES {
            values[column] = own[source] * 2 + own[column] / 100;
        }
        values[6] = values[5] * 3 + own[6] / 100;
        let fields: Vec<String> = values
            .iter()
            .map(|value| format!("{}.{:02}", value / 100, value % 100))
            .collect();
        text += &format!("{}.{:02} {} 0 {}\n", row / 100, row % 100, row % 7, fields.join("  "));
    }
    text
}

fn hepmass_text(events: u64, seed: u64, is_test: bool) -> String {
    let mut numbers = Lcg(seed);
    let names: Vec<String> = (0..27).map(|feature| format!("f{feature}")).collect();
    let mut text = format!("# label,{}{}\n", names.join(","), if is_test { ",mass" } else { "" });
    for event in 0..events {
        let class = numbers.below(2);
        let mut fields: Vec<String> = (0..27).map(|_| numbers.thousandths()).collect();
        for discrete in [3, 8, 13, 26] {
            fields[discrete] = format!("{}.0", numbers.below(3));
        }
        if event % 40 == 0 {
            fields[20] = "0.5".to_owned();
        }
        let last = if is_test { ",1000.0" } else { "" };
        text += &format!("{class}.000e+00,{}{last}\n", fields.join(","));
    }
    text
}

fn miniboone_text(signal: u64, background: u64) -> String {
    let mut numbers = Lcg(7);
    let mut text = format!("  {signal}  {background}\n");
    for event in 0..signal + background {
        let mut fields: Vec<String> = (0..50).map(|_| numbers.thousandths()).collect();
        if event % 37 == 5 {
            fields[0] = "-999.000".to_owned();
        }
        for discrete in [10, 11, 30] {
            fields[discrete] = format!("{}.5", numbers.below(4));
        }
        // The sixth event is an outlier: five, five and six values stay of these.
        for (column, repeated) in [(40, 5), (41, 6), (42, 7)] {
            if event < repeated {
                fields[column] = "0.25".to_owned();
            }
        }
        text += &(fields.join("   ") + "\n");
    }
    text
}

fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, contents) in files {
        fs::write(folder.path().join(name), contents).unwrap();
    }
    folder
}

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
fn what_is_no_original_is_named() {
    let error = |benchmark: Benchmark, name: &str, text: &str| {
        let folder = folder_with(&[(name, text), ("1000_test.csv", "1,2\n")]);
        benchmark.prepare(folder.path()).unwrap_err()
    };
    let nothing = TempDir::new().unwrap();
    for benchmark in Benchmark::ALL {
        let missing = benchmark.prepare(nothing.path()).unwrap_err().to_string();
        assert!(
            missing.contains(&format!("`data fetch {}`", benchmark.name())),
            "{missing}"
        );
        assert!(
            "nothing"
                .parse::<Benchmark>()
                .unwrap_err()
                .to_string()
                .contains(benchmark.name())
        );
    }
    for (name, text) in [
        ("ethylene_CO.txt", "1 2 3\n"),
        ("ethylene_CO.txt", ""),
        ("ethylene_CO.txt", "a b\n"),
    ] {
        let error = error(Benchmark::Gas, name, text);
        assert!(
            matches!(error, DataError::Benchmark(BenchmarkError::Width { .. })),
            "{error}"
        );
    }
    let ragged = gas_text(3) + "1 2 3\n";
    assert!(matches!(
        error(Benchmark::Gas, "ethylene_CO.txt", &ragged),
        DataError::Text {
            error: TextError::Ragged {
                line: 5,
                given: 3,
                expected: 19
            },
            ..
        }
    ));
    let pickle = error(Benchmark::Gas, "ethylene_CO.pickle", "\u{80}\u{2}");
    assert!(pickle.to_string().contains("to_csv"), "{pickle}");
    assert!(matches!(
        error(Benchmark::Hepmass, "1000_train.csv", "# label\n2.0,1\n"),
        DataError::Benchmark(BenchmarkError::Field { line: 2, .. })
    ));
    assert!(matches!(
        error(Benchmark::Hepmass, "1000_train.csv", "1.0,1,nan\n"),
        DataError::Text {
            error: TextError::NotFinite { line: 1, column: 2, .. },
            ..
        }
    ));
    assert!(matches!(
        error(Benchmark::Miniboone, "MiniBooNE_PID.txt", "1.5 2\n"),
        DataError::Benchmark(BenchmarkError::Field { line: 1, .. })
    ));
    let short = miniboone_text(20, 0).replace("  20  0", "  9999999999  0");
    assert!(matches!(
        error(Benchmark::Miniboone, "MiniBooNE_PID.txt", &short),
        DataError::Benchmark(BenchmarkError::Ended {
            given: 20,
            expected: 9_999_999_999,
            ..
        })
    ));
    assert!(matches!(
        error(Benchmark::Bsds300, "BSDS300.hdf5", "no HDF5"),
        DataError::Benchmark(BenchmarkError::Hdf5 { .. })
    ));
    assert!(matches!(
        error(Benchmark::MinibooneReduced, "train_head.npy", "nothing"),
        DataError::Npy {
            error: NpyError::Header(_),
            ..
        }
    ));
}

fn small_bsds300(path: &Path) -> Vec<f32> {
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

#[test]
fn prepared_data_survive_and_damage_is_found() {
    let folder = folder_with(&[("MiniBooNE_PID.txt", &miniboone_text(500, 0))]);
    let cache = folder.path().join("cache");
    let prepared = Benchmark::Miniboone.prepare(folder.path()).unwrap();
    for _ in 0..2 {
        store::save(&cache, Benchmark::Miniboone, &prepared, Vec::new()).unwrap();
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
    }
    let place = cache.join("miniboone");
    assert_eq!(Benchmark::Miniboone.prepare(&place).unwrap(), prepared);
    // They are not the published rows.
    assert!(matches!(
        store::verify(&place, Benchmark::Miniboone),
        Err(DataError::Manifest(ManifestError::Prepared { expected: 43.0, .. }))
    ));
    assert!(store::import(Benchmark::Miniboone, folder.path(), &cache).is_err());
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
    let import = |benchmark, archive: &Path| store::import(benchmark, archive, &cache).unwrap_err();
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damaged_hdf5_never_panics(
        cut in any::<prop::sample::Index>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("BSDS300.hdf5");
        small_bsds300(&path);
        let mut bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..cut.index(bytes.len())]).unwrap();
        let _ = Benchmark::Bsds300.prepare(&path);
        // Structure stands at the beginning; most of the rest is values.
        for (place, byte) in places {
            let place = place.index(bytes.len().min(2048));
            bytes[place] = byte;
        }
        fs::write(&path, &bytes).unwrap();
        let _ = Benchmark::Bsds300.prepare(&path);
    }

    #[test]
    fn damaged_texts_never_panic(cut in any::<prop::sample::Index>(), insert in "[0-9,. \n#?-]{0,12}") {
        let texts = [
            (Benchmark::Gas, "ethylene_CO.txt", gas_text(12)),
            (Benchmark::Hepmass, "1000_train.csv", hepmass_text(20, 3, false)),
            (Benchmark::Miniboone, "MiniBooNE_PID.txt", miniboone_text(14, 2)),
        ];
        let test = hepmass_text(10, 5, true);
        for (benchmark, name, text) in texts {
            let cut = cut.index(text.len());
            for damaged in [text[..cut].to_owned(), format!("{}{insert}{}", &text[..cut], &text[cut..])] {
                let folder = folder_with(&[(name, &damaged), ("1000_test.csv", &test)]);
                if let Ok(prepared) = benchmark.prepare(folder.path()) {
                    prop_assert!(prepared.splits.train.as_slice().iter().all(|value| value.is_finite()));
                }
            }
        }
    }
}
