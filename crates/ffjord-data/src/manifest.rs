//! What is known about a dataset's file: origin, licence, size, checksum, and what its columns hold.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Why a manifest, or a file held against it, is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The manifest is not the expected JSON.
    #[error("the manifest cannot be read or written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The file is not the one described.
    #[error(
        "{file} is damaged or another version: its SHA-256 is {given} ({given_bytes} bytes) where the manifest has \
         {expected} ({expected_bytes} bytes); fetch or make it again"
    )]
    Mismatch {
        /// The file's name in the manifest.
        file: String,
        /// Checksum of the bytes given.
        given: String,
        /// How many bytes were given.
        given_bytes: u64,
        /// Checksum in the manifest.
        expected: String,
        /// Size in the manifest.
        expected_bytes: u64,
    },
}

/// The description of one dataset, kept as `manifest.json` beside its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The dataset's short name.
    pub name: String,
    /// Its full title.
    pub title: String,
    /// The work to cite.
    pub citation: String,
    /// The licence it comes under.
    pub licence: Licence,
    /// Where the original is published.
    pub source: String,
    /// How the file differs from the original.
    pub changes: String,
    /// The command that makes the file from the original.
    pub made_by: String,
    /// The file itself.
    pub file: FileRecord,
    /// The number of observations.
    pub rows: u64,
    /// The variables, in order.
    pub columns: Vec<ColumnRecord>,
    /// What preprocessing must yield.
    pub prepared: PreparedRecord,
}

/// A licence and where its text is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// Its name.
    pub name: String,
    /// Address of its text.
    pub url: String,
}

/// A file's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Its name, beside the manifest.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// One variable as it stands in the file, before any noise or scaling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnRecord {
    /// Its name.
    pub name: String,
    /// The unit of all numbers in this record.
    pub unit: String,
    /// The resolution of the values.
    pub step: f64,
    /// The smallest value.
    pub minimum: f64,
    /// The largest value.
    pub maximum: f64,
    /// The mean.
    pub mean: f64,
    /// The population standard deviation.
    pub std: f64,
}

/// Row counts of the splits, and the moments that standardisation divides out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreparedRecord {
    /// Training rows.
    pub train_rows: u64,
    /// Validation rows.
    pub validation_rows: u64,
    /// Test rows.
    pub test_rows: u64,
    /// Means of train + validation before standardisation, one a column.
    pub means: Vec<f64>,
    /// Population standard deviations of train + validation before standardisation, one a column.
    pub stds: Vec<f64>,
}

impl FileRecord {
    /// The record of a file `name` with these contents.
    ///
    /// ```
    /// let record = ffjord_data::manifest::FileRecord::of("empty", b"");
    /// assert!(record.sha256.starts_with("e3b0c44298fc1c14"));
    /// assert!(record.verify(b"something").is_err());
    /// ```
    pub fn of(name: &str, contents: &[u8]) -> Self {
        let sha256 = Sha256::digest(contents)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            name: name.to_owned(),
            bytes: contents.len() as u64,
            sha256,
        }
    }

    /// Checks that `contents` are those of the record.
    ///
    /// # Errors
    /// [`ManifestError::Mismatch`] if they are not.
    pub fn verify(&self, contents: &[u8]) -> Result<(), ManifestError> {
        let given = Self::of(&self.name, contents);
        if given == *self {
            return Ok(());
        }
        Err(ManifestError::Mismatch {
            file: self.name.clone(),
            given: given.sha256,
            given_bytes: given.bytes,
            expected: self.sha256.clone(),
            expected_bytes: self.bytes,
        })
    }
}

impl Manifest {
    /// Reads a manifest from its JSON.
    ///
    /// # Errors
    /// [`ManifestError::Json`] for malformed text, missing and unknown keys.
    pub fn from_json(text: &str) -> Result<Self, ManifestError> {
        Ok(serde_json::from_str(text)?)
    }

    /// The manifest as indented JSON with a final newline.
    ///
    /// # Errors
    /// [`ManifestError::Json`] if a number is not finite.
    pub fn to_json(&self) -> Result<String, ManifestError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}
