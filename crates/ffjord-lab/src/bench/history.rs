//! The file of a benchmark: what every run of it has measured, the latest last.

use crate::error::{LabError, Result};
use ffjord_train::write_atomic;
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Measured runs, and the file that keeps them.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    runs: Vec<Value>,
}

impl History {
    /// Those of a file, none if there is no file yet.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn open(path: &Path) -> Result<Self> {
        let runs = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| LabError::History {
                path: path.to_path_buf(),
                source,
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(LabError::io("read", path)(error)),
        };
        Ok(Self {
            path: path.to_path_buf(),
            runs,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a run, and writes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, run: Value) -> Result<()> {
        self.runs.push(run);
        let text = format!("{}\n", serde_json::to_string_pretty(&self.runs)?);
        Ok(write_atomic(&self.path, text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_second_run_leaves_the_first_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.json");
        for run in ["first", "second"] {
            History::open(&path).unwrap().add(json!({ "run": run })).unwrap();
        }
        let runs = History::open(&path).unwrap().runs;
        assert_eq!(runs, [json!({ "run": "first" }), json!({ "run": "second" })]);
    }

    #[test]
    fn another_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        fs::write(&path, "{\"preset\": \"toy-moons\"}").unwrap();
        let refusal = History::open(&path).unwrap_err().to_string();
        assert!(
            refusal.contains("result.json") && refusal.contains("--json"),
            "{refusal}"
        );
    }
}
