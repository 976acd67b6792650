//! The file of a benchmark: what every run of it has measured, the latest last.

use crate::error::{Result, StudyError};
use ffjord_files::write_atomic;
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The runs in a file, none if there is no file yet.
///
/// # Errors
/// When the file cannot be read, or holds something else.
pub fn read_history(path: &Path) -> Result<Vec<Value>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| StudyError::History {
            path: path.to_path_buf(),
            source,
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StudyError::io("read", path)(error)),
    }
}

/// Adds a run to those that are in the file now: others may have come while this one was measured.
///
/// # Errors
/// As [`read_history`], or when the file cannot be written.
pub fn add_to_history(path: &Path, run: Value) -> Result<()> {
    let mut runs = read_history(path)?;
    runs.push(run);
    let text = format!("{}\n", serde_json::to_string_pretty(&runs)?);
    Ok(write_atomic(path, text.as_bytes())?)
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
            add_to_history(&path, json!({ "run": run })).unwrap();
        }
        let runs = read_history(&path).unwrap();
        assert_eq!(runs, [json!({ "run": "first" }), json!({ "run": "second" })]);
    }

    #[test]
    fn another_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        let text = "{\"preset\": \"toy-moons\"}";
        fs::write(&path, text).unwrap();
        let refusal = add_to_history(&path, json!({})).unwrap_err().to_string();
        assert!(
            refusal.contains("result.json") && refusal.contains("--json"),
            "{refusal}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}
