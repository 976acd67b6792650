//! What can go wrong on the way from a server to the cache.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why a file could not be fetched.
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
