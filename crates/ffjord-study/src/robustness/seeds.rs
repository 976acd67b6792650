//! The files that fuzz targets begin with.

use super::{Check, Settings};
use crate::error::{Result, StudyError};
use std::fs;
use std::path::Path;

/// Counts the seeds of every reader; that readers stand them is what tests of `ffjord-run` say.
pub(super) fn check(settings: &Settings) -> Result<Check> {
    let mut check =
        Check::new("the seeds of every fuzz target are counted; a test reads all of them, cut and changed ones too");
    if !settings.seeds.is_dir() {
        let reason = format!("{} is not there: it comes with the source", settings.seeds.display());
        return Ok(Check::skipped(check.done, reason));
    }
    let mut readers = paths(&settings.seeds)?;
    readers.sort();
    for reader in readers.iter().filter(|path| path.is_dir()) {
        let files = paths(reader)?;
        let lengths = files
            .iter()
            .map(|file| fs::metadata(file).map(|metadata| metadata.len()));
        let bytes: u64 = lengths
            .sum::<std::io::Result<u64>>()
            .map_err(StudyError::io("read", reader))?;
        let name = reader.file_name().unwrap_or_default().to_string_lossy();
        check.count += files.len();
        check.counted(format!("files of {name} ({bytes} bytes)"), files.len());
        if files.is_empty() {
            check.fault(format!("{name} has no seeds"));
        }
    }
    if check.count == 0 {
        check.fault(format!("{} has no seeds", settings.seeds.display()));
    }
    Ok(check)
}

fn paths(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(folder).map_err(StudyError::io("read", folder))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}
