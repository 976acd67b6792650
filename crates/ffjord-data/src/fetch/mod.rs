//! Downloads of original files into a cache: resumed where they broke off, checked, and complete or absent.

mod error;
mod partial;
mod transfer;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ffjord_files::write_atomic;
use md5::{Digest, Md5};

pub use self::error::FetchError;
use self::{error::MirrorError, partial::Partial};
use crate::manifest::{FileRecord, RemoteFile, for_each_piece, hexadecimal};

/// How far a download is.
///
/// ```
/// use ffjord_data::fetch::Progress;
/// let line = |progress: Progress<'_>| match progress.total {
///     Some(total) => format!("{}: {} %", progress.name, 100 * progress.received / total),
///     None => format!("{}: {} bytes", progress.name, progress.received),
/// };
/// assert_eq!(line(Progress { name: "data.tar.gz", received: 250, total: Some(1000) }), "data.tar.gz: 25 %");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file's name.
    pub name: &'a str,
    /// Bytes that are here, those of earlier attempts included.
    pub received: u64,
    /// Bytes that it has, where the server says so.
    pub total: Option<u64>,
}

/// Fetches files; an unfinished one stays in the folder as `NAME.partial` and is continued by the next call.
///
/// ```
/// use ffjord_data::fetch::Fetcher;
/// use ffjord_data::manifest::{FileRecord, RemoteFile};
/// # let folder = tempfile::tempdir()?;
/// let sha256 = Some(FileRecord::of("data.bin", b"numbers").sha256);
/// let urls = vec!["https://example.org/data.bin".to_owned()];
/// let file = RemoteFile { name: "data.bin".to_owned(), urls, bytes: Some(7), sha256, md5: None };
/// // One that is here already is checked, and not fetched.
/// std::fs::write(folder.path().join("data.bin"), b"numbers")?;
/// let path = Fetcher::default().fetch(&file, "https://example.org/page", folder.path(), &mut |_| ())?;
/// assert_eq!(path, folder.path().join("data.bin"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fetcher {
    agent: ureq::Agent,
    attempts: u32,
    pause: Duration,
}

impl Default for Fetcher {
    /// Five attempts without progress at each address, with growing pauses from one second.
    fn default() -> Self {
        Self::new(5, Duration::from_secs(1))
    }
}

impl Fetcher {
    /// Gives an address up after `attempts` attempts in a row that brought nothing new; the pause between them starts
    /// at `pause` and doubles.
    pub fn new(attempts: u32, pause: Duration) -> Self {
        let limit = Some(Duration::from_secs(30));
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(limit)
            .timeout_recv_response(limit)
            .timeout_per_read(limit)
            .build();
        Self {
            agent: config.into(),
            attempts: attempts.max(1),
            pause,
        }
    }

    /// The path of `file` in `folder`, fetched unless it is there already; `page` is where a person finds it.
    ///
    /// Its size and checksums are compared with those that are known. Where no SHA-256 is known, that of the first
    /// fetch is kept beside it as `NAME.json`, and later fetches must give the same.
    ///
    /// # Errors
    /// [`FetchError::Unreachable`] with the reason for every address, [`FetchError::Busy`], and [`FetchError::Io`].
    pub fn fetch(
        &self,
        file: &RemoteFile,
        page: &str,
        folder: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, FetchError> {
        let place = folder.join(&file.name);
        fs::create_dir_all(folder).map_err(io_error("make", folder))?;
        let record = folder.join(format!("{}.json", file.name));
        if place.is_file() {
            match check(file, &place, &record) {
                Ok(()) => return Ok(place),
                Err(MirrorError::Local(error)) => return Err(error),
                Err(_) => fs::remove_file(&place).map_err(io_error("remove", &place))?,
            }
        }
        let mut tried = Vec::new();
        for url in &file.urls {
            match self.fetch_from(file, url, &place, &record, progress) {
                Ok(()) => return Ok(place),
                Err(MirrorError::Local(error)) => return Err(error),
                Err(error) => tried.push(format!("{url}: {error}")),
            }
        }
        if tried.is_empty() {
            tried.push("no address serves it".to_owned());
        }
        Err(FetchError::Unreachable {
            name: file.name.clone(),
            tried: tried.join("; "),
            page: page.to_owned(),
            place,
        })
    }

    fn fetch_from(
        &self,
        file: &RemoteFile,
        url: &str,
        place: &Path,
        record: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), MirrorError> {
        let mut partial = Partial::open(place, url)?;
        let mut failures = 0;
        loop {
            let before = partial.length();
            let Err(error) = transfer::continue_partial(&self.agent, file, &mut partial, progress) else {
                break;
            };
            failures = if partial.length() > before { 1 } else { failures + 1 };
            if failures >= self.attempts || !error.is_passing() {
                return Err(error);
            }
            std::thread::sleep(self.pause * 2_u32.saturating_pow(failures - 1));
        }
        if let Err(error) = check(file, partial.path(), record) {
            partial.discard()?;
            return Err(error);
        }
        Ok(partial.finish(place)?)
    }
}

/// Compares a complete file with what is known of it, and keeps its SHA-256 if that is new.
fn check(file: &RemoteFile, path: &Path, record: &Path) -> Result<(), MirrorError> {
    let local = |source: crate::DataError| FetchError::Io {
        action: "check",
        path: path.to_owned(),
        source: std::io::Error::other(source.to_string()),
    };
    let mut md5 = Md5::new();
    if file.md5.is_some() {
        for_each_piece(path, |piece| md5.update(piece)).map_err(local)?;
    }
    let given = FileRecord {
        name: file.name.clone(),
        ..FileRecord::of_file(path).map_err(local)?
    };
    if let Some(expected) = file.bytes.filter(|expected| *expected != given.bytes) {
        return Err(MirrorError::Length {
            given: given.bytes,
            expected,
        });
    }
    let known: Option<FileRecord> = fs::read(record)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let known_sha256 = known.as_ref().map(|known| &known.sha256);
    for (kind, given, expected) in [
        ("MD5", hexadecimal(&md5.finalize()), file.md5.as_ref()),
        ("SHA-256", given.sha256.clone(), file.sha256.as_ref().or(known_sha256)),
    ] {
        if let Some(expected) = expected.filter(|expected| **expected != given) {
            return Err(MirrorError::Checksum {
                kind,
                given,
                expected: expected.clone(),
            });
        }
    }
    if known.is_none() {
        let text = serde_json::to_vec_pretty(&given).unwrap_or_default();
        write_atomic(record, &text).map_err(|error| local(error.into()))?;
    }
    Ok(())
}

/// Adds to an error of the system what was tried and where.
fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| FetchError::Io { action, path, source }
}
