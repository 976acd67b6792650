//! Results that runs of variational autoencoders have left.

use super::{Bounds, ImageLikelihoods};
use crate::error::{Result, RunError};
use crate::provenance::Provenance;
use crate::results::{SplitRecord, TrainingRecord, entries};
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What of such a `result.json` is read again.
///
/// ```
/// use ffjord_run::vae::VaeResult;
/// # let place = tempfile::tempdir()?;
/// # let text = r#"{
/// #     "preset": "vae-digits-quick", "seed": 0,
/// #     "provenance": {"commit": null, "hardware": "two cores", "date": "2025-01-01T00:00:00Z", "version": "0.1.0"},
/// #     "split": {"dataset": "digits", "published": true, "difference": null},
/// #     "training": {"iterations": 100, "seconds": 2.5},
/// #     "test": {"bound": {
/// #         "negative_elbo": 20.5, "standard_error": 0.1, "reconstruction": 15.0, "divergence": 5.5,
/// #         "images": 300, "nfe": 14.0
/// #     }}
/// # }"#;
/// let run = place.path().join("digits");
/// std::fs::create_dir(&run)?;
/// std::fs::write(run.join("result.json"), text)?;
/// let found = VaeResult::collect(place.path())?;
/// assert_eq!((found.len(), found[0].1.test.bound.negative_elbo), (1, 20.5));
/// assert!(found[0].1.test.importance.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct VaeResult {
    /// The preset.
    pub preset: String,
    /// What `--set` changed of it.
    #[serde(default)]
    pub settings: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Whose split the data are.
    pub split: SplitRecord,
    /// What training took.
    pub training: TrainingRecord,
    /// The evaluation of the test images.
    pub test: VaeTestRecord,
    /// Bits per dimension of the negative bound, for grey images.
    #[serde(default)]
    pub bits_per_dimension: Option<f64>,
}

/// The evaluation of the test images.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct VaeTestRecord {
    /// The bound.
    pub bound: Bounds,
    /// The likelihood by importance sampling, if it was estimated.
    #[serde(default)]
    pub importance: Option<ImageLikelihoods>,
}

impl VaeResult {
    /// All results of variational autoencoders under a folder: its `.json` files that are some, and `result.json` in
    /// folders up to two levels below, in the order of their paths. A folder that does not exist has none.
    ///
    /// # Errors
    /// When a folder cannot be listed, or a file cannot be read.
    pub fn collect(folder: &Path) -> Result<Vec<(PathBuf, Self)>> {
        let mut files = Vec::new();
        for path in entries(folder)? {
            if path.is_dir() {
                let runs = std::iter::once(path.clone()).chain(entries(&path)?);
                files.extend(runs.map(|run| run.join("result.json")).filter(|file| file.is_file()));
            } else if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
        let mut found = Vec::new();
        for path in files {
            let text = fs::read_to_string(&path).map_err(RunError::io("read", &path))?;
            let refuse = |error: serde_json::Error| RunError::RunFolder {
                path: path.clone(),
                reason: format!("this result cannot be read: {error}"),
            };
            let value: Value = serde_json::from_str(&text).map_err(refuse)?;
            if value["preset"].is_string() && value["test"]["bound"].is_object() {
                let result = serde_json::from_value(value).map_err(refuse)?;
                found.push((path, result));
            }
        }
        Ok(found)
    }
}
