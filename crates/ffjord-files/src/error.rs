//! What can go wrong when a file is written.

use std::{io, path::PathBuf};

/// Why a file was not written.
///
/// ```
/// use ffjord_files::{FileError, write_atomic};
/// # let folder = tempfile::tempdir()?;
/// assert!(matches!(write_atomic("", "text"), Err(FileError::EmptyPath)));
/// let refused = write_atomic(folder.path(), "text").unwrap_err();
/// assert!(matches!(&refused, FileError::Folder { path } if path == folder.path()));
/// assert!(refused.to_string().ends_with("is a folder: give the name of a file in it"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// A regular file could not be written; its old content, if there was any, is still there.
    #[error(
        "cannot write {}: {source}; what was there is unchanged. Check that the folder exists, that it and the file \
         can be written, and that there is room",
        path.display()
    )]
    Write {
        /// The file as it was given.
        path: PathBuf,
        /// The system's answer, or that of the function that writes the content.
        source: io::Error,
    },
    /// A device, a pipe or another thing that is no regular file did not take the content, or not all of it.
    #[error(
        "cannot write to {}, which is no regular file: {source}. Check that it can be written and that whatever reads \
         from it is still there",
        path.display()
    )]
    WriteThrough {
        /// The path as it was given.
        path: PathBuf,
        /// The system's answer, or that of the function that writes the content.
        source: io::Error,
    },
    /// The new content is in place, but may be the old one again if the machine stops now.
    #[error(
        "{} is written, but the system could not bring its folder to the disk: {source}. Write it again before you \
         rely on it",
        path.display()
    )]
    Sync {
        /// The file as it was given.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A folder was given where a file is to be written.
    #[error("{} is a folder: give the name of a file in it", path.display())]
    Folder {
        /// The path as it was given.
        path: PathBuf,
    },
    /// An empty path was given.
    #[error("an empty path names no file: give the name of the file to write")]
    EmptyPath,
    /// Writing the output would overwrite an input.
    #[error(
        "the output {} is the same file as the input {}, which would be lost: give another name for the output",
        output.display(),
        input.display()
    )]
    SameFile {
        /// The output as it was given.
        output: PathBuf,
        /// The input that it would overwrite, as it was given.
        input: PathBuf,
    },
}
