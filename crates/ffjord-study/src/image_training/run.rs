//! The training of one run.

use crate::error::{Result, StudyError};
use ffjord_run::RunFolder;
use ffjord_train::read_metrics;
use serde::Serialize;

/// Points of a curve that a report keeps at most.
const MOST_POINTS: usize = 300;

/// What one run's metrics have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageRun {
    /// What tells it from the others.
    pub label: String,
    /// What `--set` changed of the preset.
    pub settings: Vec<String>,
    /// Iterations done.
    pub iterations: u64,
    /// Bits per dimension of training batches, mean over the last tenth of the run.
    pub bits: f64,
    /// Forward evaluations an iteration, likewise, summed over the flow's blocks.
    pub evaluations: f64,
    /// Iteration, forward evaluations and bits per dimension of training batches: means over equal parts of the run.
    pub curve: Vec<(f64, f64, f64)>,
}

impl ImageRun {
    /// The metrics of a run of images.
    ///
    /// # Errors
    /// When they cannot be read, are of other data, or the run did nothing.
    pub fn read(folder: &RunFolder, label: &str, settings: &[String]) -> Result<Self> {
        let refuse = |reason: &str| StudyError::Reference {
            path: folder.path().to_path_buf(),
            reason: reason.to_string(),
        };
        let format = folder.data()?.image.ok_or_else(|| refuse("this is no run of images"))?;
        let lines = read_metrics(folder.metrics())?;
        let points: Vec<(f64, f64, f64)> = lines
            .iter()
            .filter(|line| line["kind"] == "train")
            .filter_map(|line| {
                let bits = format.bits_per_dimension(line["terms"]["nll"].as_f64()?);
                Some((line["iteration"].as_f64()?, line["nfe_forward"].as_f64()?, bits))
            })
            .collect();
        let Some(last) = points.last() else {
            return Err(refuse("it holds no iteration of maximum likelihood"));
        };
        let tenth = &points[points.len() - points.len().div_ceil(10)..];
        let (_, evaluations, bits) = mean(tenth);
        Ok(Self {
            label: label.to_string(),
            settings: settings.to_vec(),
            iterations: last.0 as u64,
            bits,
            evaluations,
            curve: points.chunks(points.len().div_ceil(MOST_POINTS)).map(mean).collect(),
        })
    }
}

/// The last iteration, and means of the rest.
fn mean(points: &[(f64, f64, f64)]) -> (f64, f64, f64) {
    let count = points.len() as f64;
    let sum = |of: &dyn Fn(&(f64, f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let last = points.last().map_or(0.0, |point| point.0);
    (last, sum(&|point| point.1), sum(&|point| point.2))
}
