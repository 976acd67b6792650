//! Who is at work in a run folder.

use crate::error::{Result, RunError};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

const LOCK: &str = "run.lock";

/// A run folder in the hands of this process, until this is dropped or the process ends in any way.
///
/// The lock is the operating system's, on the file `run.lock`; what is written in it says who holds it.
///
/// ```
/// use ffjord_run::{RunError, RunLock};
/// # let folder = tempfile::tempdir()?;
/// let lock = RunLock::take(folder.path())?;
/// assert!(RunLock::holder(folder.path())?.is_some());
/// assert!(matches!(RunLock::take(folder.path()), Err(RunError::Locked { .. })));
/// drop(lock);
/// assert_eq!(RunLock::holder(folder.path())?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

/// Who holds a lock, as the file says.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    process: u32,
    host: String,
    since: String,
}

impl RunLock {
    /// Takes a folder, which exists.
    ///
    /// # Errors
    /// [`RunError::Locked`] if another process has it; [`RunError::Io`] if the file cannot be made.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(RunError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::Locked {
                    path: folder.to_path_buf(),
                    holder: described(&written(&mut file)),
                });
            }
            // Some file systems have no locks: two processes are not told apart there, as ever.
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => (),
            Err(TryLockError::Error(error)) => return Err(RunError::io("lock", &path)(error)),
        }
        let holder = Holder {
            process: std::process::id(),
            host: host(),
            since: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        };
        let text = serde_json::to_string(&holder)?;
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(RunError::io("write", &path))?;
        Ok(Self { file })
    }

    /// Who has a folder, in words; none if nobody has. Nothing is written, so that runs of others can be looked at.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file is there but cannot be read.
    pub fn holder(folder: &Path) -> Result<Option<String>> {
        let path = folder.join(LOCK);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RunError::io("open", &path)(error)),
        };
        // Who lets go empties the file, so that the lock is asked for only where a process may have been killed.
        let text = written(&mut file);
        if text.is_empty() {
            return Ok(None);
        }
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(described(&text))),
            // Without locks what is written is all that is known.
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                Ok(Some(described(&text)))
            }
            Err(TryLockError::Error(error)) => Err(RunError::io("lock", &path)(error)),
        }
    }
}

/// What a lock's file says; that nothing can be read changes nothing about the lock.
fn written(file: &mut File) -> String {
    let mut text = String::new();
    let _ = Read::by_ref(file).take(4096).read_to_string(&mut text);
    text
}

/// Who holds a lock, in words.
fn described(text: &str) -> String {
    serde_json::from_str(text).map_or_else(
        |_| "it does not say which".to_string(),
        |Holder { process, host, since }| format!("process {process} on {host}, since {since}"),
    )
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The file stays: deleting it could take the lock of a process that opened it meanwhile.
        let _ = self.file.set_len(0);
    }
}

/// The machine's name, as far as the system tells without a library.
fn host() -> String {
    let told =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let name = told
        .ok()
        .map(|name| name.trim().to_string())
        .filter(|name| !name.is_empty());
    name.or_else(|| std::env::var("COMPUTERNAME").ok())
        .unwrap_or_else(|| "an unknown host".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_who_is_named() -> Result<()> {
        let place = tempfile::tempdir().map_err(RunError::io("create", &std::env::temp_dir()))?;
        let first = RunLock::take(place.path())?;
        let answer = RunLock::take(place.path()).map(drop).map_err(|error| error.to_string());
        let process = format!("process {} on ", std::process::id());
        assert!(answer.is_err_and(|text| text.contains(&process) && text.contains("--out DIR")));
        assert!(RunLock::holder(place.path())?.is_some_and(|holder| holder.contains(&process)));
        drop(first);
        assert_eq!(RunLock::holder(place.path())?, None);
        drop(RunLock::take(place.path())?);
        Ok(())
    }

    #[test]
    fn a_process_that_was_killed_holds_nothing() -> Result<()> {
        let place = tempfile::tempdir().map_err(RunError::io("create", &std::env::temp_dir()))?;
        assert_eq!(RunLock::holder(place.path())?, None);
        let path = place.path().join(LOCK);
        std::fs::write(&path, r#"{"process":1,"host":"here","since":"then"}"#).map_err(RunError::io("write", &path))?;
        assert_eq!(RunLock::holder(place.path())?, None);
        Ok(())
    }
}
