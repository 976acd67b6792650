//! Clocks that run backwards, and processes that meet in one folder.

use super::work::{moons, words};
use super::{Check, Settings};
use crate::error::{Result, StudyError};
use crate::program::Place;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

const ITERATIONS: usize = 400;
const CHECKPOINT_EVERY: usize = 20;
/// How far a clock was ahead: a day and ten years.
const AHEAD: [u64; 2] = [86_400, 315_360_000];

/// Lets the files of an interrupted run lie in the future, as after a clock that is set back, and goes on.
pub(super) fn clock(settings: &Settings) -> Result<Check> {
    let mut check = Check::new(
        "all files of an interrupted run get times of change in the future (a day, ten years) or at the beginning of time, as \
         where a clock is set back; it is listed, watched and resumed",
    );
    let place = Place::new(&settings.program)?;
    place.succeed(&moons("whole", ITERATIONS, CHECKPOINT_EVERY))?;
    let expected = place.read("whole/model.safetensors")?;
    let now = SystemTime::now();
    let times = AHEAD.iter().map(|seconds| now + Duration::from_secs(*seconds));
    for time in times.chain([SystemTime::UNIX_EPOCH]) {
        let mut running = place.start(&moons("run", ITERATIONS, CHECKPOINT_EVERY))?;
        running.wait_until(|| place.path("run/checkpoint.json").exists())?;
        running.kill()?;
        set_times(&place.path("run"), time)?;
        for arguments in [words(&["runs", "."]), words(&["watch", "run", "--once"])] {
            let ended = place.run(&arguments)?;
            if ended.code != Some(0) || ended.fault().is_some() {
                check.fault(format!("{}: {}", arguments[0], ended.described()));
            }
        }
        let resumed = place.run(&moons("run", ITERATIONS, CHECKPOINT_EVERY))?;
        check.count += 1;
        if resumed.code != Some(0) {
            check.fault(format!("resumed: {}", resumed.described()));
        } else if place.bytes("run/model.safetensors").as_ref() != Some(&expected) {
            check.fault("a run ended with other weights");
        }
        place.remove("run")?;
    }
    let (resumed, faults) = (check.count, check.fault_count);
    check.counted("runs resumed", resumed).counted("faults", faults);
    Ok(check)
}

fn set_times(folder: &Path, time: SystemTime) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(StudyError::io("read", folder))?;
    for path in entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
    {
        let set = File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(time));
        set.map_err(StudyError::io("set the time of", &path))?;
    }
    Ok(())
}

/// Starts a run in a folder where another one is at work, and two at the same moment.
pub(super) fn pairs(settings: &Settings) -> Result<Check> {
    let mut check = Check::new(
        "a second process is started on a run folder, in turn while a first one is at work there and at the same moment; \
         the folder is resumed afterwards",
    );
    let place = Place::new(&settings.program)?;
    let arguments = moons("run", ITERATIONS, CHECKPOINT_EVERY);
    place.succeed(&moons("whole", ITERATIONS, CHECKPOINT_EVERY))?;
    let expected = place.read("whole/model.safetensors")?;
    let (mut turned_away, mut differed) = (0, 0);
    for pair in 0..settings.pairs {
        let mut first = place.start(&arguments)?;
        if pair % 2 == 0 {
            first.wait_until(|| place.path("run/checkpoint.json").exists())?;
        }
        let second = place.start(&arguments)?;
        let ended = [first.wait()?, second.wait()?];
        check.count += 1;
        for one in &ended {
            turned_away += usize::from(one.code == Some(1));
            if let Some(fault) = one.fault() {
                check.fault(fault);
            }
            if one.code == Some(1) && !one.told.contains("at work") {
                check.fault(format!("not told of the other process: {}", one.described()));
            }
        }
        if ended.iter().all(|one| one.code != Some(0)) {
            check.fault(format!("none of two processes trained: {}", ended[0].described()));
        }
        let resumed = place.run(&arguments)?;
        if resumed.code != Some(0) || place.bytes("run/model.safetensors").as_ref() != Some(&expected) {
            differed += 1;
            check.fault(format!("the folder is not the run's any more: {}", resumed.described()));
        }
        place.remove("run")?;
    }
    check
        .counted("turned away with a word", turned_away)
        .counted("folders with other weights", differed);
    Ok(check)
}
