//! numpy's `.npz` archives: zip files of `.npy` arrays.

use std::{
    fmt,
    fs::File,
    io::{BufReader, Read, Seek},
    path::Path,
};

use zip::ZipArchive;

use super::{
    npy::{self, NpyError},
    npy_header::Header,
};
use crate::{DataError, Matrix};

/// An array of an archive: its name, and its shape where its header can be read.
///
/// ```
/// use ffjord_data::table::{ArrayInfo, NpyError};
/// let array = |name: &str, shape| ArrayInfo { name: name.to_owned(), shape: Some(shape) };
/// let several = NpyError::SeveralArrays { present: vec![array("x", vec![100, 2]), array("y", vec![100])] };
/// assert!(several.to_string().contains("say which with --set data.array=NAME"), "{several}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayInfo {
    /// Its name, without `.npy`.
    pub name: String,
    /// Its shape; none where the header is not understood.
    pub shape: Option<Vec<u64>>,
}

impl fmt::Display for ArrayInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shape {
            Some(shape) => write!(f, "{} {shape:?}", self.name),
            None => write!(f, "{} (not an array of numbers)", self.name),
        }
    }
}

/// Reads the array `name` of an archive, or its only one, with values that are not finite; and says which.
pub(super) fn load(path: &Path, name: Option<&str>) -> Result<(String, Matrix<f64>), DataError> {
    let file = File::open(path).map_err(|source| DataError::Io {
        action: "open",
        path: path.to_owned(),
        source,
    })?;
    read(BufReader::new(file), name).map_err(|error| DataError::Npy {
        path: path.to_owned(),
        error,
    })
}

fn read(reader: impl Read + Seek, name: Option<&str>) -> Result<(String, Matrix<f64>), NpyError> {
    let mut archive = ZipArchive::new(reader)?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let file_name = archive.name_for_index(index).transpose()?;
        if let Some(array) = file_name.as_deref().and_then(|name| name.strip_suffix(".npy")) {
            arrays.push((index, array.to_owned()));
        }
    }
    let mut wanted = arrays
        .iter()
        .filter(|(_, present)| name.is_none_or(|name| name == present));
    let (index, array) = match (wanted.next(), wanted.next()) {
        (Some(one), None) => one.clone(),
        (Some(_), Some(_)) => {
            return Err(NpyError::SeveralArrays {
                present: describe(&mut archive, arrays),
            });
        }
        (None, _) => {
            return Err(NpyError::NoArray {
                name: name.map(str::to_owned),
                present: describe(&mut archive, arrays),
            });
        }
    };
    let entry = archive.by_index(index)?;
    let claimed = entry.size();
    Ok((array, npy::read(entry, claimed, true)?))
}

/// Names and shapes of the first arrays.
fn describe<R: Read + Seek>(archive: &mut ZipArchive<R>, arrays: Vec<(usize, String)>) -> Vec<ArrayInfo> {
    const SHOWN: usize = 30;
    let arrays = arrays.into_iter().take(SHOWN);
    arrays
        .map(|(index, name)| {
            let header = archive.by_index(index).ok();
            let header = header.and_then(|mut entry| Header::read(&mut entry).ok());
            let shape = header.map(|header| header.shape);
            ArrayInfo { name, shape }
        })
        .collect()
}
