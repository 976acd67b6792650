//! Images: their data, and runs of every kind of model of them.

use crate::harness::{Place, json};

/// A run of the digits of seconds, with `settings` besides.
pub fn digits<'a>(out: &'a str, settings: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
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
    assert!(said.contains("bits per dimension of these images"), "{said}");
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
fn pictures_come_out_and_go_in_again() {
    let place = Place::new();
    let settings = [
        "model.image.field=convolutional",
        "evaluation.tighter_rows=0",
        "evaluation.samples=10",
        "data.test_images=10",
    ];
    place.succeed(&digits("run", &settings, &[]));
    for name in ["nearest", "temperatures", "reconstructions", "interpolations"] {
        assert!(place.path(&format!("run/plots/{name}.png")).exists(), "{name}");
    }
    place.succeed(&["figure", "3", "--run", "run", "--out", "figure"]);
    assert!(place.path("figure/figure3.png").exists());
    let sample = ["sample", "run", "-n", "4", "--temperature", "0.7", "--out"];
    for out in ["pictures", "drawn.idx", "drawn.npy", "all.png"] {
        place.succeed(&[&sample[..], &[out]].concat());
    }
    let drawn = std::fs::read(place.path("drawn.idx")).unwrap();
    assert_eq!(drawn[..16], [0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 8]);
    assert!(place.path("pictures/0003.png").exists() && place.path("all.png").exists());
    let eval = |data: &str| {
        let said = place.succeed(&["eval", "run", "--data", data, "--out", "scores.csv"]);
        assert!(
            said.contains("4 images of 1×8×8") && said.contains("bits per dimension"),
            "{said}"
        );
        std::fs::read_to_string(place.path("scores.csv")).unwrap()
    };
    // Pictures show 17 levels from black to white, and are read back as these.
    assert_eq!(eval("drawn.idx"), eval("pictures"));
    assert_ne!(eval("drawn.idx"), eval("drawn.npy"));
    place.refuse(&[&sample[..], &["pictures"]].concat(), &["not empty"]);
    place.write("bytes.idx", [&drawn[..16], &[17; 256]].concat());
    place.refuse(
        &["eval", "run", "--data", "bytes.idx", "--out", "scores.csv"],
        &["bytes.idx", "holds 17", "levels from 0 to 16"],
    );
    place.refuse(
        &["sample", "run", "-n", "1", "--temperature=-1", "--out", "x.npy"],
        &["temperature", "from 0"],
    );
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
        assert!(said.contains("bits per dimension of these images"), "{said}");
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

/// A MATLAB file whose arrays of bytes `[2, 784]` have these names.
fn silhouettes(names: [&str; 3]) -> Vec<u8> {
    let tagged = |kind: u32, content: &[u8]| {
        let mut bytes = [kind.to_le_bytes(), (content.len() as u32).to_le_bytes()].concat();
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
    bytes.resize(124, b' ');
    bytes.extend([0, 1, b'I', b'M']);
    for name in names {
        let axes = [2u32.to_le_bytes(), 784u32.to_le_bytes()].concat();
        let content = [
            tagged(6, &[0; 8]),
            tagged(5, &axes),
            tagged(1, name.as_bytes()),
            tagged(2, &[1; 1568]),
        ];
        bytes.extend(tagged(14, &content.concat()));
    }
    bytes
}

#[test]
fn images_of_another_source_carry_their_label() {
    let place = Place::new();
    std::fs::create_dir(place.path("files")).unwrap();
    let file = silhouettes(["train_data", "val_data", "test_data"]);
    place.write("files/caltech101_silhouettes_28_split1.mat", file);
    let import = [
        "data",
        "import",
        "caltech101-silhouettes",
        "--from",
        "files",
        "--cache",
        "cache",
    ];
    place.refuse(&import, &["is 4 where the manifest has 6364", "--label"]);
    place.succeed(&[&import[..], &["--label", "own draw"]].concat());
    let verify = ["data", "verify", "caltech101-silhouettes", "--cache", "cache"];
    assert!(place.succeed(&verify).contains("not the published images: own draw"));
    place.write(
        "cache/caltech101-silhouettes/caltech101_silhouettes_28_split1.mat",
        "other",
    );
    place.refuse(&verify, &["damaged or another version"]);
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
    place.refuse(&import, &["number of images for training and validation is 1"]);
    place.write("files/t10k-images-idx3-ubyte", [255; 20]);
    place.refuse(&import, &["t10k-images-idx3-ubyte", "idx file"]);
    place.refuse(&["data", "info", "faces"], &["faces", "fashion-mnist"]);
}
