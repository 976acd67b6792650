//! Folders of images in the cache: the publisher's files and their checksums.

use super::{ImageError, ImageSet};
use crate::DataError;
use crate::manifest::{FileRecord, ManifestError};
use ffjord_files::write_atomic;
use std::path::Path;

const RECORD: &str = "images.json";

/// Whether a folder is one that [`import`] wrote.
pub fn is_prepared(folder: &Path) -> bool {
    folder.join(RECORD).is_file()
}

/// Copies a set's files from a folder or an archive to the folder `cache/NAME`, once they are known to hold its images.
///
/// # Errors
/// Those of [`ImageSet::load`], and [`DataError::Io`] or [`DataError::File`] if they cannot be written.
pub fn import(set: ImageSet, from: &Path, cache: &Path) -> Result<Vec<FileRecord>, DataError> {
    let members = set.gather(from)?;
    set.splits(&members)?;
    let folder = cache.join(set.name());
    std::fs::create_dir_all(&folder).map_err(|source| DataError::Io {
        action: "write",
        path: folder.clone(),
        source,
    })?;
    let mut records = Vec::new();
    for (name, bytes) in &members {
        write_atomic(folder.join(name), bytes)?;
        records.push(FileRecord::of(name, bytes));
    }
    let text = serde_json::to_string_pretty(&records).map_err(ManifestError::from)?;
    // Last, so that a folder with it is whole.
    write_atomic(folder.join(RECORD), text)?;
    Ok(records)
}

/// Checks that a folder's files are those that were imported, and hold the set's images.
///
/// # Errors
/// [`ImageError::Missing`] for a folder that [`import`] did not write; [`DataError::Manifest`] for a file that has changed,
/// and those of [`ImageSet::load`].
pub fn verify(folder: &Path, set: ImageSet) -> Result<(), DataError> {
    if set == ImageSet::Digits {
        return set.load(None).map(drop);
    }
    if !is_prepared(folder) {
        return set.load(Some(folder)).map(drop);
    }
    let path = folder.join(RECORD);
    let text = crate::fs::read(&path)?;
    let records: Vec<FileRecord> = serde_json::from_slice(&text).map_err(|error| ImageError::File {
        path,
        reason: format!("it is damaged: {error}"),
    })?;
    for record in records {
        record.verify_file(&folder.join(&record.name))?;
    }
    set.load(Some(folder)).map(drop)
}
