//! Metrics of a run: a file with one JSON value a line.

use crate::error::{Result, TrainError};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Appends lines of JSON to a file, so that what was written stays readable when the program is stopped.
///
/// ```
/// use ffjord_train::{MetricsWriter, read_metrics};
/// use serde_json::json;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("metrics.jsonl");
/// let mut writer = MetricsWriter::create(&path)?;
/// writer.write(&json!({ "iteration": 1, "loss": 2.5 }))?;
/// writer.write(&json!({ "iteration": 2, "loss": 2.0 }))?;
///
/// // A run that goes on from a checkpoint of iteration 1 writes iteration 2 again.
/// let mut writer = MetricsWriter::resume(&path, 1)?;
/// writer.write(&json!({ "iteration": 2, "loss": 2.0 }))?;
/// assert_eq!(read_metrics(&path)?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MetricsWriter {
    file: File,
    path: PathBuf,
}

impl MetricsWriter {
    /// Starts a new file; one that is there is emptied.
    ///
    /// # Errors
    /// [`TrainError::File`] if the file cannot be written.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let file = File::create(&path).map_err(TrainError::file("create", &path))?;
        Ok(Self { file, path })
    }

    /// Goes on with a file after `iteration` iterations.
    ///
    /// Of the lines that are there those stay whose field `iteration` is a number up to `iteration`; later ones and a
    /// last line that was cut off are removed. A file that is missing is created.
    ///
    /// # Errors
    /// [`TrainError::MetricsLine`] if a complete line is not JSON, [`TrainError::File`] and [`TrainError::Write`] if the
    /// file cannot be read or written.
    pub fn resume(path: impl Into<PathBuf>, iteration: u64) -> Result<Self> {
        let path = path.into();
        let contents = match fs::read(&path) {
            Ok(contents) => contents,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(TrainError::file("read", &path)(error)),
        };
        let mut kept = Vec::with_capacity(contents.len());
        for (line, value) in parse_lines(&path, &contents)? {
            if value
                .get("iteration")
                .and_then(Value::as_u64)
                .is_some_and(|of_line| of_line <= iteration)
            {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
        }
        ffjord_files::write_atomic(&path, &kept)?;
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(TrainError::file("open", &path))?;
        Ok(Self { file, path })
    }

    /// Writes one line; numbers that are not finite appear as `null`.
    ///
    /// # Errors
    /// [`TrainError::File`] if the file cannot be written.
    pub fn write(&mut self, line: &Value) -> Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        // One unbuffered call a line: what is written is with the system when this returns.
        self.file
            .write_all(&bytes)
            .map_err(TrainError::file("write", &self.path))
    }
}

/// Reads all lines of a metrics file but a last one that was cut off.
///
/// ```
/// use ffjord_train::{TrainError, read_metrics};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("metrics.jsonl");
/// // The last line was cut off when the program ended.
/// std::fs::write(&path, "{\"iteration\": 1, \"loss\": 2.5}\n{\"iter")?;
/// let lines = read_metrics(&path)?;
/// assert_eq!((lines.len(), lines[0]["loss"].as_f64()), (1, Some(2.5)));
/// std::fs::write(&path, "no JSON\n{\"iteration\": 2}\n")?;
/// assert!(matches!(read_metrics(&path), Err(TrainError::MetricsLine { line: 1, .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`TrainError::MetricsLine`] if a complete line is not JSON, [`TrainError::File`] if the file cannot be read.
pub fn read_metrics(path: impl AsRef<Path>) -> Result<Vec<Value>> {
    let path = path.as_ref();
    let contents = fs::read(path).map_err(TrainError::file("read", path))?;
    Ok(parse_lines(path, &contents)?
        .into_iter()
        .map(|(_, value)| value)
        .collect())
}

/// The complete lines of `contents` with their values; blank ones are left out.
fn parse_lines<'a>(path: &Path, contents: &'a [u8]) -> Result<Vec<(&'a [u8], Value)>> {
    let complete = contents
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let mut lines = Vec::new();
    for (index, line) in contents[..complete].split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let value = serde_json::from_slice(line).map_err(|source| TrainError::MetricsLine {
            path: path.to_path_buf(),
            line: index + 1,
            source,
        })?;
        lines.push((line, value));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn resuming_removes_what_the_run_will_write_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut writer = MetricsWriter::create(&path).unwrap();
        for iteration in 1..=4 {
            writer
                .write(&json!({ "kind": "train", "iteration": iteration, "loss": 0.1 }))
                .unwrap();
        }
        let whole = fs::read(&path).unwrap();
        // The lines up to iteration 2 stay byte by byte, wherever in the later ones the file was cut off.
        let kept = whole.len() / 2;
        for length in kept..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            drop(MetricsWriter::resume(&path, 2).unwrap());
            assert_eq!(fs::read(&path).unwrap(), &whole[..kept], "cut off at {length}");
        }
        let mut writer = MetricsWriter::resume(&path, 2).unwrap();
        for iteration in 3..=4 {
            writer
                .write(&json!({ "kind": "train", "iteration": iteration, "loss": 0.1 }))
                .unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_line_is_complete_only_with_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        fs::write(&path, b"{\"iteration\":1}\n\n{\"iteration\":12}").unwrap();
        assert_eq!(read_metrics(&path).unwrap(), [json!({ "iteration": 1 })]);
        drop(MetricsWriter::resume(&path, 100).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"{\"iteration\":1}\n");
    }

    #[test]
    fn a_missing_file_is_created_on_resuming_but_not_on_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        assert!(matches!(
            read_metrics(&path),
            Err(TrainError::File { action: "read", .. })
        ));
        MetricsWriter::resume(&path, 5)
            .unwrap()
            .write(&json!({ "iteration": 6, "loss": f64::NAN }))
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{\"iteration\":6,\"loss\":null}\n");
    }

    #[test]
    fn complete_lines_that_are_not_json_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        fs::write(&path, b"{\"iteration\":1}\n\xff\x00\n").unwrap();
        assert!(matches!(
            read_metrics(&path),
            Err(TrainError::MetricsLine { line: 2, .. })
        ));
        assert!(matches!(
            MetricsWriter::resume(&path, 9),
            Err(TrainError::MetricsLine { line: 2, .. })
        ));
        // Nothing is lost by the refusal.
        assert_eq!(fs::read(&path).unwrap(), b"{\"iteration\":1}\n\xff\x00\n");
    }
}
