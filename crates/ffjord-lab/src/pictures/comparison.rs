//! Several runs on one clock: negative log-likelihood against seconds of training.

use crate::error::{LabError, Result};
use crate::results::{CurvePoint, RunResult};
use ffjord_plot::{CurvePanel, Scale, Series, training_curves};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Draws the validation curves of runs, and beside them their test curves where there are any.
///
/// # Errors
/// When a run has no curve, or the picture cannot be written.
pub fn compare(runs: &[(PathBuf, RunResult)], file: &Path) -> Result<()> {
    for (path, run) in runs {
        if run.validation_curve.is_empty() {
            return Err(LabError::RunFolder {
                path: path.clone(),
                reason: "this result has no validation curve to draw: give runs that were validated".to_string(),
            });
        }
    }
    let names = names(runs);
    let validation: Vec<_> = runs.iter().map(|(_, run)| by_time(&run.validation_curve)).collect();
    let test: Vec<_> = runs.iter().map(|(_, run)| by_time(&run.test_curve)).collect();
    let mut panels = vec![panel("validation rows", &names, &validation)];
    if test.iter().any(|points| !points.is_empty()) {
        panels.push(panel("test rows", &names, &test));
    }
    training_curves(&panels, "negative log-likelihood over training time")?.save(file)?;
    Ok(())
}

fn by_time(curve: &[CurvePoint]) -> Vec<(f64, f64)> {
    curve.iter().map(|point| (point.seconds, point.nll)).collect()
}

/// Runs' names in the legend: preset and seed, or their paths where that is not enough.
fn names(runs: &[(PathBuf, RunResult)]) -> Vec<String> {
    let short = |run: &RunResult| format!("{}, seed {}", run.preset, run.seed);
    let unique: BTreeSet<String> = runs.iter().map(|(_, run)| short(run)).collect();
    let distinct = unique.len() == runs.len();
    runs.iter()
        .map(|(path, run)| {
            if distinct {
                short(run)
            } else {
                path.display().to_string()
            }
        })
        .collect()
}

/// Runs of very different length share the panel, so its time is logarithmic.
fn panel<'a>(title: &str, names: &[String], curves: &'a [Vec<(f64, f64)>]) -> CurvePanel<'a> {
    // A run without points here keeps its place, so that colours mean the same run in every panel.
    let named = |(name, points): (&String, &'a Vec<(f64, f64)>)| {
        Series::new(if points.is_empty() { "" } else { name.as_str() }, points)
    };
    CurvePanel::new(names.iter().zip(curves).map(named).collect())
        .title(title)
        .labels("seconds of training", "nats")
        .x_scale(Scale::Log)
}
