//! `data` of images, from their publishers to the cache.

use super::data::download;
use crate::error::{LabError, Result};
use crate::terminal::say;
use ffjord_data::ImageSet;
use ffjord_data::image::store;
use std::path::Path;

/// One line of the list.
pub(super) fn line(set: ImageSet, cache: &Path) -> Result<()> {
    let manifest = set.manifest()?;
    let prepared = manifest.prepared;
    say!(
        "{:<18} {:>7} / {:>6} / {:>6} × {:<4}  {:<12} {}",
        set.name(),
        prepared.train_rows,
        prepared.validation_rows,
        prepared.test_rows,
        prepared.dimension,
        state(set, cache),
        manifest.title
    );
    Ok(())
}

/// Where a set is.
pub(super) fn state(set: ImageSet, cache: &Path) -> &'static str {
    match set {
        ImageSet::Digits => "built in",
        _ if store::is_prepared(&cache.join(set.name())) => "in the cache",
        _ => "not here",
    }
}

/// Tries the originals in their order until one gives the set's images.
pub(super) fn fetch(set: ImageSet, cache: &Path) -> Result<()> {
    if set == ImageSet::Digits {
        say!("digits are part of the program: there is nothing to fetch");
        return Ok(());
    }
    let mut reasons = Vec::new();
    for original in set.manifest()?.originals {
        // Sets have files of the same names.
        let place = cache.join("downloads").join(set.name());
        let imported = download(&original, &place).and_then(|downloaded| import(set, &downloaded, cache, None));
        match imported {
            Ok(()) => return Ok(()),
            Err(error) => reasons.push(format!("{}: {error}", original.title)),
        }
    }
    Err(LabError::NoOriginal {
        name: set.name(),
        reasons: reasons.join("; "),
    })
}

/// Takes a set from files that are here, with a label if they are other images than the published ones.
pub(super) fn import(set: ImageSet, from: &Path, cache: &Path, label: Option<&str>) -> Result<()> {
    let record = store::import(set, from, cache, label)?;
    say!("{}: kept in {}", set.name(), cache.join(set.name()).display());
    for file in record.files {
        say!("from {}, {} bytes, SHA-256 {}", file.name, file.bytes, file.sha256);
    }
    Ok(())
}

/// Checks a set in the cache.
pub(super) fn verify(set: ImageSet, cache: &Path) -> Result<()> {
    match store::verify(&cache.join(set.name()), set)? {
        Some(label) => say!("{}: undamaged, but not the published images: {label}", set.name()),
        None => say!("{}: undamaged, and the images that its manifest describes", set.name()),
    }
    Ok(())
}
