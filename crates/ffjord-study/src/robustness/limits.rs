//! Places that take no more bytes, or none at all.

use super::work::{moons, table, words};
use super::{Check, Settings};
use crate::error::{Result, StudyError};
use crate::program::Place;
use std::fs;
use std::path::Path;

const ITERATIONS: usize = 400;
const CHECKPOINT_EVERY: usize = 20;
/// Blocks, of 512 or 1,024 bytes as the shell has it, that a file may have; one is enough for the words of a refusal, which
/// go to a file too.
const BLOCKS: [usize; 9] = [1, 2, 3, 4, 6, 8, 12, 16, 64];
/// Ends a process's wish to be told by a signal, so that it sees the error that a full disk gives.
const LIMITED: &str = "trap '' XFSZ; ulimit -f";

/// Trains where no file may grow beyond some blocks, and goes on without that limit.
pub(super) fn growth(settings: &Settings) -> Result<Check> {
    let mut check = Check::new(format!(
        "a run where no file may have more than {} to {} blocks of 512 or 1,024 bytes (RLIMIT_FSIZE), then resumed without a limit",
        BLOCKS[0],
        BLOCKS[BLOCKS.len() - 1]
    ));
    let place = Place::new(&settings.program)?;
    if !takes_a_limit(&place)? {
        return Ok(Check::skipped(
            check.done,
            "there is no shell that limits the size of files",
        ));
    }
    place.succeed(&moons("whole", ITERATIONS, CHECKPOINT_EVERY))?;
    let expected = place.read("whole/model.safetensors")?;
    let (mut refused, mut differed) = (0, 0);
    for blocks in BLOCKS {
        // Training of a size that a limit has room for ends well, which is no fault.
        let ended = place.run_by(
            &format!("{LIMITED} {blocks}; exec \"$@\""),
            &moons("run", ITERATIONS, CHECKPOINT_EVERY),
        )?;
        check.count += 1;
        refused += usize::from(ended.code == Some(1));
        if let Some(fault) = ended.fault() {
            check.fault(format!("{blocks} blocks: {fault}"));
        }
        let resumed = place.run(&moons("run", ITERATIONS, CHECKPOINT_EVERY))?;
        if resumed.code != Some(0) {
            check.fault(format!("after {blocks} blocks, resumed: {}", resumed.described()));
        } else if place.bytes("run/model.safetensors").as_ref() != Some(&expected) {
            differed += 1;
            check.fault(format!("after {blocks} blocks a run ended with other weights"));
        }
        place.remove("run")?;
    }
    if refused == 0 {
        check.fault("no limit was met: the check says nothing");
    }
    check
        .counted("ended with a word", refused)
        .counted("ended with other weights when resumed", differed);
    Ok(check)
}

/// Whether the shell's limit holds.
fn takes_a_limit(place: &Place) -> Result<bool> {
    if !cfg!(unix) {
        return Ok(false);
    }
    let path = place.path("limited");
    let script = format!("{LIMITED} 1; head -c 4096 /dev/zero > \"{}\"", path.display());
    place.run_by(&script, &[])?;
    Ok(fs::metadata(path).is_ok_and(|metadata| metadata.len() < 4096))
}

/// Sends what commands write to a device that has no room.
pub(super) fn full_device(settings: &Settings) -> Result<Check> {
    let mut check = Check::new(
        "files for likelihoods, samples, pages and pictures are written to /dev/full, and what is said on standard output and standard error",
    );
    if !Path::new("/dev/full").exists() {
        return Ok(Check::skipped(check.done, "there is no /dev/full"));
    }
    let place = Place::new(&settings.program)?;
    place.write("rows.csv", table(12, 2))?;
    place.succeed(&moons("run", 4, 2))?;
    let mut refused = 0;
    for arguments in [
        words(&["eval", "run", "--data", "rows.csv", "--out", "/dev/full"]),
        words(&["report", "run", "--out", "/dev/full"]),
        words(&["plot", "--compare", "run", "--out", "/dev/full"]),
    ] {
        let ended = place.run(&arguments)?;
        check.count += 1;
        refused += usize::from(ended.code == Some(1));
        match (ended.code, ended.fault()) {
            (_, Some(fault)) => check.fault(format!("{}: {fault}", arguments[0])),
            (Some(1), None) => {}
            _ => check.fault(format!("{}: it succeeded and wrote nothing", arguments[0])),
        }
    }
    // What is said may be lost, what is written may not, and the exit code stays what it is.
    for (run, expected) in [("said", 0), ("run", 1)] {
        let ended = place.run_by("exec \"$@\" > /dev/full 2> /dev/full", &beginning(run))?;
        check.count += 1;
        if ended.code != Some(expected) {
            check.fault(format!("experiment > /dev/full 2>&1: {}", ended.described()));
        }
    }
    for arguments in [words(&["runs", "."]), words(&["cite", "run"])] {
        let ended = place.run_by("exec \"$@\" > /dev/full", &arguments)?;
        check.count += 1;
        refused += usize::from(ended.code == Some(1));
        if let Some(fault) = ended.fault() {
            check.fault(format!("{} > /dev/full: {fault}", arguments[0]));
        }
    }
    if place.bytes("said/model.safetensors") != place.bytes("run/model.safetensors") {
        check.fault("a run without room for its words ended with other weights");
    }
    check.counted("refused with a word", refused);
    Ok(check)
}

/// The arguments that begin a run and refuse a folder that holds one.
fn beginning(folder: &str) -> Vec<String> {
    moons(folder, 4, 2)
        .into_iter()
        .filter(|argument| argument != "--resume")
        .collect()
}

/// Starts, resumes and reads runs in a folder that cannot be written.
pub(super) fn read_only(settings: &Settings) -> Result<Check> {
    let mut check =
        Check::new("in a folder that cannot be written a run is begun, resumed, drawn, evaluated and listed");
    let place = Place::new(&settings.program)?;
    let folder = place.path("locked");
    fs::create_dir(&folder).map_err(StudyError::io("create", &folder))?;
    place.succeed(&moons("locked/run", 4, 2))?;
    place.write("rows.csv", table(12, 2))?;
    let before = contents(&place.path("locked/run"))?;
    let Some(locked) = locked(&place)? else {
        let reason = "the system lets this user write everywhere, and mounts nothing read-only for it";
        return Ok(Check::skipped(check.done, reason));
    };
    let readings = [
        words(&["eval", "locked/run", "--data", "rows.csv", "--out", "scores.csv"]),
        words(&["sample", "locked/run", "-n", "5", "--out", "samples.csv"]),
        words(&["runs", "locked"]),
        words(&["watch", "locked/run", "--once"]),
        words(&["cite", "locked/run"]),
    ];
    let writings = [
        moons("locked/new", 4, 2),
        moons("locked/run", 4, 2),
        words(&["plot", "locked/run"]),
        words(&["report", "locked/run"]),
    ];
    let (mut refused, mut read) = (0, 0);
    let all = readings
        .iter()
        .map(|line| (line, 0))
        .chain(writings.iter().map(|line| (line, 1)));
    for (arguments, expected) in all {
        let ended = place.run_by(&locked, arguments)?;
        check.count += 1;
        refused += usize::from(ended.code == Some(1));
        read += usize::from(ended.code == Some(0));
        if ended.code != Some(expected) || ended.fault().is_some() {
            check.fault(format!("{}: {}", arguments[0], ended.described()));
        }
    }
    set_read_only(&folder, false)?;
    if contents(&place.path("locked/run"))? != before {
        check.fault("a file of the folder has changed");
    }
    check.counted("read", read).counted("refused with a word", refused);
    Ok(check)
}

/// The script that runs a program while `locked` cannot be written: by its permissions where they bind this user, or else by a
/// mount that only the program sees.
fn locked(place: &Place) -> Result<Option<String>> {
    if !cfg!(unix) {
        return Ok(None);
    }
    let plain = "exec \"$@\"";
    let mounted = "exec unshare --map-root-user --mount sh -c 'mount --bind locked locked && mount -o remount,bind,ro locked \
                   && exec \"$@\"' sh \"$@\"";
    set_read_only(&place.path("locked"), true)?;
    for script in [plain, mounted] {
        // The program is left out: what is tried is the folder.
        let probe = format!("set -- touch locked/probe; {script}");
        let ended = place.run_by(&probe, &[])?;
        if ended.code == Some(1) && ended.told.contains("locked/probe") {
            return Ok(Some(script.to_string()));
        }
        let _ = fs::remove_file(place.path("locked/probe"));
    }
    set_read_only(&place.path("locked"), false)?;
    Ok(None)
}

/// Takes from a folder and those in it the permission to be written, or gives it back.
#[cfg(unix)]
fn set_read_only(folder: &Path, read_only: bool) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = if read_only { 0o555 } else { 0o755 };
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(&folder, permissions).map_err(StudyError::io("change permissions of", &folder))?;
        let entries = fs::read_dir(&folder).map_err(StudyError::io("read", &folder))?;
        folders.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()));
    }
    Ok(())
}

#[cfg(not(unix))]
fn set_read_only(_folder: &Path, _read_only: bool) -> Result<()> {
    Ok(())
}

/// Names and bytes of a folder's files.
fn contents(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let entries = fs::read_dir(folder).map_err(StudyError::io("read", folder))?;
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let mut all = Vec::new();
    for file in files {
        let bytes = fs::read(file.path()).map_err(StudyError::io("read", &file.path()))?;
        all.push((file.file_name().to_string_lossy().into_owned(), bytes));
    }
    all.sort();
    Ok(all)
}
