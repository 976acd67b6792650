//! Files of a run folder that are cut, filled with other bytes, or in each other's place.

use super::work::{moons, table, words};
use super::{Check, Settings};
use crate::error::{Result, StudyError};
use crate::program::Place;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const RUN: &str = "run";
const COPY: &str = "copy";
const ITERATIONS: usize = 4;
/// What only a finished run has.
const OF_THE_END: [&str; 2] = ["model.safetensors", "result.json"];

/// What becomes of a file.
#[derive(Debug, Clone)]
enum Damage {
    Cut(usize),
    Filled(Vec<u8>),
    Changed(usize),
    Foreign(String),
    Folder,
}

impl Damage {
    fn described(&self) -> String {
        match self {
            Self::Cut(length) => format!("cut after {length} bytes"),
            Self::Filled(bytes) => format!("filled with {} random bytes", bytes.len()),
            Self::Changed(place) => format!("another byte at {place}"),
            Self::Foreign(name) => format!("in its place {name}"),
            Self::Folder => "a folder in its place".to_string(),
        }
    }

    fn apply(&self, folder: &Path, name: &str) -> Result<()> {
        let path = folder.join(name);
        let read = |path: &Path| fs::read(path).map_err(StudyError::io("read", path));
        let bytes = match self {
            Self::Cut(length) => read(&path)?.into_iter().take(*length).collect(),
            Self::Filled(bytes) => bytes.clone(),
            Self::Changed(place) => {
                let mut bytes = read(&path)?;
                if let Some(byte) = bytes.get_mut(*place) {
                    *byte ^= 0x11;
                }
                bytes
            }
            Self::Foreign(other) => read(&folder.join(other))?,
            Self::Folder => {
                let replaced = fs::remove_file(&path).and_then(|()| fs::create_dir(&path));
                return replaced.map_err(StudyError::io("replace", &path));
            }
        };
        fs::write(&path, bytes).map_err(StudyError::io("write", &path))
    }

    /// Whether bytes are still what a file of this kind may hold, with other values: no reader can know.
    fn may_be_valid(&self) -> bool {
        matches!(self, Self::Changed(_))
    }
}

/// Damages every file of a run folder, finished and not, and runs what reads it.
pub(super) fn check(settings: &Settings) -> Result<Check> {
    let mut check = Check::new(
        "every file of a run folder, finished and not, is cut at random places, filled with random bytes, changed in a byte, \
         replaced by another file and by a folder; then eight commands read it",
    );
    let place = Place::new(&settings.program)?;
    place.write("rows.csv", table(12, 2))?;
    place.succeed(&moons(RUN, ITERATIONS, 2))?;
    let names = names(&place.path(RUN))?;
    let mut tally = Tally::default();
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    for finished in [true, false] {
        let present: Vec<&String> = names
            .iter()
            .filter(|name| finished || !OF_THE_END.contains(&name.as_str()))
            .collect();
        copy(&place, finished)?;
        let expected = read_all(&place, &mut |_, _| {})?;
        for (index, name) in present.iter().enumerate() {
            let foreign = present[(index + 1) % present.len()];
            for damage in damages(&place, name, foreign, settings.damages, &mut rng)? {
                copy(&place, finished)?;
                damage.apply(&place.path(COPY), name)?;
                check.count += 1;
                let mut faults = Vec::new();
                let outputs = read_all(&place, &mut |command, ended| {
                    tally.add(ended.code);
                    if let Some(fault) = ended.fault() {
                        faults.push(format!("{command}: {fault}"));
                    }
                })?;
                for (command, output) in &outputs {
                    if expected.get(command) != Some(output) && !damage.may_be_valid() {
                        tally.wrong += 1;
                        faults.push(format!("{command}: it succeeded with another output"));
                    }
                }
                let what = format!("{name}, {}", damage.described());
                faults.iter().for_each(|fault| check.fault(format!("{what}: {fault}")));
            }
        }
    }
    check
        .counted("commands", tally.commands)
        .counted("refused with a word", tally.refused)
        .counted(
            "went on without the damaged file or from what was left of it",
            tally.succeeded,
        )
        .counted("ended by a signal or a panic", tally.crashed)
        .counted("ended well with another output", tally.wrong);
    Ok(check)
}

/// How commands ended.
#[derive(Default)]
struct Tally {
    commands: usize,
    refused: usize,
    succeeded: usize,
    crashed: usize,
    wrong: usize,
}

impl Tally {
    fn add(&mut self, code: Option<i32>) {
        self.commands += 1;
        match code {
            Some(0 | 3) => self.succeeded += 1,
            Some(1) => self.refused += 1,
            _ => self.crashed += 1,
        }
    }
}

/// The outputs of commands that succeeded and whose output is a function of the run.
type Outputs = BTreeMap<&'static str, Option<Vec<u8>>>;

/// Runs everything that reads a run folder on the copy, `resume` last because it writes there.
fn read_all(place: &Place, see: &mut dyn FnMut(&str, &crate::program::Ended)) -> Result<Outputs> {
    let commands: [(&'static str, Vec<String>, Option<&str>); 8] = [
        ("runs", words(&["runs", "."]), None),
        ("watch", words(&["watch", COPY, "--once"]), None),
        ("report", words(&["report", COPY, "--out", "page.html"]), None),
        ("cite", words(&["cite", COPY]), None),
        (
            "eval",
            words(&["eval", COPY, "--data", "rows.csv", "--out", "scores.csv"]),
            Some("scores.csv"),
        ),
        (
            "sample",
            words(&["sample", COPY, "-n", "20", "--out", "samples.csv"]),
            Some("samples.csv"),
        ),
        ("plot", words(&["plot", COPY]), None),
        ("resume", moons(COPY, ITERATIONS, 2), Some("copy/model.safetensors")),
    ];
    let mut outputs = Outputs::new();
    for (name, arguments, output) in commands {
        let ended = place.run(&arguments)?;
        if let (Some(output), Some(0)) = (output, ended.code) {
            outputs.insert(name, place.bytes(output));
        }
        see(name, &ended);
    }
    Ok(outputs)
}

/// The regular files of a run folder; pictures below it are only written.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(StudyError::io("read", folder))?;
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let mut names: Vec<String> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// A fresh copy of the run, as it is after its end or before.
fn copy(place: &Place, finished: bool) -> Result<()> {
    place.remove(COPY)?;
    let (from, to) = (place.path(RUN), place.path(COPY));
    fs::create_dir(&to).map_err(StudyError::io("create", &to))?;
    for name in names(&from)? {
        if finished || !OF_THE_END.contains(&name.as_str()) {
            fs::copy(from.join(&name), to.join(&name)).map_err(StudyError::io("copy", &from.join(&name)))?;
        }
    }
    Ok(())
}

/// What is done to a file.
fn damages(place: &Place, name: &str, foreign: &str, times: usize, rng: &mut ChaCha8Rng) -> Result<Vec<Damage>> {
    let length = place.read(Path::new(RUN).join(name))?.len();
    let mut damages = vec![Damage::Cut(0), Damage::Foreign(foreign.to_string()), Damage::Folder];
    for _ in 0..times {
        // A lock's file is empty once nobody holds it.
        let mut bytes = vec![0; length.max(40)];
        rng.fill_bytes(&mut bytes);
        damages.push(Damage::Filled(bytes));
        if length > 1 {
            damages.push(Damage::Cut(rng.random_range(1..length)));
            damages.push(Damage::Changed(rng.random_range(0..length)));
        }
    }
    Ok(damages)
}
