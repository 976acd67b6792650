//! Tables survive a round trip, and truncated, corrupt and hostile files are typed errors.

use std::{io::Write, path::PathBuf};

use ffjord_data::{
    DataError, Matrix,
    table::{self, Header, HeaderError, LoadOptions, NpyError, Table, TextError},
};
use proptest::prelude::*;
use tempfile::TempDir;

fn load_bytes(name: &str, bytes: &[u8]) -> Result<Table, DataError> {
    load_bytes_with(name, bytes, &LoadOptions::default())
}

fn load_bytes_with(name: &str, bytes: &[u8], options: &LoadOptions) -> Result<Table, DataError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    table::load(path, options)
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
    let truth = load("{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", &[1, 0]);
    assert_eq!(truth, Matrix::from_rows(&[[1.0], [0.0]]));
}

#[test]
fn half_precision_is_exact() {
    // Bits and values of IEEE 754-2019, binary16: one third, the smallest and largest numbers, zeros.
    let cases: [(u16, f64); 8] = [
        (0x3555, 0.333251953125),
        (0x0001, 2_f64.powi(-24)),
        (0x03ff, 1023.0 * 2_f64.powi(-24)),
        (0x0400, 2_f64.powi(-14)),
        (0x7bff, 65504.0),
        (0xc000, -2.0),
        (0x0000, 0.0),
        (0x8000, -0.0),
    ];
    for (order, bytes) in [
        ('<', cases.map(|(bits, _)| bits.to_le_bytes())),
        ('>', cases.map(|(bits, _)| bits.to_be_bytes())),
    ] {
        let header = format!("{{'descr': '{order}f2', 'fortran_order': False, 'shape': (8,)}}");
        let values = load_bytes("a.npy", &npy(&header, &bytes.concat()))
            .unwrap()
            .values
            .into_vec();
        for ((_, expected), value) in cases.iter().zip(values) {
            assert_eq!(value.to_bits(), expected.to_bits());
        }
    }
    for (bits, sign) in [(0x7c00_u16, "inf"), (0x7e00, "NaN")] {
        let header = "{'descr': '<f2', 'fortran_order': False, 'shape': (1,)}";
        let error = npy_error(&npy(header, &bits.to_le_bytes())).to_string();
        assert!(error.contains(sign), "{error}");
    }
}

#[test]
fn columns_are_chosen_before_they_are_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("people.csv");
    std::fs::write(&path, "name,x,part,y\nbob,1.5,train,2\nann,2.5,test,3\n").unwrap();
    let load = |options: LoadOptions| table::load(&path, &options);
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let error = load(LoadOptions::default()).unwrap_err().to_string();
    assert!(
        error.contains("line 2, column 1 (name): \"bob\"") && error.contains("data.drop"),
        "{error}"
    );
    let table = load(LoadOptions {
        drop: owned(&["name"]),
        labels: Some("part".to_owned()),
        ..LoadOptions::default()
    })
    .unwrap();
    assert_eq!(table.names, Some(owned(&["x", "y"])));
    assert_eq!(table.values.row(1), [2.5, 3.0]);
    assert_eq!(table.labels, Some(owned(&["train", "test"])));
    assert_eq!(table.reading.left_out, ["name", "part"]);
    let reordered = load(LoadOptions {
        columns: owned(&["y", "1"]),
        ..LoadOptions::default()
    })
    .unwrap();
    assert_eq!(reordered.values.row(0), [2.0, 1.5]);
    let unknown = load(LoadOptions {
        columns: owned(&["z"]),
        ..LoadOptions::default()
    });
    assert!(
        unknown
            .unwrap_err()
            .to_string()
            .contains("people.csv: there is no column `z`: there are name, x")
    );

    // Values of a column that is left out may be anything in an array, too.
    let path = folder.path().join("holes.npy");
    table::save_npy(&path, &Matrix::from_rows(&[[f64::NAN, 1.0], [0.0, 2.0]])).unwrap();
    let options = LoadOptions {
        drop: owned(&["0"]),
        ..LoadOptions::default()
    };
    let table = table::load(&path, &options).unwrap();
    assert_eq!(
        (table.values.as_slice(), table.names),
        (&[1.0, 2.0][..], Some(owned(&["1"])))
    );
}

#[test]
fn bad_values_are_listed_where_they_cost_a_row_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, "a,b\n1,2\nx,3\n4\n5,1e999\n6,\n7,8\n").unwrap();
    let options = LoadOptions {
        keep_non_finite: true,
        ..LoadOptions::default()
    };
    let table = table::load(&path, &options).unwrap();
    assert_eq!(table.values.rows(), 6);
    let bad: Vec<_> = table
        .bad
        .iter()
        .map(|bad| (bad.row, bad.column, bad.text.as_str()))
        .collect();
    let expected = [
        (1, Some(0), "x"),
        (2, None, "1 fields instead of 2"),
        (3, Some(1), "1e999"),
        (4, Some(1), ""),
    ];
    assert_eq!(bad, expected);
    assert_eq!(table.values.row(5), [7.0, 8.0]);
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
    for kind in ["|O", "<c16", "<U5", "<f16", "<f99", "é", ""] {
        let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (1,)}}");
        assert!(
            matches!(header(&npy(&text, &[0; 8])), HeaderError::ElementType { .. }),
            "{kind}"
        );
    }
    for (descr, fields) in [
        (
            "[('a', '<f8'), ('b', '<f8', (2,)), ('c', [('d', '<i4')])]",
            &["a", "b", "c"][..],
        ),
        ("[('a'", &["a"]),
        ("[", &[]),
    ] {
        let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,)}}");
        let error = header(&npy(&text, &[0; 8]));
        assert!(
            matches!(&error, HeaderError::Structured { names } if names == fields),
            "{error:?}"
        );
        assert!(error.to_string().contains("structured_to_unstructured"), "{error}");
    }
    let nested = "(".repeat(9000);
    for text in ["", "{", "{}", "{'descr': '<f8'}", "{'other': 1}", "{'descr", &nested] {
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
    // Which one is meant is not guessed.
    let error = load(&path, None).unwrap_err().to_string();
    assert!(
        error.contains("x [500], y [500]") && error.contains("data.array=NAME"),
        "{error}"
    );
    let x = load(&path, Some("x")).unwrap();
    assert_eq!(x.values.row(499), [1.0]);
    assert_eq!(x.reading.array.as_deref(), Some("x"));
    assert_eq!(load(&path, Some("y")).unwrap().values.row(0), [2.0]);
    let error = load(&path, Some("z")).unwrap_err();
    assert!(
        error.to_string().contains("no array \"z\": it has x [500], y [500]"),
        "{error}"
    );

    let bytes = std::fs::read(&path).unwrap();
    let load_x = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        load(&path, Some("x"))
    };
    for length in (0..bytes.len()).step_by(97) {
        assert!(matches!(
            load_x("cut.npz", &bytes[..length]),
            Err(DataError::Npy { .. })
        ));
    }
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x55;
        // Some bytes of an archive mean nothing; the others must be noticed, and none may end the program.
        if let Ok(table) = load_x("damaged.npz", &damaged) {
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
        ("a.csv", "x;y\n1;-2,5\n3e2;4\n"),
        ("a.csv", "sep=;\r\nx;y\r\n1,0;-2,5\r\n300;4,0\r\n"),
        ("a.csv", "x,y,\n1,-2.5,\n3e2,4,\n"),
        ("a.csv", "x|y\n1|-2.5\n3e2|4\n"),
        ("a.csv", "x\ty\n1\t-2,5\n3e2\t4\n"),
        ("a.txt", "\"x\" \"the y\"\n1 -2.5\n3e2 4\n"),
        ("a.csv", "# comment\nx,y\n# another, one\n1,-2.5\n3e2,4\n"),
        ("a.csv", "0,1\n1.0,-2.5\n3e2,4.0\n"),
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
fn what_spreadsheets_write_is_read() {
    for text in [
        // A separator behind the last field of rows alone, which is no column, and no name moves over another's numbers.
        "a,b\n0.5,1.5,\n2.5,3.5,\n",
        // Quotation marks hold numbers with a decimal comma together, and names of two lines.
        "\"a\",\"b\"\n\"0,5\",\"1,5\"\n\"2,5\",\"3,5\"\n",
        "\"a\",b\n\"0,5\",\"1,5\"\n\"2,5\",\"3,5\"\n",
    ] {
        let table = load_bytes("a.csv", text.as_bytes()).unwrap();
        assert_eq!(table.names, Some(vec!["a".to_owned(), "b".to_owned()]), "{text}");
        assert_eq!(table.values, Matrix::from_rows(&[[0.5, 1.5], [2.5, 3.5]]), "{text}");
    }
    let table = load_bytes("a.csv", b"\"a\nlong\",\"b\"\n0.5,1.5\n2.5,3.5\n").unwrap();
    assert_eq!(table.names, Some(vec!["a\nlong".to_owned(), "b".to_owned()]));
    assert_eq!(table.values.row(1), [2.5, 3.5]);
    // A column of what is missing at the end keeps its name.
    assert!(matches!(
        text_error("a,b,c\n0.5,1.5,\n2.5,3.5,\n"),
        TextError::NotANumber { column: 3, .. }
    ));
}

#[test]
fn what_was_concluded_is_said() {
    let said = |name: &str, text: &str| load_bytes(name, text.as_bytes()).unwrap().describe();
    for (text, expected) in [
        (
            "x;y\n0,5;1\n",
            "1 rows × 2 columns (x, y); the first line holds the names; separator semicolon, decimal comma",
        ),
        (
            "0.5\n1.5\n",
            "2 rows × 1 column (without names, called 0 to 0); no header, the first line is a row; one column, decimal point",
        ),
        (
            "# by hand\n1 2\n3 4\n",
            "; separator white-space, decimal point; 1 comment line skipped",
        ),
    ] {
        let said = said("a.csv", text);
        assert!(said.contains(expected), "{said}");
    }
    // Row names as R and pandas write them.
    for text in [",a,b\n0,1.5,2\n1,2.5,3\n", "\"a\",\"b\"\n\"0\",1.5,2\n\"1\",2.5,3\n"] {
        let table = load_bytes("a.csv", text.as_bytes()).unwrap();
        assert_eq!(table.names.unwrap(), ["Unnamed: 0", "a", "b"], "{text}");
        assert_eq!(table.values.row(1), [1.0, 2.5, 3.0]);
    }
}

#[test]
fn a_stray_quotation_mark_costs_its_own_line_alone() {
    let rows = |marked: &str| format!("a,b\n0.5,1.5\n{marked}\n1.5,2.5\n2.5,3\n");
    // A name may take two lines, and a mark within a field that is left out is a character.
    let named = load_bytes("a.csv", b"\"a\nlong\",b\n1.5,2\n").unwrap();
    assert_eq!(named.names.unwrap()[0], "a\nlong");
    let drop = LoadOptions {
        drop: vec!["b".to_owned()],
        ..LoadOptions::default()
    };
    assert_eq!(
        load_bytes_with("a.csv", rows("4,5\" pipe").as_bytes(), &drop)
            .unwrap()
            .values
            .rows(),
        4
    );
    let keep = LoadOptions {
        keep_non_finite: true,
        ..LoadOptions::default()
    };
    // Text in a row may take several lines, with separators and signs of comments in them.
    let long = rows("4,\"one, \"\"two\"\"\n# three,\n\nfour\"");
    let read = load_bytes_with("a.csv", long.as_bytes(), &drop).unwrap();
    assert_eq!(
        (read.values.rows(), read.values.row(1), read.values.row(3)),
        (4, &[4.0][..], &[2.5][..])
    );
    for marked in ["\"3.5,4", "3.5,\"4"] {
        let error = text_error(&rows(marked)).to_string();
        assert!(
            error.contains("line 3 opens a quotation mark that nothing closes"),
            "{error}"
        );
        let kept = load_bytes_with("a.csv", rows(marked).as_bytes(), &keep).unwrap();
        assert_eq!(
            (kept.values.rows(), kept.values.row(3)),
            (4, &[2.5, 3.0][..]),
            "{marked}"
        );
        assert_eq!((kept.bad.len(), kept.bad[0].row), (1, 1), "{marked}");
    }
    // The mark that opens the next field does not close it.
    let quoted = "a,b\n\"1\",\"2\"\n\"3,\"4\"\n\"5\",\"6\"\n";
    let kept = load_bytes_with("a.csv", quoted.as_bytes(), &keep).unwrap();
    assert_eq!((kept.values.rows(), kept.values.row(2)), (3, &[5.0, 6.0][..]));
    let first = load_bytes_with("a.csv", b"\"a,b\n1,2\n3,4\n", &keep)
        .unwrap_err()
        .to_string();
    assert!(first.contains("line 1 opens"), "{first}");
    let bare = LoadOptions {
        header: Header::Absent,
        ..keep.clone()
    };
    let without_names = load_bytes_with("a.csv", b"\"1.5,2\n2.5,3\n3.5,4\n", &bare).unwrap();
    assert_eq!((without_names.values.rows(), without_names.bad[0].row), (3, 0));
    let unclosed = text_error("\"a,b\n1,2\n3,4\n").to_string();
    assert!(unclosed.contains("line 1 opens"), "{unclosed}");
}

#[test]
fn other_encodings_are_refused_with_a_remedy() {
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        let bytes: Vec<u8> = "\u{feff}a,b\n1,2\n".encode_utf16().flat_map(order).collect();
        let error = load_bytes("a.csv", &bytes).unwrap_err().to_string();
        assert!(error.contains("iconv -f UTF-16 -t UTF-8"), "{error}");
    }
    let latin = load_bytes("a.csv", b"h\xf6he,b\n1,2\n").unwrap_err().to_string();
    assert!(latin.contains("line 1") && latin.contains("iconv -f LATIN1"), "{latin}");
}

#[test]
fn numeric_headers_are_recognised_or_asked_for() {
    let table = load_bytes("a.csv", b"0,1,2\n0.5,1.5,2.5\n1,2,3.5\n").unwrap();
    assert_eq!(
        (table.names.unwrap(), table.values.rows()),
        (["0", "1", "2"].map(String::from).to_vec(), 2)
    );
    let error = text_error("0,1\n1,0\n").to_string();
    assert!(
        error.contains("data.header=true") && error.contains("--header"),
        "{error}"
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
    assert!(matches!(text_error("1,2\n3,?\n"), TextError::NotANumber { line: 2, column: 2, text, .. } if text == "?"));
    assert!(
        matches!(text_error("1,2\n,4\n"), TextError::NotANumber { line: 2, column: 1, text, .. } if text.is_empty())
    );
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
