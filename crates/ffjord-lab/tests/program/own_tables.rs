//! Tables as users bring them: what is wrong with each is read, said, or refused with a remedy.

use crate::harness::{Answer, Place, json, table};
use std::io::Write;

/// Three columns of numbers without a pattern, c near a.
fn numbers(rows: usize) -> Vec<[f64; 3]> {
    let noise = |row: usize, column: usize| {
        let x = ((row * 3 + column + 1) as f64 * 12.9898).sin() * 43758.5453;
        ((x - x.round()) * 4e6).round() / 1e6
    };
    let row = |row| {
        [
            noise(row, 0),
            noise(row, 1),
            ((noise(row, 0) + 0.5 * noise(row, 2)) * 1e6).round() / 1e6,
        ]
    };
    (0..rows).map(row).collect()
}

/// Text of rows with a header, a separator and whatever a row is written as.
fn text(header: &str, write: impl Fn(usize, [f64; 3]) -> String) -> String {
    let rows = numbers(200)
        .into_iter()
        .enumerate()
        .map(|(row, values)| write(row, values));
    format!("{header}\n{}\n", rows.collect::<Vec<_>>().join("\n"))
}

fn plain(_: usize, [a, b, c]: [f64; 3]) -> String {
    format!("{a:?},{b:?},{c:?}")
}

fn npy(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n");
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend(bytes);
    npy
}

fn doubles(rows: &[[f64; 3]]) -> Vec<u8> {
    let bytes: Vec<u8> = rows
        .as_flattened()
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    npy("'<f8'", &format!("({}, 3)", rows.len()), &bytes)
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        writer
            .start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A file, settings, whether a run comes of it, and what is said.
type Case = (
    &'static str,
    Vec<u8>,
    &'static [&'static str],
    bool,
    &'static [&'static str],
);

#[test]
fn what_users_bring_is_read_said_or_refused_with_a_remedy() {
    let base = text("a,b,c", plain);
    let rows = numbers(200);
    let mut sorted = rows.clone();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let labels: Vec<u8> = (0..200_u32).flat_map(|row| f64::from(row % 3).to_le_bytes()).collect();
    let several = || npz(&[("labels", npy("'<f8'", "(200,)", &labels)), ("x", doubles(&rows))]);
    let records: Vec<u8> = rows
        .as_flattened()
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let halves: Vec<u8> = (0..600_u32)
        .flat_map(|value| (0x3c00 + (value * 37 % 900) as u16).to_le_bytes())
        .collect();
    let integers = text("a,flag,stars", |row, [a, ..]| {
        format!("{a:?},{},{}", row * 7 % 2, row * 13 % 5 + 1)
    });
    let cases: Vec<Case> = vec![
        (
            "base.csv",
            base.clone().into(),
            &[],
            true,
            &[
                "200 rows × 3 columns (a, b, c)",
                "162 training, 18 validation and 20 test rows, shuffled by seed 0",
            ],
        ),
        (
            "several.npz",
            several(),
            &[],
            false,
            &["labels [200], x [200, 3]", "data.array=NAME"],
        ),
        (
            "several.npz",
            several(),
            &["data.array=x"],
            true,
            &["array x, 200 rows × 3 columns"],
        ),
        (
            "numeric.csv",
            base.replacen("a,b,c", "0,1,2", 1).into(),
            &[],
            true,
            &["200 rows", "(0, 1, 2); the first line holds the names"],
        ),
        (
            "numeric.csv",
            base.replacen("a,b,c", "0,1,2", 1).into(),
            &["data.header=false"],
            true,
            &["201 rows", "no header"],
        ),
        (
            "german.csv",
            base.replace(',', ";").replace('.', ",").into(),
            &[],
            true,
            &["separator semicolon, decimal comma"],
        ),
        (
            "index.csv",
            text(",a,b,c", |row, values| format!("{row},{}", plain(row, values))).into(),
            &[],
            true,
            &[
                "warning: column `Unnamed: 0` counts the rows",
                "data.drop=[\"Unnamed: 0\"]",
            ],
        ),
        (
            "index.csv",
            text(",a,b,c", |row, values| format!("{row},{}", plain(row, values))).into(),
            &["data.drop=[0]"],
            true,
            &["3 columns (a, b, c); left out: Unnamed: 0"],
        ),
        (
            "integers.csv",
            integers.clone().into(),
            &[],
            true,
            &[
                "column `stars` lies on a lattice of step 1",
                "data.dequantize=true",
                "no likelihood of a density",
            ],
        ),
        (
            "integers.csv",
            integers.into(),
            &["data.dequantize=true"],
            true,
            &["200 rows"],
        ),
        (
            "outlier.csv",
            text("a,b,c", |row, [a, b, c]| {
                plain(row, [if row == 7 { 1e9 } else { a }, b, c])
            })
            .into(),
            &[],
            true,
            &[
                "warning: column `a` has 200 different values",
                "1e9 in row 7",
                "data.scale=robust",
            ],
        ),
        (
            "outlier.csv",
            text("a,b,c", |row, [a, b, c]| {
                plain(row, [if row == 7 { 1e9 } else { a }, b, c])
            })
            .into(),
            &["data.scale=robust", "data.split=ordered", "training.on_failure=skip"],
            true,
            &["in the file's order"],
        ),
        (
            "large.csv",
            text("a,b,c", |row, [a, b, c]| plain(row, [1e200 * a, b, c])).into(),
            &[],
            false,
            &["large.csv: column `a` holds values up to", "data.drop=[\"a\"]"],
        ),
        (
            "constant.csv",
            text("a,b,c", |row, [a, _, c]| plain(row, [a, 2.5, c])).into(),
            &[],
            false,
            &[
                "constant.csv",
                "(\"b\") has the same value 2.5",
                "--set 'data.drop=[\"b\"]'",
            ],
        ),
        (
            "copy.csv",
            text("a,b,c", |row, [a, _, c]| plain(row, [a, a, c])).into(),
            &[],
            true,
            &["warning: column `b` is a copy of `a`", "data.drop=[\"b\"]"],
        ),
        (
            "structured.npy",
            npy("[('a', '<f8'), ('b', '<f8'), ('c', '<f8')]", "(200,)", &records),
            &[],
            false,
            &["structured array with the fields a, b, c", "structured_to_unstructured"],
        ),
        (
            "half.npy",
            npy("'<f2'", "(200, 3)", &halves),
            &[],
            true,
            &["200 rows × 3 columns"],
        ),
        (
            "words.csv",
            text("a,who,c", |_, [a, _, c]| format!("{a:?},bob,{c:?}")).into(),
            &[],
            false,
            &["line 2, column 2 (who): \"bob\" is not a number", "data.drop"],
        ),
        (
            "words.csv",
            text("a,who,c", |_, [a, _, c]| format!("{a:?},bob,{c:?}")).into(),
            &["data.drop=who"],
            true,
            &["2 columns (a, c); left out: who"],
        ),
        (
            "labelled.csv",
            text("a,b,part", |row, [a, b, _]| {
                format!("{a:?},{b:?},{}", ["train", "train", "val", "test"][row % 4])
            })
            .into(),
            &["data.split={ column = \"part\" }"],
            true,
            &["100 training, 50 validation and 50 test rows, as column `part` says"],
        ),
    ];
    let place = Place::new();
    for (index, (name, bytes, settings, runs, words)) in cases.into_iter().enumerate() {
        place.write(name, bytes);
        let (run, path) = (format!("run{index}"), format!("data.path={name}"));
        let mut more = vec!["--set", &path];
        more.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let answer = place.run(&table(&run, &more));
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert_eq!(answer.code, Some(i32::from(!runs)), "{name} {settings:?}: {said}");
        assert_eq!(place.path(&run).exists(), runs, "{name}");
        for word in words {
            assert!(said.contains(word), "{name} {settings:?}: `{word}` is not in: {said}");
        }
    }
    // With noise the likelihood is one of a density, and says so; samples are on the lattice again.
    let of = |run: &str| json(&place.path(run).join("result.json"))["table"].clone();
    assert_eq!(of("run8")["likelihood_is_a_density"], false);
    assert_eq!(of("run9")["likelihood_is_a_density"], true);
    assert_eq!(of("run9")["dequantised_columns"][1]["name"], "stars");
    place.succeed(&["sample", "run9", "-n", "20", "--out", "stars.csv"]);
    let samples = std::fs::read_to_string(place.path("stars.csv")).unwrap();
    let mut lines = samples.lines();
    assert_eq!(lines.next(), Some("a,flag,stars"));
    for line in lines {
        let stars: f64 = line.rsplit(',').next().unwrap().parse().unwrap();
        assert_eq!(stars, stars.round(), "{line}");
    }
    // Shuffled rows of a sorted table are as good as any: the test rows are not those of one end.
    let ordered: Vec<String> = sorted
        .iter()
        .enumerate()
        .map(|(row, values)| plain(row, *values))
        .collect();
    place.write("sorted.csv", format!("a,b,c\n{}\n", ordered.join("\n")));
    let nll = |run: &str, split: &str| {
        place.succeed(&table(run, &["--set", "data.path=sorted.csv", "--set", split]));
        json(&place.path(run).join("result.json"))["gaussian_nll"]
            .as_f64()
            .unwrap()
    };
    assert!(nll("shuffled", "data.split=shuffled") < nll("ordered", "data.split=ordered") - 0.3);
}

/// A place with a run of `base.csv`.
fn trained(more: &[&str]) -> Place {
    let place = Place::new();
    place.write("base.csv", text("a,b,c", plain));
    place.succeed(&table("run", &[&["--set", "data.path=base.csv"], more].concat()));
    place
}

fn eval(place: &Place, data: &str, more: &[&str]) -> (Answer, Vec<f64>) {
    let arguments = ["eval", "run", "--data", data, "--out", "scores.csv"];
    let answer = place.run(&[&arguments[..], more].concat());
    let scores = std::fs::read_to_string(place.path("scores.csv")).unwrap_or_default();
    (
        answer,
        scores.lines().skip(1).map(|line| line.parse().unwrap()).collect(),
    )
}

#[test]
fn columns_are_matched_by_name() {
    let place = trained(&[]);
    let (answer, expected) = eval(&place, "base.csv", &[]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    place.write("reordered.csv", text("c,a,b", |row, [a, b, c]| plain(row, [c, a, b])));
    let (answer, scores) = eval(&place, "reordered.csv", &[]);
    assert!(
        answer.stdout.contains("taken by their names, as a, b, c"),
        "{}",
        answer.stdout
    );
    assert_eq!(scores, expected);
    // Without names columns are taken as they stand.
    let bare = text("a,b,c", plain);
    place.write("bare.csv", bare.split_once('\n').unwrap().1);
    assert_eq!(eval(&place, "bare.csv", &[]).1, expected);
    // An index beside them is left out where it is said, and refused else.
    place.write(
        "index.csv",
        text(",a,b,c", |row, values| format!("{row},{}", plain(row, values))),
    );
    place.refuse(
        &["eval", "run", "--data", "index.csv", "--out", "none.csv"],
        &["index.csv", "(a, b, c); unknown: Unnamed: 0", "--drop"],
    );
    assert_eq!(eval(&place, "index.csv", &["--drop", "Unnamed: 0"]).1, expected);
    place.write("other.csv", text("a,b,d", plain));
    place.refuse(
        &["eval", "run", "--data", "other.csv", "--out", "none.csv"],
        &["missing (or there twice): c; unknown: d"],
    );
}

#[test]
fn columns_that_training_left_out_may_be_there() {
    let place = Place::new();
    let named = text("who,a,b,c", |row, values| format!("bob,{}", plain(row, values)));
    place.write("named.csv", named);
    let settings = ["--set", "data.path=named.csv", "--set", "data.drop=who"];
    place.succeed(&table("run", &settings));
    let (answer, with) = eval(&place, "named.csv", &[]);
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
    place.write("base.csv", text("a,b,c", plain));
    assert_eq!(eval(&place, "base.csv", &[]).1, with);
    // Columns of arrays have numbers.
    place.write("rows.npy", doubles(&numbers(200)));
    let settings = ["--set", "data.path=rows.npy", "--set", "data.drop=[1]"];
    place.succeed(&table("array", &settings));
    place.succeed(&["eval", "array", "--data", "rows.npy"]);
}

#[test]
fn one_bad_row_costs_one_row() {
    let place = trained(&[]);
    let (_, expected) = eval(&place, "base.csv", &[]);
    let mut lines: Vec<String> = text("a,b,c", plain).lines().map(String::from).collect();
    lines[3] = "0.5,word,0.5".to_string();
    lines[5] = "0.5,0.5".to_string();
    lines[7] = "0.5,0.5,1e300".to_string();
    lines[9] = "0.5,,0.5".to_string();
    lines[11] = "1e30,0.5,0.5".to_string();
    place.write("holes.csv", lines.join("\n"));
    let (answer, scores) = eval(&place, "holes.csv", &[]);
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    for words in [
        "row 2 (from 0, below any header), column b is \"word\", which is no number",
        "row 4 (from 0, below any header), 2 fields instead of 3",
        "row 6 (from 0, below any header), column c is 1e300",
        "row 8 (from 0, below any header), column b is \"\"",
    ] {
        assert!(answer.stderr.contains(words), "{words} is not in {}", answer.stderr);
    }
    assert!(answer.stdout.contains("(196 rows"), "{}", answer.stdout);
    for (row, (score, expected)) in scores.iter().zip(&expected).enumerate() {
        match row {
            // So far out single precision has no squares.
            10 => assert!(score.is_finite() && *score < -1e50, "{score}"),
            2 | 4 | 6 | 8 => assert!(!score.is_finite(), "{row}: {score}"),
            _ => assert!((score - expected).abs() < 1e-5, "{row}: {score} and {expected}"),
        }
    }
    let distances = [1e2, 1e6, 1e12, 1e18, 1e20, 1e25, 1e30, 1e37];
    let far: String = distances.iter().map(|far| format!("{far:?},0.5,0.5\n")).collect();
    place.write("far.csv", format!("a,b,c\n{far}"));
    let (answer, scores) = eval(&place, "far.csv", &[]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert!(
        scores.windows(2).all(|pair| pair[0] > pair[1] && pair[1].is_finite()),
        "{scores:?}"
    );
    // Of several arrays `x` is the one.
    let mut rows = numbers(200);
    rows[5][1] = f64::NAN;
    place.write(
        "several.npz",
        npz(&[("other", doubles(&numbers(200))), ("x", doubles(&rows))]),
    );
    let (answer, _) = eval(&place, "several.npz", &[]);
    assert_eq!(answer.code, Some(3));
    assert!(
        answer.stdout.contains("array x") && answer.stderr.contains("row 5"),
        "{}",
        answer.stderr
    );
    place.write("several.npz", npz(&[("y", doubles(&rows)), ("z", doubles(&rows))]));
    place.refuse(
        &["eval", "run", "--data", "several.npz"],
        &["y [200, 3], z [200, 3]", "--array NAME"],
    );
}

#[test]
fn a_run_goes_on_without_settings_longer_and_from_elsewhere() {
    let place = trained(&[]);
    let weights = |run: &str| std::fs::read(place.path(run).join("model.safetensors")).unwrap();
    let resume = |out: &str, more: &[&str]| {
        let arguments = ["experiment", "table", "--resume", "--out", out];
        place.succeed(&[&arguments[..], more].concat())
    };
    let before = weights("run");
    let result = json(&place.path("run/result.json"));
    resume("run", &[]);
    assert!(weights("run") == before);
    assert_eq!(json(&place.path("run/result.json"))["settings"], result["settings"]);
    // The table's schedule depends on the number of iterations.
    place.refuse(
        &[
            "experiment",
            "table",
            "--resume",
            "--out",
            "run",
            "--set",
            "training.iterations=8",
        ],
        &["training.iterations = 4 there, 8 now", "training.schedule"],
    );
    // Noise on a lattice goes on where it was.
    place.write(
        "stars.csv",
        text("a,b,stars", |row, [a, b, _]| format!("{a:?},{b:?},{}", row * 13 % 5)),
    );
    let constant = [
        "--set",
        "data.path=stars.csv",
        "--set",
        "data.dequantize=true",
        "--set",
        "training.schedule={ kind = \"constant\", rate = 1e-3 }",
    ];
    place.succeed(&table("short", &constant));
    place.succeed(&table(
        "long",
        &[&constant[..], &["--set", "training.iterations=8"]].concat(),
    ));
    resume("short", &["--set", "training.iterations=8"]);
    assert!(weights("short") == weights("long"));
    assert_eq!(json(&place.path("short/config.json"))["training"]["iterations"], 8);
    place.refuse(
        &["experiment", "toy-moons", "--resume", "--out", "run"],
        &["run of the preset `table`", "`toy-moons`"],
    );

    // The run and its data move together, and the program is started elsewhere.
    std::fs::create_dir_all(place.path("moved/inner")).unwrap();
    for name in ["run", "base.csv"] {
        std::fs::rename(place.path(name), place.path("moved").join(name)).unwrap();
    }
    let mut command = place.command(&["experiment", "table", "--resume", "--out", "../run"]);
    let answer = Answer::new(&command.current_dir(place.path("moved/inner")).output().unwrap());
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let mut command = place.command(&["plot", "../run"]);
    let answer = Answer::new(&command.current_dir(place.path("moved/inner")).output().unwrap());
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let place = trained(&[]);
    let lock = ffjord_run::RunLock::take(&place.path("run")).unwrap();
    let holder = format!("process {} on ", std::process::id());
    let arguments = ["experiment", "table", "--resume", "--out", "run"];
    place.refuse(&arguments, &["run", &holder, "since 2", "--out DIR"]);
    drop(lock);
    place.succeed(&arguments);
}
