//! What is known about a dataset: origin, licence, files with sizes and checksums, and what its columns hold.

use std::{fs::File, io::Read, path::Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{DataError, Matrix, Splits, statistics::Statistics};

/// Prepared rows are stored in single precision: what must be 0 or 1 is so within this.
const MOMENT_TOLERANCE: f64 = 1e-4;

/// Why a manifest, or a file held against it, is refused.
///
/// ```
/// use ffjord_data::manifest::{FileRecord, ManifestError};
/// let refused = FileRecord::of("data.bin", b"numbers").verify(b"other numbers").unwrap_err();
/// assert!(matches!(&refused, ManifestError::Mismatch { given_bytes: 13, expected_bytes: 7, .. }));
/// assert!(refused.to_string().contains("data.bin is damaged or another version"));
/// ```
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
    /// Prepared splits are not those described.
    #[error(
        "the prepared rows are not those of the published split of {name}: {what} is {given} where the manifest has \
         {expected}; use the original files named by `data info {name}`, or import \
         others under a `--label`"
    )]
    Prepared {
        /// The dataset.
        name: String,
        /// What differs.
        what: String,
        /// What the rows show.
        given: f64,
        /// What the manifest has.
        expected: f64,
    },
}

/// The description of one dataset, kept as `manifest.json` in its folder.
///
/// ```
/// use ffjord_data::Benchmark;
/// use ffjord_data::manifest::Manifest;
/// let manifest = Benchmark::Gas.manifest()?;
/// assert_eq!((manifest.name.as_str(), manifest.rows), ("gas", 1_052_065));
/// assert_eq!(Manifest::from_json(&manifest.to_json()?)?, manifest);
/// assert!(Manifest::from_json("{}").unwrap_err().to_string().contains("missing field"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// How the file beside the manifest, or else the prepared rows, differ from the original.
    pub changes: String,
    /// The command that makes the file from the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// The file beside the manifest, where the data may be passed on with the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileRecord>,
    /// The number of observations.
    pub rows: u64,
    /// The variables, in order, where the data may be passed on with the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnRecord>,
    /// What preprocessing must yield.
    pub prepared: PreparedRecord,
    /// Where the original can be had; each entry suffices by itself.
    pub originals: Vec<Original>,
}

/// One way to the original data.
///
/// ```
/// use ffjord_data::Benchmark;
/// let manifest = Benchmark::Gas.manifest()?;
/// let archive = &manifest.originals[0];
/// assert!(archive.title.contains("Papamakarios") && archive.page.starts_with("https://"));
/// assert_eq!(archive.files[0].name, "data.tar.gz");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Original {
    /// What it is.
    pub title: String,
    /// The page that a person finds it on.
    pub page: String,
    /// Its files, all of which are needed.
    pub files: Vec<RemoteFile>,
}

/// A file that can be fetched.
///
/// ```
/// use ffjord_data::manifest::RemoteFile;
/// let file: RemoteFile =
///     serde_json::from_str(r#"{"name": "data.bin", "urls": ["https://example.org/data.bin"], "bytes": 7}"#)?;
/// assert_eq!((file.bytes, file.sha256, file.md5), (Some(7), None, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteFile {
    /// Its name in the cache.
    pub name: String,
    /// Addresses that serve it, the preferred one first; none if it must be brought by hand.
    pub urls: Vec<String>,
    /// Its size, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Its SHA-256 in lower-case hexadecimal, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its MD5 in lower-case hexadecimal, where the publisher gives that: against damage, not against intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
}

/// A licence and where its text is.
///
/// ```
/// let gas = ffjord_data::Benchmark::Gas.manifest()?;
/// assert_eq!(gas.licence.name, "CC BY 4.0");
/// assert_eq!(gas.licence.url, "https://creativecommons.org/licenses/by/4.0/");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// Its name.
    pub name: String,
    /// Address of its text.
    pub url: String,
}

/// A file's identity.
///
/// ```
/// use ffjord_data::manifest::FileRecord;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.bin");
/// std::fs::write(&path, b"numbers")?;
/// let record = FileRecord::of_file(&path)?;
/// assert_eq!(record, FileRecord::of("data.bin", b"numbers"));
/// std::fs::write(&path, b"others!")?;
/// assert!(record.verify_file(&path).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// let power = ffjord_data::Benchmark::Power.manifest()?;
/// let voltage = &power.columns[1];
/// assert_eq!((voltage.name.as_str(), voltage.unit.as_str(), voltage.step), ("voltage", "V", 0.01));
/// assert!(voltage.minimum < voltage.mean && voltage.mean < voltage.maximum);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// What prepared splits must show: their sizes, and the moments of their columns.
///
/// ```
/// # use ffjord_data::{ConstantColumns, Matrix, SplitRule, prepare};
/// # let table = Matrix::new(100, 2, (0..200).map(|i| f64::from(i).sin()).collect())?;
/// # let prepared = prepare(&table, None, &SplitRule::default(), ConstantColumns::Reject)?;
/// # let cache = tempfile::tempdir()?;
/// # let cache = cache.path();
/// // These are not the rows of GAS.
/// let expected = ffjord_data::Benchmark::Gas.manifest()?.prepared;
/// assert_eq!((expected.train_rows, expected.dimension), (852_174, 8));
/// let refused = expected.check("gas", &prepared.splits).unwrap_err().to_string();
/// assert!(refused.contains("not those of the published split of gas"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreparedRecord {
    /// Training rows.
    pub train_rows: u64,
    /// Validation rows.
    pub validation_rows: u64,
    /// Test rows.
    pub test_rows: u64,
    /// Variables `D`.
    pub dimension: u64,
    /// Means before standardisation, one a column, where known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub means: Vec<f64>,
    /// Standard deviations before standardisation, one a column, where known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stds: Vec<f64>,
    /// The prepared rows that together have mean 0 and standard deviation 1 in every column.
    pub standard: StandardRows,
    /// Moments of the prepared validation rows, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<MomentsRecord>,
    /// Moments of the prepared test rows, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<MomentsRecord>,
}

/// Which rows a dataset is standardised by.
///
/// ```
/// use ffjord_data::Benchmark;
/// use ffjord_data::manifest::StandardRows;
/// assert_eq!(Benchmark::Hepmass.manifest()?.prepared.standard, StandardRows::TrainAndValidation);
/// assert_eq!(Benchmark::Gas.manifest()?.prepared.standard, StandardRows::All);
/// assert_eq!(Benchmark::Bsds300.manifest()?.prepared.standard, StandardRows::AsPublished);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StandardRows {
    /// Training and validation rows.
    TrainAndValidation,
    /// All rows.
    All,
    /// None that are here: the data are used as they are published.
    AsPublished,
}

/// Means and population standard deviations, one a column.
///
/// ```
/// let power = ffjord_data::Benchmark::Power.manifest()?.prepared;
/// // The test rows are standardised by the others, and so only nearly.
/// let test = power.test.ok_or("they are known")?;
/// assert_eq!(test.means.len(), 6);
/// assert!(test.means.iter().all(|mean| mean.abs() < 0.2) && test.stds.iter().all(|std| (std - 1.0).abs() < 0.2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MomentsRecord {
    /// The means.
    pub means: Vec<f64>,
    /// The standard deviations.
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
        Self {
            name: name.to_owned(),
            bytes: contents.len() as u64,
            sha256: hexadecimal(&Sha256::digest(contents)),
        }
    }

    /// The record of the file at `path`, which is read piece by piece.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be read.
    pub fn of_file(path: &Path) -> Result<Self, DataError> {
        let mut hasher = Sha256::new();
        let bytes = for_each_piece(path, |piece| hasher.update(piece))?;
        Ok(Self {
            name: file_name(path),
            bytes,
            sha256: hexadecimal(&hasher.finalize()),
        })
    }

    /// Checks that `contents` are those of the record.
    ///
    /// # Errors
    /// [`ManifestError::Mismatch`] if they are not.
    pub fn verify(&self, contents: &[u8]) -> Result<(), ManifestError> {
        self.compare(Self::of(&self.name, contents))
    }

    /// Checks that the file at `path` is that of the record.
    ///
    /// # Errors
    /// [`ManifestError::Mismatch`] if it is not, [`DataError::Io`] if it cannot be read.
    pub fn verify_file(&self, path: &Path) -> Result<(), DataError> {
        Ok(self.compare(Self::of_file(path)?)?)
    }

    fn compare(&self, given: Self) -> Result<(), ManifestError> {
        if given.bytes == self.bytes && given.sha256 == self.sha256 {
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

impl PreparedRecord {
    /// Checks sizes and moments of `splits`, those of the dataset `name`.
    ///
    /// # Errors
    /// [`ManifestError::Prepared`] names the first number that differs.
    pub fn check(&self, name: &str, splits: &Splits) -> Result<(), ManifestError> {
        let differs = |what: String, given: f64, expected: f64| ManifestError::Prepared {
            name: name.to_owned(),
            what,
            given,
            expected,
        };
        for (what, given, expected) in [
            ("the number of columns", splits.train.columns(), self.dimension),
            ("the number of training rows", splits.train.rows(), self.train_rows),
            (
                "the number of validation rows",
                splits.validation.rows(),
                self.validation_rows,
            ),
            ("the number of test rows", splits.test.rows(), self.test_rows),
        ] {
            if given as u64 != expected {
                return Err(differs(what.to_owned(), given as f64, expected as f64));
            }
        }
        let unit = MomentsRecord {
            means: vec![0.0; splits.train.columns()],
            stds: vec![1.0; splits.train.columns()],
        };
        let fitted = [&splits.train, &splits.validation];
        let all = [&splits.train, &splits.validation, &splits.test];
        let standard = match self.standard {
            StandardRows::TrainAndValidation => Some(("train and validation", &fitted[..], &unit)),
            StandardRows::All => Some(("all rows", &all[..], &unit)),
            StandardRows::AsPublished => None,
        };
        let validation = self.validation.as_ref().map(|known| ("validation", &all[1..2], known));
        let test = self.test.as_ref().map(|known| ("test", &all[2..], known));
        for (part, matrices, expected) in [standard, validation, test].into_iter().flatten() {
            if let Some((moment, given, expected)) = MomentsRecord::of(matrices).difference(expected) {
                return Err(differs(format!("the {moment} of {part}"), given, expected));
            }
        }
        Ok(())
    }
}

impl MomentsRecord {
    /// The moments of matrices, one below the other, all `[rows, D]` with the same `D`.
    pub(crate) fn of(matrices: &[&Matrix<f32>]) -> Self {
        let mut statistics = Statistics::new(matrices.first().map_or(0, |matrix| matrix.columns()));
        for row in matrices.iter().flat_map(|matrix| matrix.iter_rows()) {
            statistics.push(row.iter().map(|value| f64::from(*value)));
        }
        Self {
            means: statistics.means().to_vec(),
            stds: statistics.population_stds(),
        }
    }

    /// The first moment that differs from the expected one, with both values.
    fn difference(&self, expected: &Self) -> Option<(String, f64, f64)> {
        let moments = [
            ("mean", &self.means, &expected.means),
            ("standard deviation", &self.stds, &expected.stds),
        ];
        moments.into_iter().find_map(|(moment, given, expected)| {
            let mut columns = (0..).zip(given.iter().zip(expected));
            let (column, (given, expected)) = columns.find(|(_, (given, expected))| {
                let distance = (*given - *expected).abs();
                distance.is_nan() || distance > MOMENT_TOLERANCE
            })?;
            Some((format!("{moment} of column {column}"), *given, *expected))
        })
    }
}

/// Reads a file in pieces and returns its size.
pub(crate) fn for_each_piece(path: &Path, mut consume: impl FnMut(&[u8])) -> Result<u64, DataError> {
    let failed = |action| {
        move |source| DataError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let mut file = File::open(path).map_err(failed("open"))?;
    let mut piece = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut piece).map_err(failed("read"))?;
        if count == 0 {
            return Ok(bytes);
        }
        consume(&piece[..count]);
        bytes += count as u64;
    }
}

/// A digest as it is written.
pub(crate) fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
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
