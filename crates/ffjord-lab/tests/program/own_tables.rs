//! Tables as users bring them: what is wrong with each is read, said, or refused with a remedy.

use crate::harness::{Place, json, table};
use crate::samples::{doubles, npy, npz, numbers, plain, text};

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
                "warning: column `Unnamed: 0` goes on from row to row as an index",
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
        // A part of a longer index, which does not count these rows.
        (
            "part.csv",
            text(",a,b,c", |row, values| {
                format!("{},{}", 3 * (row * 7 % 200), plain(row, values))
            })
            .into(),
            &[],
            true,
            &["warning: column `Unnamed: 0` goes on from row to row as an index"],
        ),
        (
            "savetxt.txt",
            format!("# a b c\n{}", text("", plain).trim_start().replace(',', " ")).into(),
            &[],
            true,
            &[
                "(without names, called 0 to 2)",
                "1 comment line skipped",
                "may hold the names (then: data.header=comment",
            ],
        ),
        (
            "savetxt.txt",
            format!("# a b c\n{}", text("", plain).trim_start().replace(',', " ")).into(),
            &["data.header=comment"],
            true,
            &["(a, b, c); the last comment above the first row holds the names"],
        ),
        (
            "matlab.txt",
            format!("% made by hand\n{}", text("", plain).trim_start().replace(',', " ")).into(),
            &[],
            false,
            &["data.comment"],
        ),
        (
            "matlab.txt",
            format!("% made by hand\n{}", text("", plain).trim_start().replace(',', " ")).into(),
            &["data.comment=%"],
            true,
            &["200 rows × 3 columns", "1 comment line skipped"],
        ),
        (
            "station.csv",
            format!("Station 7\nin 2024, by hand\n{base}").into(),
            &[],
            false,
            &["data.skip_lines"],
        ),
        (
            "station.csv",
            format!("Station 7\nin 2024, by hand\n{base}").into(),
            &["data.skip_lines=2"],
            true,
            &["200 rows × 3 columns (a, b, c)"],
        ),
        (
            "ten.csv",
            base.lines().take(11).collect::<Vec<_>>().join("\n").into(),
            &[],
            false,
            &["ten.csv: 10 rows are too few", "11 rows at least", "data.split"],
        ),
        (
            "twins.csv",
            text("a,a,c", plain).into(),
            &[],
            false,
            &["several columns are named `a`"],
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
    place.succeed(&["sample", "run9", "-n", "2000", "--out", "stars.csv"]);
    let samples = std::fs::read_to_string(place.path("stars.csv")).unwrap();
    let mut lines = samples.lines();
    assert_eq!(lines.next(), Some("a,flag,stars"));
    for line in lines {
        let mut numbers = line.rsplit(',').map(|number| number.parse::<f64>().unwrap());
        let (stars, flag) = (numbers.next().unwrap(), numbers.next().unwrap());
        // No value that the column never has.
        assert!(
            [1.0, 2.0, 3.0, 4.0, 5.0].contains(&stars) && [0.0, 1.0].contains(&flag),
            "{line}"
        );
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
