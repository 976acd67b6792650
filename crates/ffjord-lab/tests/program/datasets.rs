//! The tabular benchmarks by name: what is not here is answered with what to do, and what is here trains.

use crate::harness::{Place, benchmark, json};
use crate::texts::{gas_text, hepmass_text, miniboone_text};

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
    place.write("MiniBooNE_PID.txt", miniboone_text(300, 0));
    let import = ["data", "import", "miniboone", "--from", ".", "--cache", "cache"];
    place.refuse(
        &import,
        &["not those of the published split", "46 where the manifest has 43"],
    );
    // This one has no address: nothing is asked of the network.
    place.refuse(
        &["data", "fetch", "miniboone-reduced", "--cache", "cache"],
        &["no address serves it", "by hand from", "cache/downloads/train_head.npy"],
    );
}

#[test]
fn benchmarks_train_from_a_path_and_say_that_their_rows_are_others() {
    let place = Place::new();
    for folder in ["gas", "hepmass", "miniboone"] {
        std::fs::create_dir(place.path(folder)).unwrap();
    }
    place.write("gas/ethylene_CO.txt", gas_text(600));
    place.write("hepmass/1000_train.csv", hepmass_text(600, 3, false));
    place.write("hepmass/1000_test.csv", hepmass_text(300, 5, true));
    place.write("miniboone/MiniBooNE_PID.txt", miniboone_text(300, 0));
    for (benchmark_name, preset, dimension) in [
        ("gas", "gas-fast", 8),
        ("gas", "gas-made", 8),
        ("hepmass", "hepmass-fast", 22),
        ("miniboone", "miniboone", 46),
    ] {
        let path = format!("data.path={benchmark_name}");
        let out = format!("run-{preset}");
        let mut settings = vec!["--set", path.as_str()];
        if !preset.ends_with("made") {
            settings.extend(["--set", "model.blocks=1", "--set", "solver.test.trace=rademacher"]);
        }
        if preset.ends_with("fast") {
            settings.extend(["--set", "training.tolerance=none"]);
        }
        let said = place.succeed(&benchmark(preset, &out, &settings));
        assert!(said.contains("not the published split"), "{said}");
        let folder = place.path(&out);
        let result = json(&folder.join("result.json"));
        assert_eq!(result["split"]["dataset"], benchmark_name);
        assert_eq!(result["split"]["published"], false);
        assert!(result["test"]["likelihood"]["nll"].as_f64().unwrap().is_finite());
        assert_eq!(json(&folder.join("data.json"))["dimension"], dimension);
        assert!(folder.join("plots/pairs.png").exists());
    }
}

#[test]
fn a_draw_of_ones_own_carries_its_label_into_the_table() {
    let place = Place::new();
    place.write("MiniBooNE_PID.txt", miniboone_text(300, 0));
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
        &[&table[..], &["--row", "iris"]].concat(),
        &["iris", "accepted are power, gas"],
    );
    place.refuse(
        &[&table[..], &["--model", "nice"]].concat(),
        &["nice", "real-nvp, glow, ffjord"],
    );
    place.refuse(&["table", "4"], &["accepted are 2"]);
    place.refuse(&["table", "2", "--results", "nowhere"], &["nowhere", "no such folder"]);
}
