//! What is no original, or a damaged one.

use std::fs;

use ffjord_data::{
    Benchmark, BenchmarkError, DataError,
    table::{NpyError, TextError},
};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::originals::{folder_with, small_bsds300};
use crate::texts::{gas_text, hepmass_text, miniboone_text};

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
