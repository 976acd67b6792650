//! Checkpoints: whatever stops a run, the last one can be loaded, and damage is told apart.

use candle_core::{Device, Tensor};
use ffjord_train::{CheckpointStore, StoredCheckpoint, TrainError};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn tensors(value: f32) -> Vec<(String, Tensor)> {
    let steps = Tensor::new(value as i64, &Device::Cpu).unwrap();
    vec![
        ("weight".to_string(), Tensor::new(&[value, 0.1], &Device::Cpu).unwrap()),
        ("optimizer.steps".to_string(), steps),
    ]
}

fn save(folder: &Path, iteration: u64, value: f32) {
    CheckpointStore::new(folder)
        .save(iteration, &json!({ "best": f64::from(value) + 0.1 }), &tensors(value))
        .unwrap();
}

fn load(folder: &Path) -> StoredCheckpoint {
    CheckpointStore::new(folder)
        .load()
        .unwrap()
        .expect("there is a checkpoint")
}

fn assert_holds(folder: &Path, iteration: u64, value: f32) {
    let checkpoint = load(folder);
    assert_eq!(checkpoint.iteration, iteration);
    assert_eq!(checkpoint.metadata, json!({ "best": f64::from(value) + 0.1 }));
    assert_eq!(checkpoint.tensors["weight"].to_vec1::<f32>().unwrap(), [value, 0.1]);
    assert_eq!(
        checkpoint.tensors["optimizer.steps"].to_scalar::<i64>().unwrap(),
        value as i64
    );
}

type Files = BTreeMap<String, Vec<u8>>;

fn files(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

fn restore(folder: &Path, files: &Files) {
    for entry in fs::read_dir(folder).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// All states of the folder that a save passes through, by what it writes, in order, and how much of it.
///
/// Returns those before the moment at which the new checkpoint counts, and those from it on.
fn intermediate_states(before: &Files, after: &Files) -> (Vec<Files>, Vec<Files>) {
    let tensors = after
        .keys()
        .find(|name| name.ends_with(".safetensors"))
        .expect("tensors were saved")
        .clone();
    let mut state = before.clone();
    let mut early = vec![state.clone()];
    for name in [tensors.as_str(), "checkpoint.json"] {
        let temporary = format!(".{name}.x7Qa2b.tmp");
        for length in [0, after[name].len() / 2, after[name].len()] {
            state.insert(temporary.clone(), after[name][..length].to_vec());
            early.push(state.clone());
        }
        state.remove(&temporary);
        state.insert(name.to_string(), after[name].clone());
        early.push(state.clone());
    }
    let committed = early.pop().expect("states were pushed");
    (early, vec![committed, after.clone()])
}

#[test]
fn a_stop_at_any_moment_leaves_a_checkpoint() {
    // The last case saves an iteration again, which must not overwrite the tensors that count.
    for (first, second) in [(10, 20), (20, 10), (10, 10)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        save(folder, first, 1.0);
        let before = files(folder);
        save(folder, second, 2.0);
        let after = files(folder);
        assert_eq!(after.len(), 2, "{:?}", after.keys());
        let (early, late) = intermediate_states(&before, &after);
        let states = early
            .iter()
            .map(|state| (state, first, 1.0))
            .chain(late.iter().map(|state| (state, second, 2.0)));
        for (state, iteration, value) in states {
            restore(folder, state);
            assert_holds(folder, iteration, value);
            // Going on from there works, and cleans up what the stop left behind.
            for (next, value) in [(second, 3.0), (second + 1, 4.0)] {
                save(folder, next, value);
                assert_holds(folder, next, value);
                assert_eq!(files(folder).len(), 2, "{:?}", files(folder).keys());
            }
        }
    }
}

#[test]
fn a_stop_in_the_first_save_leaves_nothing_to_load() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), 5, 1.0);
    let after = files(folder.path());
    let (early, _) = intermediate_states(&Files::new(), &after);
    for state in early {
        restore(folder.path(), &state);
        assert!(CheckpointStore::new(folder.path()).load().unwrap().is_none());
    }
    let missing = folder.path().join("not").join("there");
    assert!(CheckpointStore::new(&missing).load().unwrap().is_none());
    save(&missing, 1, 1.0);
    assert_holds(&missing, 1, 1.0);
}

#[test]
fn other_files_of_the_folder_stay() {
    let folder = tempfile::tempdir().unwrap();
    let others = [
        "checkpoint-best.safetensors",
        "config.json",
        "checkpoint-1.txt",
        ".hidden.tmp",
    ];
    for name in others {
        fs::write(folder.path().join(name), name).unwrap();
    }
    save(folder.path(), 1, 1.0);
    save(folder.path(), 2, 2.0);
    let files = files(folder.path());
    assert_eq!(files.len(), others.len() + 2);
    assert!(others.iter().all(|name| files[*name] == name.as_bytes()));
}

#[test]
fn damage_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    save(folder, 7, 1.0);
    let good = files(folder);
    let store = CheckpointStore::new(folder);
    let tensors = folder.join("checkpoint-7.safetensors");
    let description = folder.join("checkpoint.json");

    fs::remove_file(&tensors).unwrap();
    let error = store.load().unwrap_err();
    assert!(
        matches!(&error, TrainError::CheckpointIncomplete { path } if *path == tensors),
        "{error}"
    );

    let bytes = &good["checkpoint-7.safetensors"];
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&bytes[..bytes.len() - 1], &[], &flipped] {
        fs::write(&tensors, damaged).unwrap();
        let error = store.load().unwrap_err();
        assert!(
            matches!(&error, TrainError::CheckpointDamaged { path, .. } if *path == tensors),
            "{error}"
        );
    }

    restore(folder, &good);
    let text = String::from_utf8(good["checkpoint.json"].clone()).unwrap();
    for length in 0..text.len() {
        fs::write(&description, &text[..length]).unwrap();
        assert!(
            matches!(store.load(), Err(TrainError::CheckpointFormat { .. })),
            "{length} bytes"
        );
    }
    fs::write(&description, text.replace("\"version\": 1", "\"version\": 9")).unwrap();
    let error = store.load().unwrap_err();
    assert!(
        matches!(
            error,
            TrainError::CheckpointVersion {
                given: 9,
                accepted: 1,
                ..
            }
        ),
        "{error}"
    );

    // A new run may save over what cannot be loaded.
    save(folder, 8, 3.0);
    assert_holds(folder, 8, 3.0);
}

#[test]
fn a_save_that_fails_leaves_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), 1, 1.0);
    let byte = [("mask".to_string(), Tensor::new(&[1u8], &Device::Cpu).unwrap())];
    let result = CheckpointStore::new(folder.path()).save(2, &json!(null), &byte);
    assert!(matches!(result, Err(TrainError::StoredType { .. })));
    assert_holds(folder.path(), 1, 1.0);
}

#[test]
fn metadata_keep_every_bit_of_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let metadata = json!({ "best": 0.1 + 0.2, "tiny": 5e-324, "seed": u64::MAX, "seconds": 1e-3 / 3.0 });
    CheckpointStore::new(folder.path()).save(1, &metadata, &[]).unwrap();
    assert_eq!(load(folder.path()).metadata, metadata);
}

#[test]
fn a_description_that_cannot_be_read_now_is_not_taken_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    save(folder, 5, 1.0);
    let before = fs::read(folder.join("checkpoint-5.safetensors")).unwrap();
    // A folder of that name is refused by the system's read, as a failing disk would.
    fs::remove_file(folder.join("checkpoint.json")).unwrap();
    fs::create_dir(folder.join("checkpoint.json")).unwrap();
    let error = CheckpointStore::new(folder)
        .save(5, &json!(null), &tensors(2.0))
        .unwrap_err();
    assert!(matches!(error, TrainError::File { action: "read", .. }), "{error}");
    assert_eq!(fs::read(folder.join("checkpoint-5.safetensors")).unwrap(), before);
}
