//! What is given wrongly is answered with exit code 1 and one line that says what is accepted.

use crate::harness::{Place, csv, moons, table};
use std::fs;
use std::io::Write;

#[test]
fn presets_keys_and_values() {
    let place = Place::new();
    place.refuse(&["experiment", "toy-moon"], &["toy-moon", "accepted are", "toy-moons"]);
    let cases: [(&str, &[&str]); 28] = [
        ("training", &["KEY=VALUE"]),
        ("=3", &["key is empty"]),
        ("trainin.batch=3", &["no section `trainin`", "accepted are", "training"]),
        ("training.bach=3", &["bach", "expected one of", "`batch`"]),
        ("training.batch=many", &["training.batch", "many"]),
        ("training.batch=0", &["training.batch", "a whole number from 1"]),
        ("training.batch=-3", &["training.batch", "-3"]),
        (
            "training.iterations=0",
            &["training.iterations", "a whole number from 1"],
        ),
        (
            "training.validation_rows=0",
            &["training.validation_rows", "a whole number from 1"],
        ),
        ("training.checkpoint_every=0", &["training.checkpoint_every"]),
        (
            "training.schedule.rate=-1e-3",
            &["training.schedule", "-0.001", "positive"],
        ),
        ("training.schedule.rate=nan", &["NaN"]),
        (
            "training.tolerance={ kind = \"constant\", rate = 10.0 }",
            &["training.tolerance", "fixed steps", "adaptive"],
        ),
        ("training.end_time_spread=1.0", &["training.end_time_spread", "below 1"]),
        ("training.toward_data=0.0", &["training.toward_data", "from 0.1 to 10"]),
        ("training.spectral_norm=0.0", &["training.spectral_norm", "positive"]),
        ("regularisation.l2=-1.0", &["regularisation.l2", "not negative"]),
        (
            "regularisation.trace_variance=1.0",
            &["trace-variance", "two probes or more"],
        ),
        ("solver.train.bottleneck=true", &["bottleneck", "encoder–decoder"]),
        ("training.optimizer=sgd", &["sgd", "adam, adamax"]),
        (
            "solver.train.control={ kind = \"fixed\", steps = 0 }",
            &["solver.train.control.steps"],
        ),
        (
            "solver.train.control={ kind = \"adaptive\", rtol = -1.0, atol = 0.0 }",
            &["tolerance", "-1"],
        ),
        ("solver.train.method=magic", &["magic", "dopri5"]),
        ("solver.test.trace=magic", &["magic", "rademacher"]),
        ("model.layer=magic", &["magic", "concatsquash"]),
        ("model.hidden=[0]", &["model.hidden", "a whole number from 1"]),
        ("data.name=magic", &["magic", "moons"]),
        ("evaluation.samples=0", &["evaluation.samples", "a whole number from 1"]),
    ];
    for (setting, words) in cases {
        place.refuse(&moons("run", &["--set", setting]), words);
        assert!(!place.path("run").exists(), "{setting}");
    }
    for (command, flag) in [("sample", "-n"), ("eval", "--batch")] {
        let answer = place.run(&[command, "run", flag, "0"]);
        assert_eq!(answer.code, Some(2), "{}", answer.stderr);
    }
}

#[test]
fn tables() {
    let place = Place::new();
    let refuse = |contents: &str, words: &[&str]| {
        place.write("rows.csv", contents);
        place.refuse(&table("run", &["--set", "data.path=rows.csv"]), words);
        assert!(!place.path("run").exists());
    };
    refuse("", &["rows.csv"]);
    refuse("a,b\n", &["rows.csv"]);
    refuse("a,b\n1,2\n3\n", &["rows.csv", "line 3"]);
    refuse("a,b\n1,2\n3,nan\n", &["rows.csv", "line 3", "not finite"]);
    refuse("a,b\n1,2\n3,word\n", &["rows.csv", "line 3", "word"]);
    refuse(&csv(2), &["split"]);
    place.refuse(&table("run", &["--set", "data.path=none.csv"]), &["none.csv"]);
    place.refuse(&table("run", &[]), &["data.path=FILE"]);
    place.write("rows.xyz", "1,2\n");
    place.refuse(&table("run", &["--set", "data.path=rows.xyz"]), &[".npy", ".csv"]);
}

#[test]
fn damaged_run_folders() {
    let place = Place::new();
    place.succeed(&moons("run", &[]));
    let weights = fs::read(place.path("run/model.safetensors")).unwrap();
    let resume = moons("run", &["--resume"]);
    let checkpoint = place.path("run/checkpoint-4.safetensors");
    let bytes = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &bytes[..bytes.len() - 1]).unwrap();
    place.refuse(
        &resume,
        &["checkpoint-4.safetensors", "damaged", "restore it from a copy"],
    );
    fs::remove_file(&checkpoint).unwrap();
    place.refuse(&resume, &["checkpoint-4.safetensors", "missing"]);
    place.write("run/checkpoint.json", "{");
    place.refuse(&resume, &["checkpoint.json", "restore it from a copy"]);

    place.write("run/model.safetensors", "nothing");
    place.refuse(
        &["sample", "run", "-n", "2"],
        &["model.safetensors", "safetensors file"],
    );
    place.write("run/model.safetensors", weights);
    place.write("run/data.json", "[]");
    place.refuse(&["sample", "run", "-n", "2"], &["data.json", "damaged"]);
    place.write("run/config.json", "{}");
    place.refuse(&["plot", "run"], &["config.json", "description"]);

    fs::create_dir(place.path("empty")).unwrap();
    for arguments in [vec!["plot", "empty"], vec!["sample", "empty", "-n", "2"]] {
        place.refuse(&arguments, &["empty", "no run folder"]);
    }
    place.refuse(&["plot", "absent"], &["absent", "no run folder"]);
}

#[test]
fn a_benchmark_is_not_added_to_another_file() {
    let place = Place::new();
    place.write("result.json", "{}");
    place.refuse(
        &["bench", "--json", "result.json"],
        &["result.json", "runs of a benchmark", "--json"],
    );
    place.refuse(&["bench", "--filter", "W9"], &["W9", "accepted is any part of"]);
}

#[test]
fn checkpoints_that_are_none() {
    let place = Place::new();
    let refuse = |contents: &[u8], words: &[&str]| {
        place.write("model.pth", contents);
        place.refuse(&["sample", "model.pth", "-n", "2"], words);
    };
    refuse(b"", &["model.pth", ".pth"]);
    refuse(b"not a checkpoint", &["model.pth", "zip archive"]);
    refuse(&archive("other.txt", b"text"), &["no data.pkl"]);
    refuse(&archive("m/data.pkl", b"garbage"), &["pickle"]);
    // An empty dictionary.
    let whole = archive("m/data.pkl", b"\x80\x02}q\x00.");
    refuse(&whole, &["no `args`"]);
    for part in 1..8 {
        refuse(&whole[..whole.len() * part / 8], &["model.pth"]);
    }
    place.refuse(&["sample", "absent.pth", "-n", "2"], &["absent.pth"]);
}

fn archive(name: &str, contents: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer
        .start_file(name, zip::write::SimpleFileOptions::default())
        .unwrap();
    writer.write_all(contents).unwrap();
    writer.finish().unwrap().into_inner()
}
