//! A training run that is killed at random moments and goes on each time.

use super::work::moons;
use super::{Check, Settings};
use crate::error::{Result, StudyError};
use crate::program::Place;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Iterations of a run that is killed several times, with a checkpoint every other one.
const ITERATIONS: usize = 600;
const CHECKPOINT_EVERY: usize = 2;
/// A moment lies within this part of a whole run's time from its start on: a run ends after some ten kills.
const WINDOW: f64 = 0.2;
const RUN: &str = "run";

/// Kills runs as often as the settings say and compares the weights that they end with.
pub(super) fn check(settings: &Settings) -> Result<Check> {
    let mut check = Check::new(format!(
        "a run of {ITERATIONS} iterations with a checkpoint every {CHECKPOINT_EVERY} is killed at a random moment and resumed, \
         again and again to its end"
    ));
    let place = Place::new(&settings.program)?;
    let whole = place.succeed(&moons("whole", ITERATIONS, CHECKPOINT_EVERY))?;
    let expected = end_of(&place, "whole")?;
    let arguments = moons(RUN, ITERATIONS, CHECKPOINT_EVERY);
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let (mut in_write, mut ended, mut refused, mut differed) = (0, 0, 0, 0);
    while check.count < settings.kills {
        let mut running = place.start(&arguments)?;
        std::thread::sleep(Duration::from_secs_f64(rng.random::<f64>() * WINDOW * whole.seconds));
        if !running.has_ended()? {
            running.kill()?;
            check.count += 1;
            in_write += usize::from(has_unfinished(&place.path(RUN)));
            // What the last kill leaves behind is resumed to its end.
            if check.count < settings.kills {
                continue;
            }
            running = place.start(&arguments)?;
        }
        let last = running.wait()?;
        ended += 1;
        if last.code == Some(0) {
            if end_of(&place, RUN)? != expected {
                differed += 1;
                check.fault(format!(
                    "after {} kills a run ended with other weights or losses",
                    check.count
                ));
            }
        } else {
            refused += 1;
            check.fault(format!("after {} kills: {}", check.count, last.described()));
        }
        place.remove(RUN)?;
    }
    let kills = check.count;
    check
        .counted("kills", kills)
        .counted("of them in the middle of writing a file", in_write)
        .counted("runs to their end", ended)
        .counted("could not be resumed", refused)
        .counted("ended with other weights or losses than an uninterrupted run", differed);
    Ok(check)
}

/// Whether a write was interrupted: its temporary file is still there.
fn has_unfinished(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        name.to_str().and_then(ffjord_files::name_of_unfinished).is_some()
    })
}

/// What must not depend on kills: the final weights' bytes, and the loss of every iteration.
fn end_of(place: &Place, run: &str) -> Result<(Vec<u8>, Vec<String>)> {
    let folder = Path::new(run);
    let lines = ffjord_train::read_metrics(place.path(folder.join("metrics.jsonl")))?;
    let lines = lines.iter().filter(|line| line["kind"] == "train");
    let losses = lines
        .map(|line| format!("{} {}", line["iteration"], line["loss"]))
        .collect();
    Ok::<_, StudyError>((place.read(folder.join("model.safetensors"))?, losses))
}
