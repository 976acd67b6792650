//! What can go wrong on the way from a server to the cache.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why a file could not be fetched.
///
/// ```
/// use ffjord_data::fetch::{FetchError, Fetcher};
/// use ffjord_data::manifest::RemoteFile;
/// # let folder = tempfile::tempdir()?;
/// // A file that no address serves must be brought by hand.
/// let file = RemoteFile { name: "data.bin".to_owned(), urls: Vec::new(), bytes: None, sha256: None, md5: None };
/// let fetcher = Fetcher::new(1, std::time::Duration::ZERO);
/// let failed = fetcher.fetch(&file, "https://example.org/page", folder.path(), &mut |_| ()).unwrap_err();
/// assert!(matches!(&failed, FetchError::Unreachable { name, .. } if name == "data.bin"));
/// assert!(failed.to_string().contains("download it by hand from https://example.org/page"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No address gave the file.
    #[error(
        "{name} could not be fetched ({tried}): download it by hand from {page} and put it at {}, \
         or give it to `data import`",
        place.display()
    )]
    Unreachable {
        /// The file's name.
        name: String,
        /// Every address with the reason why it failed.
        tried: String,
        /// The page that a person finds it on.
        page: String,
        /// Where it belongs.
        place: PathBuf,
    },
    /// Another process fetches the same file.
    #[error("another process is fetching {}: wait until it has finished", path.display())]
    Busy {
        /// The unfinished file.
        path: PathBuf,
    },
    /// The cache cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Why one address failed.
#[derive(Debug, Error)]
pub(super) enum MirrorError {
    #[error("{0}")]
    Request(#[from] Box<ureq::Error>),
    #[error("the server answers with status {status}")]
    Status { status: u16 },
    #[error("the connection broke after {received} bytes: {reason}")]
    Cut { received: u64, reason: String },
    #[error("it has {given} bytes where {expected} are expected")]
    Length { given: u64, expected: u64 },
    #[error("its {kind} is {given} where {expected} is expected: it is damaged or another version")]
    Checksum {
        kind: &'static str,
        given: String,
        expected: String,
    },
    #[error(transparent)]
    Local(#[from] FetchError),
}

impl MirrorError {
    /// Whether asking the same address again may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Request(_) | Self::Cut { .. } => true,
            Self::Status { status } => *status >= 500 || *status == 429,
            Self::Length { .. } | Self::Checksum { .. } | Self::Local(_) => false,
        }
    }
}
