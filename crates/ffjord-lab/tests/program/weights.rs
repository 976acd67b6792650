//! Weights in files: their names, and going on from them.

use crate::harness::{Place, csv, moons, table};
use ffjord_train::load_tensors;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Names with every number that stands for itself replaced by N.
fn patterns<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let general = |part: &'a str| match part.parse::<usize>() {
        Ok(_) => "N",
        Err(_) => part,
    };
    names
        .map(|name| name.split('.').map(general).collect::<Vec<_>>().join("."))
        .collect()
}

#[test]
fn the_page_on_checkpoints_has_every_name_of_a_tensor() {
    let place = Place::new();
    place.write("rows.csv", csv(200));
    let continuous = |layer: &str, activation: &str| {
        format!(
            r#"model={{ kind = "cnf", blocks = 1, hidden = [8], layer = "{layer}", activation = "{activation}", precision = "f32", batch_norm = true }}"#
        )
    };
    let discrete = |kind: &str| {
        format!(r#"model={{ kind = "{kind}", blocks = 2, hidden = [8], activation = "relu", precision = "f32" }}"#)
    };
    let layers = [
        "ignore",
        "concat",
        "concat_v2",
        "squash",
        "concatsquash",
        "blend",
        "hyper",
    ];
    let models = layers.iter().map(|layer| continuous(layer, "tanh"));
    let models = models.chain([continuous("concatsquash", "swish")]);
    let models = models.chain(["real-nvp", "glow", "maf", "spline"].map(discrete));
    let mut written = BTreeSet::new();
    for (index, model) in models.enumerate() {
        let run = format!("run{index}");
        let settings = [
            "--set",
            "data.path=rows.csv",
            "--set",
            &model,
            "--set",
            "training.iterations=1",
        ];
        place.succeed(&table(&run, &settings));
        let tensors = load_tensors(&place.path(&run).join("model.safetensors")).unwrap();
        written.extend(patterns(tensors.keys().map(String::as_str)));
    }

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/checkpoints.md");
    let page = fs::read_to_string(page).unwrap();
    let described: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `chain.")?.split_once('`'))
        .map(|(name, _)| format!("chain.{name}"))
        .collect();
    assert_eq!(written, described);
}

#[test]
fn training_goes_on_from_the_weights_of_another_run() {
    let place = Place::new();
    place.succeed(&moons("one", &[]));
    // So small a step changes no weight to speak of.
    let still = [
        "--set",
        "training.iterations=1",
        "--set",
        "training.schedule.rate=1e-12",
    ];
    let from = |out: &'static str, weights: &'static str| moons(out, &[&still[..], &["--from", weights]].concat());
    place.succeed(&from("two", "one"));
    place.succeed(&from("three", "one/model.safetensors"));
    let tensors = |run: &str| load_tensors(&place.path(run).join("model.safetensors")).unwrap();
    let (one, two) = (tensors("one"), tensors("two"));
    assert_eq!(one.len(), two.len());
    for (name, tensor) in &one {
        let flat = |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let pairs = flat(tensor).into_iter().zip(flat(&two[name]));
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-9), "{name}");
    }
    let bytes = |run: &str| fs::read(place.path(run).join("model.safetensors")).unwrap();
    assert!(bytes("two") == bytes("three"));
    let result = crate::harness::json(&place.path("two/result.json"));
    assert_eq!(result["from"], "one");

    // The run goes on from its own checkpoint, even if the weights are gone by then.
    fs::rename(place.path("one"), place.path("elsewhere")).unwrap();
    place.succeed(&moons("two", &[&still[..], &["--from", "one", "--resume"]].concat()));
    assert!(bytes("two") == bytes("three"));
}

#[test]
fn a_start_comes_with_the_weights() {
    let place = Place::new();
    place.write("rows.csv", csv(200));
    place.write("others.csv", csv(400).replace('1', "3"));
    place.succeed(&table("one", &["--set", "data.path=rows.csv"]));
    let others = ["--set", "data.path=others.csv", "--from", "one"];
    place.succeed(&table("two", &others));
    let tensors = |run: &str| load_tensors(&place.path(run).join("model.safetensors")).unwrap();
    let (one, two) = (tensors("one"), tensors("two"));
    let knots = |tensors: &std::collections::BTreeMap<String, candle_core::Tensor>| {
        tensors["chain.0.knots"]
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    assert_eq!(knots(&one), knots(&two));
    let none = table("three", &[&others[..], &["--set", "model.start=none"]].concat());
    place.refuse(&none, &["do not fit", "chain.0."]);
}

#[test]
fn weights_of_another_architecture_are_refused() {
    let place = Place::new();
    place.succeed(&moons("one", &[]));
    let refuse = |more: &[&str], words: &[&str]| {
        place.refuse(&moons("two", more), words);
        assert!(!place.path("two").exists());
    };
    let other = ["--from", "one", "--set", "model.hidden=[9]"];
    refuse(&other, &["one", "do not fit", "same architecture", "(stored"]);
    let fewer = ["--from", "one", "--set", "model.blocks=2"];
    refuse(&fewer, &["do not fit", "chain.1."]);
    refuse(&["--from", "none.pth"], &["none.pth"]);
    fs::create_dir(place.path("empty")).unwrap();
    refuse(&["--from", "empty"], &["empty", "no run folder"]);
}
