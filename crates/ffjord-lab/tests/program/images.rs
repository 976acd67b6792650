//! Images: their data, and runs of every kind of model of them.

use crate::harness::{Place, json};

/// A run of the digits of seconds, with `settings` besides.
fn digits<'a>(out: &'a str, settings: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    of_preset("digits-quick", out, settings, more)
}

fn of_preset<'a>(preset: &'a str, out: &'a str, settings: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let tiny = [
        "data.train_images=40",
        "data.test_images=4",
        "model.hidden=[4]",
        "solver.train.control={ kind = \"fixed\", steps = 1 }",
        "solver.test.trace=rademacher",
        "solver.test.control={ kind = \"adaptive\", rtol = 1e-2, atol = 1e-2 }",
        "training.iterations=4",
        "training.batch=8",
        "training.validate_every=2",
        "training.validation_rows=4",
        "training.checkpoint_every=2",
        "evaluation.samples=4",
        "evaluation.tighter_rows=2",
    ];
    let mut arguments = vec!["experiment", preset, "--out", out];
    arguments.extend(
        tiny.into_iter()
            .chain(settings.iter().copied())
            .flat_map(|setting| ["--set", setting]),
    );
    arguments.extend(more);
    arguments
}

#[test]
fn digits_are_trained_resumed_evaluated_and_sampled() {
    let place = Place::new();
    let said = place.succeed(&digits("run", &[], &[]));
    assert!(said.contains("bits per dimension over all images"), "{said}");
    let result = json(&place.path("run/result.json"));
    let (bits, nats) = (
        &result["bits_per_dimension"]["mean"],
        &result["test"]["likelihood"]["nll"],
    );
    let expected = (nats.as_f64().unwrap() / 64.0 + 17f64.ln()) / std::f64::consts::LN_2;
    assert!(
        (bits.as_f64().unwrap() - expected).abs() < 1e-12,
        "{bits} against {expected}"
    );
    for picture in ["samples.png", "test-images.png"] {
        let bytes = std::fs::read(place.path(&format!("run/plots/{picture}"))).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"));
    }
    // A longer run at a constant rate resumes; what it says is of 6 iterations.
    let constant = "training.schedule={ kind = \"constant\", rate = 1e-3 }";
    place.succeed(&digits("long", &[constant], &[]));
    std::fs::remove_file(place.path("long/model.safetensors")).unwrap();
    place.succeed(&digits("long", &[constant], &["--resume"]));
    let said = place.succeed(&["sample", "run", "-n", "3", "--out", "drawn.npy"]);
    assert!(said.contains("3 samples of dimension 64"), "{said}");
    let said = place.succeed(&["eval", "run", "--data", "drawn.npy"]);
    assert!(said.contains("log-likelihood"), "{said}");
}

#[test]
fn every_kind_of_flow_of_images_runs() {
    let place = Place::new();
    for (name, settings) in [
        (
            "convolutional",
            vec!["model.image.field=convolutional", "model.batch_norm=true"],
        ),
        (
            "multiscale",
            vec!["model.image.field=convolutional", "model.image.multiscale=true"],
        ),
        ("parallel", vec!["model.image.field=parallel", "model.image.scales=3"]),
        (
            "encoder-decoder",
            vec![
                "model.image.field=encoder-decoder",
                "model.image.strides=[2, -2]",
                "model.image.alpha=0.0",
                "solver.train.bottleneck=true",
                "solver.test.bottleneck=true",
                "regularisation.jacobian=0.0",
            ],
        ),
    ] {
        let settings: Vec<&str> = settings.into_iter().chain(["evaluation.tighter_rows=0"]).collect();
        place.succeed(&digits(name, &settings, &[]));
        place.succeed(&["sample", name, "-n", "1", "--out", "drawn.npy"]);
    }
}

#[test]
fn flow_matching_of_images_starts_from_levels_and_goes_on_by_maximum_likelihood() {
    let place = Place::new();
    let two = "model.hidden=[4, 8]";
    let said = place.succeed(&of_preset("digits-flow-matching-quick", "matched", &[two], &[]));
    assert!(said.contains("the start is fitted to 40 rows"), "{said}");
    assert!(
        said.contains("by themselves: ") && said.contains("bits per dimension"),
        "{said}"
    );
    let bits = |run: &str| json(&place.path(&format!("{run}/result.json")))["bits_per_dimension"]["mean"].clone();
    let start = bits("matched").as_f64().unwrap();
    // Without steps the weights and the start are those that were trained before, and so is the likelihood.
    let by_likelihood = [
        two,
        "objective=maximum-likelihood",
        "training.schedule={ kind = \"constant\", rate = 1e-30 }",
    ];
    place.succeed(&of_preset(
        "digits-flow-matching-quick",
        "on",
        &by_likelihood,
        &["--from", "matched"],
    ));
    assert!(
        (bits("on").as_f64().unwrap() - start).abs() < 1e-6,
        "{start}, {}",
        bits("on")
    );
    place.succeed(&["sample", "on", "-n", "2", "--out", "drawn.npy"]);
}

#[test]
fn discrete_flows_of_images_and_noise_that_is_drawn_by_a_flow_run() {
    let place = Place::new();
    let noise = "model.image.dequantization={ couplings = 1, hidden = [4] }";
    for (preset, settings) in [
        ("digits-glow-quick", vec!["model.blocks=1"]),
        ("digits-real-nvp-quick", vec!["model.blocks=2", noise]),
        ("digits-quick", vec!["model.image.field=convolutional", noise]),
    ] {
        let settings: Vec<&str> = settings.into_iter().chain(["evaluation.tighter_rows=0"]).collect();
        let said = place.succeed(&of_preset(preset, preset, &settings, &[]));
        assert!(said.contains("bits per dimension over all images"), "{said}");
        place.succeed(&["sample", preset, "-n", "1", "--out", "drawn.npy"]);
    }
}

#[test]
fn settings_that_do_not_fit_images_are_named() {
    let place = Place::new();
    for (setting, word) in [
        ("model.image.alpha=0.7", "model.image.alpha"),
        ("model.image.strides=[1]", "model.image.strides"),
        ("model.image.multiscale=true", "model.image.multiscale"),
        ("data.set=faces", "unknown image set `faces`"),
        ("data.set=folder", "data.path"),
        ("data.set=mnist", "data fetch mnist"),
        ("training.batch=100", "training"),
    ] {
        let settings: &[&str] = if setting.starts_with("data.set=mnist") {
            &["data.path=absent", "data.set=mnist"]
        } else {
            std::slice::from_ref(&setting)
        };
        place.refuse(&digits("run", settings, &[]), &[word]);
    }
    place.refuse(
        &["experiment", "toy-moons", "--set", "model.image={}", "--out", "run"],
        &["model.image", "data of kind `images`"],
    );
}

#[test]
fn images_are_imported_checked_and_listed() {
    let place = Place::new();
    let list = place.succeed(&["data", "list", "--cache", "cache"]);
    assert!(
        list.contains("mnist") && list.contains("not here") && list.contains("digits"),
        "{list}"
    );
    assert!(
        place
            .succeed(&["data", "info", "cifar10"])
            .contains("c32a1d4ab5d03f1284b67883e8d87530")
    );
    assert!(place.succeed(&["data", "verify", "digits"]).contains("undamaged"));
    assert!(
        place
            .succeed(&["data", "fetch", "digits"])
            .contains("part of the program")
    );
    std::fs::create_dir(place.path("files")).unwrap();
    let import = ["data", "import", "mnist", "--from", "files", "--cache", "cache"];
    place.refuse(&import, &["train-images-idx3-ubyte"]);
    let header = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28];
    for name in ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"] {
        place.write(&format!("files/{name}"), [&header[..], &[7; 784]].concat());
    }
    place.refuse(&import, &["number of training images is 1"]);
    place.write("files/t10k-images-idx3-ubyte", [255; 20]);
    place.refuse(&import, &["t10k-images-idx3-ubyte", "idx file"]);
    let labelled = [&import[..], &["--label", "own"]].concat();
    place.refuse(&labelled, &["--label"]);
    place.refuse(&["data", "info", "faces"], &["faces", "fashion-mnist"]);
}
