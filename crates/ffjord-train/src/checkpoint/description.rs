//! `checkpoint.json`: which file holds a checkpoint's tensors, and what else belongs to it.

use crate::error::{Result, TrainError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;

/// The version of the format that is written and read.
pub(super) const VERSION: u64 = 1;

/// The contents of `checkpoint.json`.
#[derive(Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    pub(super) version: u64,
    pub(super) iteration: u64,
    /// The name of the tensors' file, in the same folder.
    pub(super) file: String,
    /// SHA-256 of that file, in hexadecimal.
    pub(super) sha256: String,
    pub(super) metadata: Value,
}

impl Description {
    /// Reads a description; `path` is for messages.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let malformed = |reason: String| TrainError::CheckpointFormat {
            path: path.to_path_buf(),
            reason,
        };
        // The version comes first: the fields of another version may have other meanings.
        let value: Value = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        match value.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(given) => {
                return Err(TrainError::CheckpointVersion {
                    path: path.to_path_buf(),
                    given,
                    accepted: VERSION,
                });
            }
            None => return Err(malformed("there is no `version`".to_string())),
        }
        let description: Self = serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
        if file_iteration(&description.file) != Some(description.iteration) {
            let (file, iteration) = (&description.file, description.iteration);
            return Err(malformed(format!(
                "`{file}` cannot be the file of iteration {iteration}"
            )));
        }
        Ok(description)
    }
}

/// The two names that the tensors of an iteration may have.
///
/// The second one serves when an iteration is saved again: the tensors of the checkpoint that counts are never
/// overwritten.
pub(super) fn file_names(iteration: u64) -> [String; 2] {
    [
        format!("checkpoint-{iteration}.safetensors"),
        format!("checkpoint-{iteration}-again.safetensors"),
    ]
}

/// The iteration whose tensors have this file name; nothing for other files.
pub(super) fn file_iteration(name: &str) -> Option<u64> {
    let stem = name.strip_prefix("checkpoint-")?.strip_suffix(".safetensors")?;
    let iteration = stem.strip_suffix("-again").unwrap_or(stem).parse().ok()?;
    file_names(iteration)
        .iter()
        .any(|known| known == name)
        .then_some(iteration)
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_written_are_recognised() {
        assert_eq!(file_iteration("checkpoint-12.safetensors"), Some(12));
        assert_eq!(file_iteration("checkpoint-12-again.safetensors"), Some(12));
        for other in [
            "checkpoint-best.safetensors",
            "checkpoint-012.safetensors",
            "checkpoint-+12.safetensors",
            "checkpoint-12.safetensors.tmp",
            "checkpoint-../12.safetensors",
            "checkpoint-12-again-again.safetensors",
            "checkpoint-99999999999999999999.safetensors",
        ] {
            assert_eq!(file_iteration(other), None, "{other}");
        }
    }

    #[test]
    fn hash_is_sha256() {
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn hostile_descriptions_are_refused() {
        let path = Path::new("checkpoint.json");
        for text in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"version": 1}"#,
            r#"{"version": "1"}"#,
            r#"{"version": -1}"#,
            r#"{"version":1,"iteration":-3,"file":"checkpoint-3.safetensors","sha256":"","metadata":null}"#,
            r#"{"version":1,"iteration":3,"file":"checkpoint-4.safetensors","sha256":"","metadata":null}"#,
            r#"{"version":1,"iteration":3,"file":"../checkpoint-3.safetensors","sha256":"","metadata":null}"#,
            r#"{"version":1,"iteration":3,"file":"/etc/passwd","sha256":"","metadata":null}"#,
            r#"{"version":1,"iteration":3,"file":"checkpoint-3.safetensors","sha256":"","metadata":null,"more":1}"#,
        ] {
            let result = Description::parse(path, text.as_bytes());
            assert!(matches!(result, Err(TrainError::CheckpointFormat { .. })), "{text}");
        }
        let newer = Description::parse(path, br#"{"version": 2, "shards": []}"#);
        assert!(matches!(
            newer,
            Err(TrainError::CheckpointVersion {
                given: 2,
                accepted: 1,
                ..
            })
        ));
    }
}
