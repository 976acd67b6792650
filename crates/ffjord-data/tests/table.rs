//! Tables survive a round trip, and truncated, corrupt and hostile files are typed errors.

use std::{io::Write, path::PathBuf};

use ffjord_data::{
    DataError, Matrix,
    table::{self, Header, HeaderError, LoadOptions, NpyError, Table, TextError},
};
use proptest::prelude::*;
use tempfile::TempDir;

fn load_bytes(name: &str, bytes: &[u8]) -> Result<Table, DataError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    table::load(path, &LoadOptions::default())
}

fn npy_error(bytes: &[u8]) -> NpyError {
    match load_bytes("table.npy", bytes) {
        Err(DataError::Npy { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

fn text_error(text: &str) -> TextError {
    match load_bytes("table.csv", text.as_bytes()) {
        Err(DataError::Text { error, .. }) => error,
        other => panic!("{text:?}: {other:?}"),
    }
}

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn element_types_orders_and_dimensions() {
    let load = |header: &str, data: &[u8]| load_bytes("a.npy", &npy(header, data)).unwrap().values;
    let expected = Matrix::from_rows(&[[1.0, 2.0], [-3.0, 4.0]]);
    let big = [1_i16, 2, -3, 4].map(i16::to_be_bytes).concat();
    assert_eq!(
        load("{'descr': '>i2', 'fortran_order': False, 'shape': (2, 2), }\n", &big),
        expected
    );
    let single = [1_f32, -3.0, 2.0, 4.0].map(f32::to_le_bytes).concat();
    assert_eq!(
        load(
            "{\"shape\": (2, 2), \"fortran_order\": True, \"descr\": \"<f4\"}",
            &single
        ),
        expected
    );
    let column = load("{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}", &[7, 8, 255]);
    assert_eq!(column, Matrix::from_rows(&[[7.0], [8.0], [255.0]]));
    let large = load(
        "{'descr': '<u8', 'fortran_order': False, 'shape': (1, 1)}",
        &u64::MAX.to_le_bytes(),
    );
    assert_eq!(large.row(0), [u64::MAX as f64]);
    let negative = load(
        "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 1)}",
        &(-5_i64).to_le_bytes(),
    );
    assert_eq!(negative.row(0), [-5.0]);
}

#[test]
fn hostile_shapes_are_refused_before_memory_is_taken() {
    let shape = |shape: &str| format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}");
    for claimed in [
        "(18446744073709551615, 18446744073709551615)",
        "(4294967296, 4294967296)",
        "(3, 2)",
        "(1, 2)",
    ] {
        let error = npy_error(&npy(&shape(claimed), &doubles(&[0.0; 4])));
        assert!(
            matches!(error, NpyError::Length { present: 32, .. }),
            "{claimed}: {error}"
        );
    }
    for empty in ["(0, 3)", "(3, 0)", "(0,)"] {
        assert!(matches!(npy_error(&npy(&shape(empty), &[])), NpyError::Empty { .. }));
    }
    for dimensions in ["()", "(1, 1, 1)"] {
        assert!(matches!(
            npy_error(&npy(&shape(dimensions), &[0; 8])),
            NpyError::Dimensions { .. }
        ));
    }
    for malformed in ["(18446744073709551616,)", "(-1,)", "(1.5,)", "((1,),)", "1", "(1 2)"] {
        let error = npy_error(&npy(&shape(malformed), &[0; 8]));
        assert!(
            matches!(error, NpyError::Header(HeaderError::Syntax { .. })),
            "{malformed}: {error}"
        );
    }
}

#[test]
fn malformed_headers_are_named() {
    let header = |bytes: &[u8]| match npy_error(bytes) {
        NpyError::Header(error) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(header(b""), HeaderError::Magic));
    assert!(matches!(header(b"PK\x03\x04 and more"), HeaderError::Magic));
    assert!(matches!(
        header(b"\x93NUMPY\x09\x00\x00\x00"),
        HeaderError::Version { major: 9, minor: 0 }
    ));
    assert!(matches!(
        header(b"\x93NUMPY\x02\x00\xff\xff\xff\xff"),
        HeaderError::TooLong { .. }
    ));
    assert!(matches!(
        header(b"\x93NUMPY\x01\x00\x40\x00{'descr'"),
        HeaderError::Truncated
    ));
    for kind in ["|O", "<c16", "<U5", "<f2", "<f99", "é", ""] {
        let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (1,)}}");
        assert!(
            matches!(header(&npy(&text, &[0; 8])), HeaderError::ElementType { .. }),
            "{kind}"
        );
    }
    let nested = "(".repeat(9000);
    for text in [
        "",
        "{",
        "{}",
        "{'descr': '<f8'}",
        "{'descr': [('a', '<f8')]}",
        "{'other': 1}",
        "{'descr",
        &nested,
    ] {
        assert!(matches!(header(&npy(text, &[])), HeaderError::Syntax { .. }), "{text}");
    }
}

#[test]
fn values_that_are_not_finite_are_located() {
    let header = "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2)}";
    let error = npy_error(&npy(header, &doubles(&[0.0, 1.0, 2.0, f64::NAN])));
    assert!(matches!(error, NpyError::NotFinite { row: 1, column: 1, .. }));
    assert!(matches!(
        text_error("1,2\n3,inf\n"),
        TextError::NotFinite { line: 2, column: 2, .. }
    ));
    assert!(matches!(
        text_error("1,2\n\n3,1e999\n"),
        TextError::NotFinite { line: 3, column: 2, .. }
    ));
    assert!(matches!(
        text_error("a b\nNaN 1\n"),
        TextError::NotFinite { line: 2, column: 1, .. }
    ));
}

#[test]
fn archives_hold_named_arrays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("arrays.npz");
    let array = |value: f64| {
        npy(
            "{'descr': '<f8', 'fortran_order': False, 'shape': (500,)}",
            &doubles(&[value; 500]),
        )
    };
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, method) in [
        ("x", zip::CompressionMethod::Stored),
        ("y", zip::CompressionMethod::Deflated),
    ] {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(&array(if name == "x" { 1.0 } else { 2.0 })).unwrap();
    }
    archive.finish().unwrap();

    let load = |path: &PathBuf, array: Option<&str>| {
        table::load(
            path,
            &LoadOptions {
                array: array.map(str::to_owned),
                ..LoadOptions::default()
            },
        )
    };
    assert_eq!(load(&path, None).unwrap().values.row(499), [1.0]);
    assert_eq!(load(&path, Some("y")).unwrap().values.row(0), [2.0]);
    let error = load(&path, Some("z")).unwrap_err();
    assert!(error.to_string().contains("no array \"z\": it has x, y"), "{error}");

    let bytes = std::fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(97) {
        assert!(matches!(
            load_bytes("cut.npz", &bytes[..length]),
            Err(DataError::Npy { .. })
        ));
    }
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x55;
        // Some bytes of an archive mean nothing; the others must be noticed, and none may end the program.
        if let Ok(table) = load_bytes("damaged.npz", &damaged) {
            assert!(
                table
                    .values
                    .as_slice()
                    .iter()
                    .all(|value| *value == 1.0 || *value == 2.0),
                "{place}"
            );
        }
    }
}

#[test]
fn text_in_its_varieties() {
    let expected = Matrix::from_rows(&[[1.0, -2.5], [3e2, 4.0]]);
    for (name, text) in [
        ("a.csv", "1,-2.5\n3e2,4\n"),
        ("a.csv", "\u{feff}x,y\r\n1, -2.5\r\n\r\n\"3e2\",4"),
        ("a.csv", "x;y\n1;-2.5\n3e2;4\n"),
        ("a.txt", "# made by savetxt\n  1   -2.5\n\n 3e2\t4 \n"),
        ("a.tsv", "first name\tsecond name\n1\t-2.5\n3e2\t4\n"),
        ("A.DAT", "1 -2.5\n3e2 4"),
    ] {
        assert_eq!(load_bytes(name, text.as_bytes()).unwrap().values, expected, "{text:?}");
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"1 -2.5\n300 4\n").unwrap();
    let compressed = encoder.finish().unwrap();
    assert_eq!(load_bytes("a.txt.gz", &compressed).unwrap().values, expected);
    let truncated = load_bytes("a.txt.gz", &compressed[..compressed.len() - 12]);
    assert!(
        matches!(
            truncated,
            Err(DataError::Text {
                error: TextError::Read { .. },
                ..
            })
        ),
        "{truncated:?}"
    );
}

#[test]
fn values_that_are_not_finite_can_be_kept() {
    let folder = TempDir::new().unwrap();
    let options = LoadOptions {
        keep_non_finite: true,
        ..LoadOptions::default()
    };
    let (text, array) = (folder.path().join("holes.csv"), folder.path().join("holes.npy"));
    std::fs::write(&text, "a,b\n1,nan\n-inf,2\n").unwrap();
    table::save_npy(&array, &table::load(&text, &options).unwrap().values).unwrap();
    for path in [text, array] {
        let values = table::load(&path, &options).unwrap().values.into_vec();
        assert!(values[1].is_nan() && values[2] == f64::NEG_INFINITY && values[0] + values[3] == 3.0);
        assert!(table::load(&path, &LoadOptions::default()).is_err());
    }
}

#[test]
fn header_lines_can_be_stated() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("years.csv");
    std::fs::write(&path, "2019,2020\n1,2\n").unwrap();
    let load = |header| {
        table::load(
            &path,
            &LoadOptions {
                header,
                ..LoadOptions::default()
            },
        )
        .unwrap()
    };
    assert_eq!(load(Header::Detect).values.rows(), 2);
    assert_eq!(load(Header::Present).names.unwrap(), ["2019", "2020"]);
    assert!(matches!(
        text_error("a,b\nc,d\n"),
        TextError::NotANumber { line: 2, column: 1, .. }
    ));
}

#[test]
fn text_errors_name_line_and_column() {
    assert!(matches!(text_error("1,2\n3,?\n"), TextError::NotANumber { line: 2, column: 2, text } if text == "?"));
    assert!(matches!(text_error("1,2\n,4\n"), TextError::NotANumber { line: 2, column: 1, text } if text.is_empty()));
    assert!(matches!(
        text_error("a,2\n"),
        TextError::NotANumber { line: 1, column: 1, .. }
    ));
    assert!(matches!(
        text_error("1,2\n3\n"),
        TextError::Ragged {
            line: 2,
            given: 1,
            expected: 2
        }
    ));
    assert!(matches!(
        text_error("1 2\n\n3 4 5\n"),
        TextError::Ragged {
            line: 3,
            given: 3,
            expected: 2
        }
    ));
    for empty in ["", "\n\n", "# nothing\n", "a,b\n"] {
        assert!(matches!(text_error(empty), TextError::Empty), "{empty:?}");
    }
    for (name, bytes) in [("a.csv", &b"1,2\n\xff,3\n"[..]), ("a.txt", b"1 2\n\xff 3\n")] {
        let error = load_bytes(name, bytes).unwrap_err();
        assert!(
            matches!(
                error,
                DataError::Text {
                    error: TextError::NotUtf8 { line: 2 },
                    ..
                }
            ),
            "{error:?}"
        );
    }
    let endless = "1".repeat(3 << 20);
    assert!(matches!(text_error(&endless), TextError::Read { .. }));
    assert!(matches!(text_error(&format!("1,2\n{endless}")), TextError::Read { .. }));
}

#[test]
fn files_that_are_not_there_or_not_tables() {
    let options = LoadOptions::default();
    assert!(matches!(
        table::load("no/such/table.npy", &options),
        Err(DataError::Io { action: "open", .. })
    ));
    assert!(matches!(
        table::load("picture.bmp", &options),
        Err(DataError::UnknownFormat { .. })
    ));
    let nowhere = table::save_npy("no/such/folder/table.npy", &Matrix::from_rows(&[[1.0]]));
    assert!(matches!(nowhere, Err(DataError::File(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_saved_is_loaded(
        values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 1..40),
        columns in 1_usize..5,
    ) {
        let rows = values.len().div_ceil(columns);
        let mut values = values;
        values.resize(rows * columns, 0.25);
        let matrix = Matrix::new(rows, columns, values).unwrap();
        let folder = TempDir::new().unwrap();
        let names: Vec<String> = (0..columns).map(|column| format!("the \"{column}\", by name")).collect();
        let (npy, csv) = (folder.path().join("a.npy"), folder.path().join("a.csv"));
        table::save_npy(&npy, &matrix).unwrap();
        table::save_csv(&csv, &matrix, Some(&names)).unwrap();
        let options = LoadOptions::default();
        prop_assert_eq!(&table::load(&npy, &options).unwrap().values, &matrix);
        let text = table::load(&csv, &LoadOptions { header: Header::Present, ..options.clone() }).unwrap();
        prop_assert_eq!(&text.values, &matrix);
        if columns > 1 {
            prop_assert_eq!(text.names.unwrap(), names);
        }
        let single: Matrix<f32> = Matrix::from_rows(&[[0.1, -1e30]]);
        table::save_npy(&npy, &single).unwrap();
        prop_assert_eq!(table::load(&npy, &options).unwrap().values, single.cast());
    }

    #[test]
    fn damaged_arrays_never_panic(place: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }          \n";
        let mut bytes = npy(header, &doubles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        let cut = cut.index(bytes.len());
        prop_assert!(load_bytes("cut.npy", &bytes[..cut]).is_err());
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(table) = load_bytes("damaged.npy", &bytes) {
            prop_assert_eq!(table.values.as_slice().len() * 8, 48);
        }
    }

    #[test]
    fn no_text_panics(text in "[-0-9a,; \t\n\r\"#.e\u{feff}é]{0,60}") {
        let _ = load_bytes("any.csv", text.as_bytes());
        let _ = load_bytes("any.txt", text.as_bytes());
    }
}
