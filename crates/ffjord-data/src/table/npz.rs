//! numpy's `.npz` archives: zip files of `.npy` arrays.

use std::{fs::File, io::BufReader, path::Path};

use zip::ZipArchive;

use super::npy::{self, NpyError};
use crate::{DataError, Matrix};

/// Reads the array `name` of an archive, or its first one.
pub(super) fn load(path: &Path, name: Option<&str>, keep_non_finite: bool) -> Result<Matrix<f64>, DataError> {
    let file = File::open(path).map_err(|source| DataError::Io {
        action: "open",
        path: path.to_owned(),
        source,
    })?;
    read(file, name, keep_non_finite).map_err(|error| DataError::Npy {
        path: path.to_owned(),
        error,
    })
}

fn read(file: File, name: Option<&str>, keep_non_finite: bool) -> Result<Matrix<f64>, NpyError> {
    let mut archive = ZipArchive::new(BufReader::new(file))?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let file_name = archive.name_for_index(index).transpose()?;
        if let Some(array) = file_name.as_deref().and_then(|name| name.strip_suffix(".npy")) {
            arrays.push((index, array.to_owned()));
        }
    }
    let Some((index, _)) = arrays
        .iter()
        .find(|(_, present)| name.is_none_or(|name| name == present))
    else {
        let present = arrays.into_iter().map(|(_, name)| name).collect();
        return Err(NpyError::NoArray {
            name: name.map(str::to_owned),
            present,
        });
    };
    let entry = archive.by_index(*index)?;
    let claimed = entry.size();
    npy::read(entry, claimed, keep_non_finite)
}
