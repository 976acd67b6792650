//! A file that is not complete yet.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{FetchError, io_error};

/// The bytes received so far, and what tells whether the server still has the same file.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    length: u64,
    url: String,
    validator: Option<String>,
}

impl Partial {
    /// What an earlier call left of the download of `url` to `place`, or nothing yet.
    pub(super) fn open(place: &Path, url: &str) -> Result<Self, FetchError> {
        let path = appended(place, ".partial");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path }),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
        let mut partial = Self {
            length: file.metadata().map_err(io_error("read", &path))?.len(),
            path,
            file,
            url: url.to_owned(),
            validator: None,
        };
        let origin = fs::read_to_string(partial.origin_path()).unwrap_or_default();
        match origin.split_once('\n') {
            Some((from, validator)) if from == url && !validator.is_empty() => {
                partial.validator = Some(validator.to_owned());
            }
            // Without proof that the file is still the same, its beginning is worth nothing.
            _ => partial.restart(None)?,
        }
        Ok(partial)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The entity tag or date by which the server recognises the file.
    pub(super) fn validator(&self) -> Option<&str> {
        self.validator.as_deref()
    }

    /// Forgets all bytes; those that follow belong to the file with this validator.
    pub(super) fn restart(&mut self, validator: Option<String>) -> Result<(), FetchError> {
        self.file.set_len(0).map_err(io_error("write", &self.path))?;
        self.length = 0;
        let origin = format!("{}\n{}", self.url, validator.as_deref().unwrap_or_default());
        self.validator = validator;
        fs::write(self.origin_path(), origin).map_err(io_error("write", &self.path))
    }

    /// Adds bytes at the end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        let written = self
            .file
            .seek(SeekFrom::Start(self.length))
            .and_then(|_| self.file.write_all(bytes));
        written.map_err(io_error("write", &self.path))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Gives the complete file its name.
    pub(super) fn finish(self, place: &Path) -> Result<(), FetchError> {
        self.file.sync_all().map_err(io_error("write", &self.path))?;
        fs::rename(&self.path, place).map_err(io_error("write", place))?;
        fs::remove_file(self.origin_path()).map_err(io_error("remove", &self.path))
    }

    /// Removes it.
    pub(super) fn discard(self) -> Result<(), FetchError> {
        let origin = self.origin_path();
        fs::remove_file(&self.path)
            .and_then(|()| fs::remove_file(origin))
            .map_err(io_error("remove", &self.path))
    }

    fn origin_path(&self) -> PathBuf {
        appended(&self.path, ".origin")
    }
}

fn appended(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
