//! The members of an archive that a benchmark needs: of the preprocessed `.tar.gz`, or of a publisher's `.zip`.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use ffjord_files::write_atomic_with;
use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::{Benchmark, BenchmarkError};
use crate::DataError;

/// A member beyond this is none of the originals; bounds what a hostile archive can make us write.
const MAX_MEMBER_BYTES: u64 = 1 << 33;

/// Whether a file's name is that of an archive.
pub(super) fn is_archive(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    [".tar.gz", ".tgz", ".tar", ".zip"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Writes the members that `benchmark` needs into `folder`, under their own names without folders.
pub(super) fn unpack(benchmark: Benchmark, archive: &Path, folder: &Path) -> Result<(), DataError> {
    let file = File::open(archive).map_err(|source| DataError::Io {
        action: "open",
        path: archive.to_owned(),
        source,
    })?;
    let reader = BufReader::new(file);
    let name = archive.to_string_lossy().to_lowercase();
    let unpacked = if name.ends_with(".zip") {
        unzip(benchmark, reader, folder)
    } else if name.ends_with(".tar") {
        untar(benchmark, reader, folder)
    } else {
        untar(benchmark, MultiGzDecoder::new(reader), folder)
    };
    unpacked.map_err(|source| {
        BenchmarkError::Unpack {
            path: archive.to_owned(),
            source,
        }
        .into()
    })
}

fn untar(benchmark: Benchmark, reader: impl Read, folder: &Path) -> io::Result<()> {
    for entry in tar::Archive::new(reader).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if entry.header().entry_type().is_file() {
            keep(benchmark, &path, &mut entry, folder)?;
        }
    }
    Ok(())
}

fn unzip(benchmark: Benchmark, reader: BufReader<File>, folder: &Path) -> io::Result<()> {
    let mut archive = ZipArchive::new(reader)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        if let Some(path) = entry.enclosed_name().filter(|_| entry.is_file()) {
            keep(benchmark, &path, &mut entry, folder)?;
        }
    }
    Ok(())
}

/// Writes a member if it is needed.
fn keep(benchmark: Benchmark, path: &Path, contents: &mut dyn Read, folder: &Path) -> io::Result<()> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(());
    };
    if !is_needed(benchmark, path, name) {
        return Ok(());
    }
    let written = write_atomic_with(folder.join(name), |file| {
        match io::copy(&mut contents.take(MAX_MEMBER_BYTES + 1), file)? {
            bytes if bytes > MAX_MEMBER_BYTES => {
                Err(io::Error::other(format!("{name} is too large to be the original")))
            }
            _ => Ok(()),
        }
    });
    written.map_err(|error| io::Error::other(error.to_string()))
}

fn is_needed(benchmark: Benchmark, path: &Path, name: &str) -> bool {
    let stem = name.strip_suffix(".gz").unwrap_or(name);
    let known = benchmark.file_names().iter().chain(benchmark.companions());
    // Two of the archive's folders have a file of this name.
    let ambiguous = stem == "data.npy";
    let parent = path.parent().and_then(Path::file_name);
    known.into_iter().any(|known| *known == stem)
        && (!ambiguous || parent.is_some_and(|parent| parent == benchmark.archive_folder()))
}
