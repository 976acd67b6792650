//! Results that runs have left: `result.json` in a run folder, or a copy of it under another name.

use crate::error::{Result, RunError};
use crate::evaluation::Likelihood;
use crate::provenance::Provenance;
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What of a `result.json` is read again; later versions may say more, and earlier ones said less.
///
/// ```
/// # let place = tempfile::tempdir()?;
/// # let text = r#"{
/// #     "preset": "toy-moons", "settings": ["seed=3"], "seed": 3,
/// #     "provenance": {"commit": null, "hardware": "two cores", "date": "2025-01-01T00:00:00Z", "version": "0.1.0"},
/// #     "split": {"dataset": "power", "published": false, "difference": "fewer rows"},
/// #     "training": {"iterations": 100, "seconds": 2.5},
/// #     "test": {"likelihood": {"nll": 1.5, "standard_error": 0.1, "rows": 50, "nfe": 20.0}},
/// #     "bits_per_dimension": {"mean": 3.4, "standard_error": 0.01},
/// #     "validation_curve": [{"iteration": 50, "seconds": 1.25, "nll": 1.75}]
/// # }"#;
/// use ffjord_run::RunResult;
/// // A finished run's folder, and all results below another one.
/// let run = place.path().join("moons");
/// std::fs::create_dir(&run)?;
/// std::fs::write(run.join("result.json"), text)?;
/// let result = RunResult::open(&run)?;
/// assert_eq!((result.preset.as_str(), result.seed, result.test.likelihood.nll), ("toy-moons", 3, 1.5));
/// assert_eq!(RunResult::collect(place.path())?, [(run.join("result.json"), result)]);
/// assert!(RunResult::open(place.path()).unwrap_err().to_string().contains("no result can be read"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RunResult {
    /// The preset.
    pub preset: String,
    /// What `--set` changed of it.
    #[serde(default)]
    pub settings: Vec<String>,
    /// The weights that training began with, unless they were random.
    #[serde(default)]
    pub from: Option<PathBuf>,
    /// The seed.
    pub seed: u64,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Whose split the data are, for benchmarks.
    #[serde(default)]
    pub split: Option<SplitRecord>,
    /// What training took.
    pub training: TrainingRecord,
    /// The test likelihood.
    pub test: TestRecord,
    /// The same in bits per dimension, for images.
    #[serde(default)]
    pub bits_per_dimension: Option<BitsRecord>,
    /// Likelihoods of validation rows over the run.
    #[serde(default)]
    pub validation_curve: Vec<CurvePoint>,
    /// Those of test rows.
    #[serde(default)]
    pub test_curve: Vec<CurvePoint>,
}

/// Whether a result can stand beside published ones.
///
/// ```
/// # let place = tempfile::tempdir()?;
/// # let text = r#"{
/// #     "preset": "toy-moons", "settings": ["seed=3"], "seed": 3,
/// #     "provenance": {"commit": null, "hardware": "two cores", "date": "2025-01-01T00:00:00Z", "version": "0.1.0"},
/// #     "split": {"dataset": "power", "published": false, "difference": "fewer rows"},
/// #     "training": {"iterations": 100, "seconds": 2.5},
/// #     "test": {"likelihood": {"nll": 1.5, "standard_error": 0.1, "rows": 50, "nfe": 20.0}},
/// #     "bits_per_dimension": {"mean": 3.4, "standard_error": 0.01},
/// #     "validation_curve": [{"iteration": 50, "seconds": 1.25, "nll": 1.75}]
/// # }"#;
/// let result: ffjord_run::RunResult = serde_json::from_str(text)?;
/// let split = result.split.ok_or("a benchmark")?;
/// assert_eq!((split.dataset.as_str(), split.published), ("power", false));
/// assert_eq!(split.difference.as_deref(), Some("fewer rows"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SplitRecord {
    /// The benchmark's name.
    pub dataset: String,
    /// Whether its rows are those of the published split.
    pub published: bool,
    /// What differs, if they are not.
    pub difference: Option<String>,
}

/// What training took.
///
/// ```
/// # let place = tempfile::tempdir()?;
/// # let text = r#"{
/// #     "preset": "toy-moons", "settings": ["seed=3"], "seed": 3,
/// #     "provenance": {"commit": null, "hardware": "two cores", "date": "2025-01-01T00:00:00Z", "version": "0.1.0"},
/// #     "split": {"dataset": "power", "published": false, "difference": "fewer rows"},
/// #     "training": {"iterations": 100, "seconds": 2.5},
/// #     "test": {"likelihood": {"nll": 1.5, "standard_error": 0.1, "rows": 50, "nfe": 20.0}},
/// #     "bits_per_dimension": {"mean": 3.4, "standard_error": 0.01},
/// #     "validation_curve": [{"iteration": 50, "seconds": 1.25, "nll": 1.75}]
/// # }"#;
/// let result: ffjord_run::RunResult = serde_json::from_str(text)?;
/// assert_eq!((result.training.iterations, result.training.seconds), (100, 2.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TrainingRecord {
    /// Iterations done.
    pub iterations: u64,
    /// Seconds of training alone.
    pub seconds: f64,
}

/// The evaluation of the test rows.
///
/// ```
/// # let place = tempfile::tempdir()?;
/// # let text = r#"{
/// #     "preset": "toy-moons", "settings": ["seed=3"], "seed": 3,
/// #     "provenance": {"commit": null, "hardware": "two cores", "date": "2025-01-01T00:00:00Z", "version": "0.1.0"},
/// #     "split": {"dataset": "power", "published": false, "difference": "fewer rows"},
/// #     "training": {"iterations": 100, "seconds": 2.5},
/// #     "test": {"likelihood": {"nll": 1.5, "standard_error": 0.1, "rows": 50, "nfe": 20.0}},
/// #     "bits_per_dimension": {"mean": 3.4, "standard_error": 0.01},
/// #     "validation_curve": [{"iteration": 50, "seconds": 1.25, "nll": 1.75}]
/// # }"#;
/// let test = serde_json::from_str::<ffjord_run::RunResult>(text)?.test;
/// assert_eq!((test.likelihood.rows, test.likelihood.standard_error), (50, 0.1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TestRecord {
    /// The likelihood.
    pub likelihood: Likelihood,
}

/// A likelihood of images.
///
/// ```
/// # let place = tempfile::tempdir()?;
/// # let text = r#"{
/// #     "preset": "toy-moons", "settings": ["seed=3"], "seed": 3,
/// #     "provenance": {"commit": null, "hardware": "two cores", "date": "2025-01-01T00:00:00Z", "version": "0.1.0"},
/// #     "split": {"dataset": "power", "published": false, "difference": "fewer rows"},
/// #     "training": {"iterations": 100, "seconds": 2.5},
/// #     "test": {"likelihood": {"nll": 1.5, "standard_error": 0.1, "rows": 50, "nfe": 20.0}},
/// #     "bits_per_dimension": {"mean": 3.4, "standard_error": 0.01},
/// #     "validation_curve": [{"iteration": 50, "seconds": 1.25, "nll": 1.75}]
/// # }"#;
/// let bits = serde_json::from_str::<ffjord_run::RunResult>(text)?.bits_per_dimension.ok_or("images")?;
/// assert_eq!((bits.mean, bits.standard_error), (3.4, 0.01));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct BitsRecord {
    /// Mean negative log-likelihood of the levels, in bits per dimension.
    pub mean: f64,
    /// Its standard error over images.
    pub standard_error: f64,
}

/// A likelihood during a run.
///
/// ```
/// # let place = tempfile::tempdir()?;
/// # let text = r#"{
/// #     "preset": "toy-moons", "settings": ["seed=3"], "seed": 3,
/// #     "provenance": {"commit": null, "hardware": "two cores", "date": "2025-01-01T00:00:00Z", "version": "0.1.0"},
/// #     "split": {"dataset": "power", "published": false, "difference": "fewer rows"},
/// #     "training": {"iterations": 100, "seconds": 2.5},
/// #     "test": {"likelihood": {"nll": 1.5, "standard_error": 0.1, "rows": 50, "nfe": 20.0}},
/// #     "bits_per_dimension": {"mean": 3.4, "standard_error": 0.01},
/// #     "validation_curve": [{"iteration": 50, "seconds": 1.25, "nll": 1.75}]
/// # }"#;
/// use ffjord_run::CurvePoint;
/// let result: ffjord_run::RunResult = serde_json::from_str(text)?;
/// assert_eq!(result.validation_curve, [CurvePoint { iteration: 50, seconds: 1.25, nll: 1.75 }]);
/// assert!(result.test_curve.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct CurvePoint {
    /// Iterations done.
    pub iteration: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Mean negative log-likelihood, in nats.
    pub nll: f64,
}

impl RunResult {
    /// The result in a run folder or a file.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let inside = path.join("result.json");
        let file = if path.is_dir() { &inside } else { path };
        let refuse = |reason: String| RunError::RunFolder {
            path: file.to_path_buf(),
            reason: format!(
                "{reason}. Accepted are the `result.json` of a finished run, its folder, and copies of the file"
            ),
        };
        let text = fs::read_to_string(file).map_err(|error| refuse(format!("no result can be read: {error}")))?;
        serde_json::from_str(&text).map_err(|error| refuse(format!("this is no result of a run: {error}")))
    }

    /// All results under a folder: its `.json` files that are some, and `result.json` in folders up to two levels below,
    /// in the order of their paths. A folder that does not exist has none.
    ///
    /// # Errors
    /// When a folder cannot be listed, or a `result.json` cannot be read.
    pub fn collect(folder: &Path) -> Result<Vec<(PathBuf, Self)>> {
        let mut found = Vec::new();
        for path in entries(folder)? {
            if path.is_dir() {
                for run in std::iter::once(path.clone()).chain(entries(&path)?) {
                    let file = run.join("result.json");
                    if file.is_file() {
                        found.push((file.clone(), Self::open(&file)?));
                    }
                }
            } else if path.extension().is_some_and(|extension| extension == "json") && is_result(&path)? {
                found.push((path.clone(), Self::open(&path)?));
            }
        }
        Ok(found)
    }
}

/// Whether a JSON file is a run's result; other reports may lie beside them.
fn is_result(path: &Path) -> Result<bool> {
    let text = fs::read_to_string(path).map_err(RunError::io("read", path))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| RunError::RunFolder {
        path: path.to_path_buf(),
        reason: format!("this file is not JSON: {error}"),
    })?;
    Ok(value["preset"].is_string() && value["test"]["likelihood"].is_object())
}

/// The paths in a folder, sorted; none where there is no folder.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let listed = fs::read_dir(folder).map_err(RunError::io("list", folder))?;
    let mut paths = listed
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(RunError::io("list", folder))?;
    paths.sort();
    Ok(paths)
}
