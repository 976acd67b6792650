//! Where run folders lie.

use crate::error::{LabError, Result};
use std::path::{Path, PathBuf};

/// Figures and seeds keep their runs in folders of their own.
const DEPTH: usize = 4;

/// All run folders at or below a folder, in the order of their paths; a run folder has none inside. A folder below that
/// cannot be listed is passed over.
///
/// # Errors
/// When the folder itself cannot be listed.
pub fn run_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::read_dir(folder).map_err(LabError::io("list", folder))?;
    let mut found = Vec::new();
    gather(folder, DEPTH, &mut found);
    found.sort();
    Ok(found)
}

fn gather(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if folder.join("config.json").is_file() {
        found.push(folder.to_path_buf());
        return;
    }
    let Some(depth) = depth.checked_sub(1) else { return };
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        gather(&path, depth, found);
    }
}
