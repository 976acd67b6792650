//! Folders of images in the cache: the publisher's files and their checksums.

use super::{ImageError, ImageSet};
use crate::DataError;
use crate::manifest::{FileRecord, ManifestError};
use ffjord_files::write_atomic;
use serde::{Deserialize, Serialize};
use std::path::Path;

const RECORD: &str = "images.json";

/// Whether a folder is one that [`import`] wrote.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// assert!(!ffjord_data::image::store::is_prepared(folder.path()));
/// std::fs::write(folder.path().join("images.json"), "[]")?;
/// assert!(ffjord_data::image::store::is_prepared(folder.path()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn is_prepared(folder: &Path) -> bool {
    folder.join(RECORD).is_file()
}

/// What a folder in the cache holds.
///
/// ```
/// use ffjord_data::image::store::ImageRecord;
/// use ffjord_data::manifest::FileRecord;
/// let record = ImageRecord { files: vec![FileRecord::of("images.bin", b"")], label: None };
/// let text = serde_json::to_string(&record)?;
/// assert!(!text.contains("label"));
/// assert_eq!(serde_json::from_str::<ImageRecord>(&text)?, record);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRecord {
    /// The files.
    pub files: Vec<FileRecord>,
    /// What the images are if they are not the published ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Copies a set's files from a folder, an archive or a file to the folder `cache/NAME`, once they are known to hold its
/// images; others are taken with a label that says what they are.
///
/// ```
/// use ffjord_data::{ImageSet, image::store};
/// # let place = tempfile::tempdir()?;
/// # let (from, cache) = (place.path().join("faces"), place.path().join("cache"));
/// # std::fs::create_dir(&from)?;
/// // There is nothing to import in an empty folder, and the cache stays as it was.
/// let missing = store::import(ImageSet::Mnist, &from, &cache, None).unwrap_err().to_string();
/// assert!(missing.contains("mnist"), "{missing}");
/// assert!(!store::is_prepared(&cache.join("mnist")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of [`ImageSet::load`], and [`DataError::Io`] or [`DataError::File`] if they cannot be written.
pub fn import(set: ImageSet, from: &Path, cache: &Path, label: Option<&str>) -> Result<ImageRecord, DataError> {
    let members = set.gather(from)?;
    match label {
        None => drop(set.published(&members)?),
        Some(_) => drop(set.find(Some(from), ImageSet::SPLIT_SEED)?),
    }
    let folder = cache.join(set.name());
    std::fs::create_dir_all(&folder).map_err(|source| DataError::Io {
        action: "write",
        path: folder.clone(),
        source,
    })?;
    let mut files = Vec::new();
    for (name, bytes) in &members {
        write_atomic(folder.join(name), bytes)?;
        files.push(FileRecord::of(name, bytes));
    }
    let record = ImageRecord {
        files,
        label: label.map(str::to_owned),
    };
    let text = serde_json::to_string_pretty(&record).map_err(ManifestError::from)?;
    // Last, so that a folder with it is whole.
    write_atomic(folder.join(RECORD), text)?;
    Ok(record)
}

/// The record of a folder that [`import`] wrote.
///
/// ```
/// use ffjord_data::image::store;
/// # let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("images.json"), r#"{"files": [], "label": "from another year"}"#)?;
/// assert_eq!(store::record(folder.path())?.label.as_deref(), Some("from another year"));
/// std::fs::write(folder.path().join("images.json"), "{")?;
/// assert!(store::record(folder.path()).unwrap_err().to_string().contains("it is damaged"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`DataError::Io`] where there is none, [`ImageError::File`] for a damaged one.
pub fn record(folder: &Path) -> Result<ImageRecord, DataError> {
    let path = folder.join(RECORD);
    let text = crate::fs::read(&path)?;
    // Older programs wrote the list alone.
    let older = |_| serde_json::from_slice(&text).map(|files| ImageRecord { files, label: None });
    serde_json::from_slice(&text)
        .or_else(older)
        .map_err(|error: serde_json::Error| ImageError::file(&path)(format!("it is damaged: {error}")).into())
}

/// Checks that a folder's files are those that were imported, and hold the set's images, and says what they are labelled.
///
/// ```
/// use ffjord_data::{ImageSet, image::store};
/// // The digits come with the program.
/// assert_eq!(store::verify("".as_ref(), ImageSet::Digits)?, None);
/// assert!(store::verify("no/such/folder".as_ref(), ImageSet::Mnist).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ImageError::Missing`] for a folder that [`import`] did not write; [`DataError::Manifest`] for a file that has changed,
/// and those of [`ImageSet::load`].
pub fn verify(folder: &Path, set: ImageSet) -> Result<Option<String>, DataError> {
    if set == ImageSet::Digits {
        return set.load(None).map(|_| None);
    }
    if !is_prepared(folder) {
        return set.load(Some(folder)).map(|_| None);
    }
    let ImageRecord { files, label } = record(folder)?;
    for file in files {
        file.verify_file(&folder.join(&file.name))?;
    }
    match label {
        None => set.load(Some(folder)).map(|_| None),
        label => set.find(Some(folder), ImageSet::SPLIT_SEED).map(|_| label),
    }
}
