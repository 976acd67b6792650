//! Where the original's files lie.

use std::path::{Path, PathBuf};

use super::{Benchmark, BenchmarkError, unpack::is_archive};
use crate::DataError;

/// The file of `benchmark` at `path`: the file itself, or that of a known name in the folder or below it as in the
/// preprocessed archive.
pub(super) fn file(benchmark: Benchmark, path: &Path) -> Result<PathBuf, DataError> {
    if path.is_file() {
        if is_archive(path) {
            return Err(BenchmarkError::Packed {
                name: benchmark.name(),
                path: path.to_owned(),
            }
            .into());
        }
        return Ok(path.to_owned());
    }
    candidates(benchmark, path)
        .into_iter()
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| not_found(benchmark, path))
}

pub(super) fn not_found(benchmark: Benchmark, path: &Path) -> DataError {
    BenchmarkError::NotFound {
        name: benchmark.name(),
        path: path.to_owned(),
        accepted: benchmark.accepted(),
    }
    .into()
}

/// Every place in which the first of the original's files may lie.
fn candidates(benchmark: Benchmark, folder: &Path) -> Vec<PathBuf> {
    let subfolder = benchmark.archive_folder();
    let folders = [
        folder.to_owned(),
        folder.join(subfolder),
        folder.join("data").join(subfolder),
    ];
    folders
        .into_iter()
        .flat_map(|folder| {
            let names = benchmark.file_names().iter();
            names.flat_map(move |name| [folder.join(name), folder.join(format!("{name}.gz"))])
        })
        .collect()
}
