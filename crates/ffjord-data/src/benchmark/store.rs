//! Folders of prepared data: three arrays and what is known of them.

use std::{
    fs::{self, File},
    path::Path,
};

use ffjord_files::write_atomic;
use serde::{Deserialize, Serialize};

use super::{
    Benchmark, BenchmarkError,
    unpack::{is_archive, unpack},
};
use crate::{
    DataError, Matrix, Prepared, Splits, Standardizer,
    manifest::FileRecord,
    table::{npy, save_npy},
};

const RECORD: &str = "prepared.json";
const ARRAYS: [&str; 3] = ["train.npy", "validation.npy", "test.npy"];

/// What is written beside the arrays.
///
/// ```
/// # use ffjord_data::{ConstantColumns, Matrix, SplitRule, prepare};
/// # let table = Matrix::new(100, 2, (0..200).map(|i| f64::from(i).sin()).collect())?;
/// # let prepared = prepare(&table, None, &SplitRule::default(), ConstantColumns::Reject)?;
/// # let cache = tempfile::tempdir()?;
/// # let cache = cache.path();
/// use ffjord_data::{Benchmark, benchmark::store};
/// let record = store::save(cache, Benchmark::Gas, &prepared, Vec::new(), Some("a draw of my own"))?;
/// assert_eq!((record.name.as_str(), record.label.as_deref()), ("gas", Some("a draw of my own")));
/// assert_eq!(record.means, prepared.standardizer.means());
/// assert_eq!((record.arrays[0].name.as_str(), record.originals.len()), ("train.npy", 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The dataset's name.
    pub name: String,
    /// What the rows are, where they are not held to be the published split: a draw of one's own, for instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The means that were subtracted, one a column.
    pub means: Vec<f64>,
    /// The standard deviations that were divided by, one a column.
    pub stds: Vec<f64>,
    /// The arrays of train, validation and test, `[rows, D]` in single precision.
    pub arrays: Vec<FileRecord>,
    /// The file that they were made from; none where that was a folder.
    pub originals: Vec<FileRecord>,
}

/// Whether a folder is one that [`save`] wrote.
///
/// ```
/// # use ffjord_data::{ConstantColumns, Matrix, SplitRule, prepare};
/// # let table = Matrix::new(100, 2, (0..200).map(|i| f64::from(i).sin()).collect())?;
/// # let prepared = prepare(&table, None, &SplitRule::default(), ConstantColumns::Reject)?;
/// # let cache = tempfile::tempdir()?;
/// # let cache = cache.path();
/// use ffjord_data::{Benchmark, benchmark::store};
/// assert!(!store::is_prepared(&cache.join("gas")));
/// store::save(cache, Benchmark::Gas, &prepared, Vec::new(), Some("a draw of my own"))?;
/// assert!(store::is_prepared(&cache.join("gas")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn is_prepared(folder: &Path) -> bool {
    folder.join(RECORD).is_file()
}

/// Writes prepared data into the folder `cache/NAME`, which appears whole or not at all and replaces an older one.
///
/// A `label` says what the rows are where they are not the published split.
///
/// ```
/// # use ffjord_data::{ConstantColumns, Matrix, SplitRule, prepare};
/// # let table = Matrix::new(100, 2, (0..200).map(|i| f64::from(i).sin()).collect())?;
/// # let prepared = prepare(&table, None, &SplitRule::default(), ConstantColumns::Reject)?;
/// # let cache = tempfile::tempdir()?;
/// # let cache = cache.path();
/// use ffjord_data::{Benchmark, benchmark::store};
/// store::save(cache, Benchmark::Gas, &prepared, Vec::new(), None)?;
/// // What takes the published split's place must not be something else.
/// let refused = store::save(cache, Benchmark::Gas, &prepared, Vec::new(), Some("a draw of my own")).unwrap_err();
/// assert!(refused.to_string().contains("holds the published split"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`DataError::Io`] and [`DataError::File`] if it cannot be written, and [`BenchmarkError::Labelled`] if labelled data would replace others
/// that are not.
pub fn save(
    cache: &Path,
    benchmark: Benchmark,
    prepared: &Prepared,
    originals: Vec<FileRecord>,
    label: Option<&str>,
) -> Result<Record, DataError> {
    let folder = cache.join(benchmark.name());
    if label.is_some() && is_prepared(&folder) && record(&folder, benchmark)?.label.is_none() {
        return Err(BenchmarkError::Labelled { path: folder }.into());
    }
    let failed = |source| DataError::Io {
        action: "write",
        path: folder.clone(),
        source,
    };
    fs::create_dir_all(cache).map_err(failed)?;
    let temporary = tempfile::Builder::new().tempdir_in(cache).map_err(failed)?;
    let Splits {
        train,
        validation,
        test,
    } = &prepared.splits;
    let mut arrays = Vec::new();
    for (name, matrix) in ARRAYS.into_iter().zip([train, validation, test]) {
        let path = temporary.path().join(name);
        save_npy(&path, matrix)?;
        arrays.push(FileRecord::of_file(&path)?);
    }
    let record = Record {
        name: benchmark.name().to_owned(),
        label: label.map(str::to_owned),
        means: prepared.standardizer.means().to_vec(),
        stds: prepared.standardizer.stds().to_vec(),
        arrays,
        originals,
    };
    let text = serde_json::to_string_pretty(&record).map_err(crate::manifest::ManifestError::from)?;
    write_atomic(temporary.path().join(RECORD), text)?;
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    fs::rename(temporary.path(), &folder).map_err(failed)?;
    // It has its final name: there is nothing left to remove.
    let _ = temporary.keep();
    Ok(record)
}

/// Prepares the published split from an original file, folder or archive and keeps it in the folder `cache/NAME`.
///
/// With a `label` the rows may be others, and carry the label wherever they are used.
///
/// ```
/// use ffjord_data::{Benchmark, benchmark::store};
/// # let place = tempfile::tempdir()?;
/// # let (original, cache) = (place.path().join("MiniBooNE_PID.txt"), place.path().join("cache"));
/// // 40 signal events of 50 numbers in the original's format, which are not those that were published.
/// let number = |i: u32| f64::from(i).sin().to_string();
/// let line = |row: u32| (0..50).map(|i| number(row * 50 + i)).collect::<Vec<_>>().join(" ");
/// let events: Vec<String> = (0..40).map(line).collect();
/// std::fs::write(&original, format!(" 40 0\n{}\n", events.join("\n")))?;
/// assert!(store::import(Benchmark::Miniboone, &original, &cache, None).is_err());
/// let record = store::import(Benchmark::Miniboone, &original, &cache, Some("made up"))?;
/// assert_eq!((record.means.len(), record.originals.len()), (50, 1));
/// assert_eq!(Benchmark::Miniboone.prepare(cache.join("miniboone"))?.splits.test.rows(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of [`Benchmark::prepare`] and [`save`], and [`DataError::Manifest`] if rows without a label are not the
/// published ones.
pub fn import(benchmark: Benchmark, from: &Path, cache: &Path, label: Option<&str>) -> Result<Record, DataError> {
    let failed = |source| DataError::Io {
        action: "write",
        path: cache.to_owned(),
        source,
    };
    fs::create_dir_all(cache).map_err(failed)?;
    let unpacked = tempfile::Builder::new().tempdir_in(cache).map_err(failed)?;
    let mut origin = from;
    if from.is_file() && is_archive(from) {
        unpack(benchmark, from, unpacked.path())?;
        origin = unpacked.path();
    }
    let prepared = benchmark.prepare(origin)?;
    if label.is_none() {
        let published = benchmark.manifest()?.prepared;
        published.check(benchmark.name(), &prepared.splits)?;
    }
    let originals = if from.is_file() {
        vec![FileRecord::of_file(from)?]
    } else {
        Vec::new()
    };
    save(cache, benchmark, &prepared, originals, label)
}

/// The record of a folder that [`save`] wrote.
///
/// ```
/// # use ffjord_data::{ConstantColumns, Matrix, SplitRule, prepare};
/// # let table = Matrix::new(100, 2, (0..200).map(|i| f64::from(i).sin()).collect())?;
/// # let prepared = prepare(&table, None, &SplitRule::default(), ConstantColumns::Reject)?;
/// # let cache = tempfile::tempdir()?;
/// # let cache = cache.path();
/// use ffjord_data::{Benchmark, benchmark::store};
/// let saved = store::save(cache, Benchmark::Gas, &prepared, Vec::new(), Some("a draw of my own"))?;
/// assert_eq!(store::record(&cache.join("gas"), Benchmark::Gas)?, saved);
/// let other = store::record(&cache.join("gas"), Benchmark::Power).unwrap_err().to_string();
/// assert!(other.contains("they are those of gas"), "{other}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`BenchmarkError::Prepared`] if it is damaged or that of another dataset.
pub fn record(folder: &Path, benchmark: Benchmark) -> Result<Record, DataError> {
    let damaged = |reason: String| damaged(folder, benchmark, reason);
    let path = folder.join(RECORD);
    let file = File::open(&path).map_err(|source| DataError::Io {
        action: "open",
        path,
        source,
    })?;
    let record: Record =
        serde_json::from_reader(std::io::BufReader::new(file)).map_err(|error| damaged(error.to_string()))?;
    if record.name != benchmark.name() {
        return Err(damaged(format!("they are those of {}", record.name)));
    }
    Ok(record)
}

/// Reads what [`save`] wrote; the arrays' checksums are [`verify`]'s matter.
///
/// ```
/// # use ffjord_data::{ConstantColumns, Matrix, SplitRule, prepare};
/// # let table = Matrix::new(100, 2, (0..200).map(|i| f64::from(i).sin()).collect())?;
/// # let prepared = prepare(&table, None, &SplitRule::default(), ConstantColumns::Reject)?;
/// # let cache = tempfile::tempdir()?;
/// # let cache = cache.path();
/// use ffjord_data::{Benchmark, benchmark::store};
/// store::save(cache, Benchmark::Gas, &prepared, Vec::new(), Some("a draw of my own"))?;
/// assert_eq!(store::load(&cache.join("gas"), Benchmark::Gas)?, prepared);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`BenchmarkError::Prepared`] if the parts do not fit each other, and the errors of the arrays.
pub fn load(folder: &Path, benchmark: Benchmark) -> Result<Prepared, DataError> {
    let record = record(folder, benchmark)?;
    let columns = record.means.len();
    let [train, validation, test] = ARRAYS.map(|name| -> Result<Matrix<f32>, DataError> {
        let matrix: Matrix<f32> = npy::load(&folder.join(name))?;
        if matrix.columns() == columns {
            return Ok(matrix);
        }
        let reason = format!("{name} has {} columns where {columns} are recorded", matrix.columns());
        Err(damaged(folder, benchmark, reason))
    });
    Ok(Prepared {
        splits: Splits {
            train: train?,
            validation: validation?,
            test: test?,
        },
        standardizer: Standardizer::new(record.means, record.stds)?,
    })
}

/// Checks a folder that [`save`] wrote: the arrays' checksums, and, unless they have a label, that they show what the
/// manifest has.
///
/// ```
/// # use ffjord_data::{ConstantColumns, Matrix, SplitRule, prepare};
/// # let table = Matrix::new(100, 2, (0..200).map(|i| f64::from(i).sin()).collect())?;
/// # let prepared = prepare(&table, None, &SplitRule::default(), ConstantColumns::Reject)?;
/// # let cache = tempfile::tempdir()?;
/// # let cache = cache.path();
/// use ffjord_data::{Benchmark, benchmark::store};
/// store::save(cache, Benchmark::Gas, &prepared, Vec::new(), Some("a draw of my own"))?;
/// assert!(store::verify(&cache.join("gas"), Benchmark::Gas).is_ok());
/// // A bit that has changed is found by the checksum.
/// let array = cache.join("gas/train.npy");
/// let mut bytes = std::fs::read(&array)?;
/// *bytes.last_mut().ok_or("it is not empty")? ^= 1;
/// std::fs::write(&array, bytes)?;
/// let damaged = store::verify(&cache.join("gas"), Benchmark::Gas).unwrap_err().to_string();
/// assert!(damaged.contains("train.npy is damaged"), "{damaged}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`DataError::Manifest`] for what differs, and those of [`load`].
pub fn verify(folder: &Path, benchmark: Benchmark) -> Result<Record, DataError> {
    let record = record(folder, benchmark)?;
    for array in &record.arrays {
        array.verify_file(&folder.join(&array.name))?;
    }
    let splits = load(folder, benchmark)?.splits;
    if record.label.is_none() {
        benchmark.manifest()?.prepared.check(benchmark.name(), &splits)?;
    }
    Ok(record)
}

fn damaged(folder: &Path, benchmark: Benchmark, reason: String) -> DataError {
    BenchmarkError::Prepared {
        name: benchmark.name().to_owned(),
        path: folder.to_owned(),
        reason,
    }
    .into()
}
