//! Event files, read by a reader that shares nothing with the writer.

use ffjord_train::{IterationReport, Observer, TensorBoard, ValidationReport};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

type Scalars = BTreeMap<String, Vec<(u64, f32)>>;
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// CRC-32C bit by bit, as its polynomial defines it.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut sum = !0u32;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 };
        }
    }
    !sum
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

/// The fields of a message with their numbers.
fn fields(mut message: &[u8]) -> Vec<(u64, Field)> {
    let varint = |message: &mut &[u8]| {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = message[0];
            *message = &message[1..];
            value |= u64::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                return value;
            }
        }
    };
    let mut all = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => {
                all.push((key >> 3, Field::Number(varint(&mut message))));
                continue;
            }
            1 => 8,
            5 => 4,
            2 => varint(&mut message) as usize,
            other => panic!("wire type {other}"),
        };
        all.push((key >> 3, Field::Bytes(message[..length].to_vec())));
        message = &message[length..];
    }
    all
}

/// All messages of a file, whose checksums must be right.
fn records(path: &Path) -> Outcome<Vec<Vec<(u64, Field)>>> {
    let contents = fs::read(path)?;
    let mut file = contents.as_slice();
    let mut all = Vec::new();
    while !file.is_empty() {
        let length = u64::from_le_bytes(file[..8].try_into()?) as usize;
        assert_eq!(u32::from_le_bytes(file[8..12].try_into()?), masked(&file[..8]));
        let message = &file[12..12 + length];
        assert_eq!(
            u32::from_le_bytes(file[12 + length..16 + length].try_into()?),
            masked(message)
        );
        all.push(fields(message));
        file = &file[16 + length..];
    }
    Ok(all)
}

/// Tag, step and value of every scalar in a folder's files, in the order that they are read in; and the starts of sessions.
fn scalars(folder: &Path) -> Outcome<(Scalars, Vec<u64>)> {
    let mut paths: Vec<_> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let (mut all, mut starts) = (Scalars::new(), Vec::new());
    for path in paths {
        let messages = records(&path)?;
        assert!(
            messages[0].contains(&(3, Field::Bytes(b"brain.Event:2".to_vec()))),
            "{messages:?}"
        );
        for message in messages {
            let step = message.iter().find_map(|field| match field {
                (2, Field::Number(step)) => Some(*step),
                _ => None,
            });
            let step = step.ok_or("no step")?;
            for (number, field) in &message {
                let Field::Bytes(bytes) = field else { continue };
                match number {
                    7 => starts.push(step),
                    5 => {
                        for (_, value) in fields(bytes) {
                            let Field::Bytes(value) = value else { continue };
                            let value = fields(&value);
                            let [(1, Field::Bytes(tag)), (2, Field::Bytes(number))] = value.as_slice() else {
                                panic!("{value:?}");
                            };
                            let number = f32::from_le_bytes(number.as_slice().try_into()?);
                            all.entry(String::from_utf8(tag.clone())?)
                                .or_default()
                                .push((step, number));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    Ok((all, starts))
}

fn iteration(iteration: u64) -> IterationReport {
    IterationReport {
        iteration,
        loss: 1.0 / iteration as f64,
        terms: vec![("nll".to_string(), 0.5)],
        forward_evaluations: 14.0,
        backward_evaluations: 12.0,
        end_times: vec![1.0],
        gradient_norm: 300.0,
        learning_rate: 1e-3,
        seconds: iteration as f64,
        processes: Vec::new(),
    }
}

fn validation(iteration: u64) -> ValidationReport {
    ValidationReport {
        iteration,
        nll: 2.25,
        standard_error: 0.125,
        test_nll: (iteration == 4).then_some(3.0),
        best: true,
        seconds: 1.0,
    }
}

#[test]
fn an_independent_reader_finds_every_number() -> Outcome<()> {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    let place = tempfile::tempdir()?;
    let folder = place.path().join("events");
    let mut writer = TensorBoard::create(&folder)?;
    for step in 1..=200 {
        writer.iteration(&iteration(step))?;
    }
    writer.validation(&validation(200))?;
    let (all, starts) = scalars(&folder)?;
    let loss: Vec<(u64, f32)> = (1..=200).map(|step| (step, (1.0 / step as f64) as f32)).collect();
    assert_eq!(all["train/loss"], loss);
    for (tag, value) in [
        ("terms/nll", 0.5),
        ("evaluations/forward", 14.0),
        ("evaluations/backward", 12.0),
        ("end_time/0", 1.0),
        ("train/gradient_norm", 300.0),
        ("train/learning_rate", 1e-3),
    ] {
        assert_eq!((all[tag].len(), all[tag][199]), (200, (200, value)), "{tag}");
    }
    assert_eq!(all["validation/nll"], [(200, 2.25)]);
    assert!(!all.contains_key("validation/test_nll"));
    assert_eq!(starts, [1]);
    Ok(())
}

#[test]
fn a_run_that_goes_on_has_every_step_once_wherever_it_was_cut_off() -> Outcome<()> {
    let place = tempfile::tempdir()?;
    let (whole, cut) = (place.path().join("whole"), place.path().join("cut"));
    let mut writer = TensorBoard::create(&whole)?;
    for step in 1..=4 {
        writer.iteration(&iteration(step))?;
    }
    let file = fs::read_dir(&whole)?.flatten().next().ok_or("no file")?;
    let bytes = fs::read(file.path())?;
    // Two events of a start and two of the iterations that the checkpoint has.
    let until: usize = records(&file.path())?.len();
    assert_eq!(until, 6);
    for end in (bytes.len() / 2 + 40..=bytes.len()).step_by(7) {
        drop(fs::remove_dir_all(&cut));
        fs::create_dir(&cut)?;
        fs::write(cut.join(file.file_name()), &bytes[..end])?;
        let mut writer = TensorBoard::resume(&cut, 2)?;
        writer.iteration(&iteration(3))?;
        writer.validation(&validation(4))?;
        let (all, starts) = scalars(&cut)?;
        let steps: Vec<u64> = all["train/loss"].iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [1, 2, 3], "cut off at {end}");
        assert_eq!(all["validation/test_nll"], [(4, 3.0)]);
        assert_eq!(starts, [1, 3]);
    }
    // A run that begins anew leaves nothing of an older one.
    drop(TensorBoard::create(&cut)?);
    assert_eq!(fs::read_dir(&cut)?.count(), 1);
    Ok(())
}
