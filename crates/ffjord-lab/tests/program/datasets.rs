//! The tabular benchmarks by name: what is not here is answered with what to do, and what is here trains.

use crate::harness::{Place, benchmark, json};

/// Numbers of a column `[rows, D]` in the original's text, none of which repeats often.
fn miniboone(signal: usize) -> String {
    let row = |event: usize| {
        let value = |column: usize| ((event * 53 + column * 17) as f64 * 0.618).sin();
        (0..50)
            .map(|column| format!("{:.6} ", value(column)))
            .collect::<String>()
            + "\n"
    };
    format!("{signal} 0\n") + &(0..signal).map(row).collect::<String>()
}

#[test]
fn datasets_are_listed_and_described() {
    let place = Place::new();
    let list = place.succeed(&["data", "list", "--cache", "cache"]);
    for name in ["power", "gas", "hepmass", "miniboone", "miniboone-reduced", "bsds300"] {
        assert!(list.contains(name), "{list}");
        let info = place.succeed(&["data", "info", name, "--cache", "cache"]);
        assert!(info.contains("licence:") && info.contains("original:"), "{info}");
    }
    assert!(list.contains("852174"), "{list}");
    assert!(place.succeed(&["data", "fetch", "power"]).contains("nothing to fetch"));
    place.refuse(
        &["data", "info", "iris"],
        &["iris", "accepted are the tables power, gas", "mnist"],
    );
}

#[test]
fn what_is_not_here_is_answered_with_what_to_do() {
    let place = Place::new();
    let accepted = &["1000_train.csv", "data fetch hepmass", "data import hepmass"];
    place.refuse(&["data", "verify", "hepmass", "--cache", "cache"], accepted);
    place.refuse(&benchmark("hepmass", "run", &["--set", "data.path=nowhere"]), accepted);
    place.refuse(
        &benchmark("miniboone", "run", &["--set", "data.paht=x"]),
        &["paht", "expected one of `path`"],
    );
    place.refuse(
        &benchmark("gas", "run", &["--set", "data.test_rows=0"]),
        &["data.test_rows", "from 1"],
    );
    place.write("MiniBooNE_PID.txt", miniboone(300));
    let import = ["data", "import", "miniboone", "--from", ".", "--cache", "cache"];
    place.refuse(
        &import,
        &["not those of the published split", "50 where the manifest has 43"],
    );
    // This one has no address: nothing is asked of the network.
    place.refuse(
        &["data", "fetch", "miniboone-reduced", "--cache", "cache"],
        &["no address serves it", "by hand from", "cache/downloads/train_head.npy"],
    );
}

#[test]
fn a_benchmark_trains_from_a_path_and_says_that_its_rows_are_others() {
    let place = Place::new();
    place.write("MiniBooNE_PID.txt", miniboone(300));
    let path = [
        "--set",
        "data.path=.",
        "--set",
        "model.blocks=1",
        "--set",
        "solver.test.trace=rademacher",
    ];
    let said = place.succeed(&benchmark("miniboone", "run", &path));
    assert!(said.contains("not the published split"), "{said}");
    let result = json(&place.path("run/result.json"));
    assert_eq!(result["split"]["dataset"], "miniboone");
    assert_eq!(result["split"]["published"], false);
    assert!(place.path("run/plots/pairs.png").exists());
}

#[test]
fn a_draw_of_ones_own_carries_its_label_into_the_table() {
    let place = Place::new();
    place.write("MiniBooNE_PID.txt", miniboone(300));
    let cache = ["--cache", "cache"];
    let import = ["data", "import", "miniboone", "--from", ".", "--label", "own draw"];
    place.succeed(&[&import[..], &cache].concat());
    let verified = place.succeed(&[&["data", "verify", "miniboone"][..], &cache].concat());
    assert!(
        verified.contains("undamaged, but not the published split: own draw"),
        "{verified}"
    );
    let settings = [
        "--set",
        "data.path=cache/miniboone",
        "--set",
        "model.blocks=1",
        "--set",
        "solver.test.trace=rademacher",
    ];
    place.succeed(&benchmark("miniboone", "runs/one", &settings));
    assert_eq!(
        json(&place.path("runs/one/result.json"))["split"]["difference"],
        "own draw"
    );

    let table = ["table", "2", "--results", "runs"];
    let said = place.succeed(&[&table[..], &["--out", "tables"]].concat());
    assert!(
        said.contains("miniboone: own draw") && said.contains("not run"),
        "{said}"
    );
    assert!(
        said.contains("10.43 ± 0.04") && said.contains("`miniboone` `--set"),
        "{said}"
    );
    let cells = json(&place.path("tables/table2.json"))["cells"].clone();
    let run = cells
        .as_array()
        .unwrap()
        .iter()
        .filter(|cell| cell["ours"][0].is_object());
    assert_eq!(run.count(), 1);
    assert!(place.path("tables/table2.md").is_file());
    let part = place.succeed(&[&table[..], &["--row", "gas", "--model", "maf"]].concat());
    assert!(
        part.contains("GAS") && !part.contains("MINIBOONE") && !part.contains("Glow"),
        "{part}"
    );
    place.refuse(
        &[&table[..], &["--row", "mnist"]].concat(),
        &["mnist", "accepted are power, gas"],
    );
    place.refuse(
        &[&table[..], &["--model", "nice"]].concat(),
        &["nice", "real-nvp, glow, ffjord"],
    );
    place.refuse(&["table", "4"], &["accepted are 2"]);
    place.refuse(&["table", "2", "--results", "nowhere"], &["nowhere", "no such folder"]);
}
