//! What a path to be written names.

use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
};

use crate::FileError;

/// Where content that is written to a path goes.
#[derive(Debug)]
pub(crate) enum Place {
    /// A regular file, or none yet.
    File {
        /// Its own path, behind all links.
        path: PathBuf,
        /// What is there already.
        existing: Option<Metadata>,
    },
    /// A device, a pipe or an open descriptor, which must stay what it is.
    Stream,
}

/// Linux follows as many links before it gives up.
const MAX_LINKS: usize = 40;

impl Place {
    /// Finds out what `path` names.
    pub(crate) fn of(path: &Path) -> Result<Self, FileError> {
        if path.as_os_str().is_empty() {
            return Err(FileError::EmptyPath);
        }
        let failed = |source| FileError::Write {
            path: path.to_owned(),
            source,
        };
        let existing = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(FileError::Folder { path: path.to_owned() }),
            Ok(metadata) if !metadata.is_file() => return Ok(Self::Stream),
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        // `fs::canonicalize` would do for what exists; a link may also point to a file that is yet to be made.
        let mut place = path.to_owned();
        for _ in 0..MAX_LINKS {
            if belongs_to_the_system(&place) {
                return Ok(Self::Stream);
            }
            match fs::read_link(&place) {
                Ok(target) => place = folder_of(&place).join(target),
                // Not a link, or nothing yet.
                Err(_) => return Ok(Self::File { path: place, existing }),
            }
        }
        Err(failed(io::Error::other("too many symbolic links")))
    }
}

/// The folder that holds the file of this path.
pub(crate) fn folder_of(path: &Path) -> &Path {
    // The parent of a bare file name is the empty path, which does not name the current folder.
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Whether a path lies where the names of devices and of open descriptors are: `/dev/stdout` may name a regular file
/// that a shell has opened, and replacing that file would send the content where the shell does not look.
fn belongs_to_the_system(path: &Path) -> bool {
    cfg!(unix)
        && fs::canonicalize(folder_of(path)).is_ok_and(|folder| {
            folder == Path::new("/dev") || folder.starts_with("/dev/fd") || folder.starts_with("/proc")
        })
}
