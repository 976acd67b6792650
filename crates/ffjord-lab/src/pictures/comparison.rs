//! Several runs on one clock: negative log-likelihood against seconds of training.

use crate::error::Result;
use ffjord_plot::{CurvePanel, Scale, Series, training_curves};
use ffjord_run::{CurvePoint, RunError, RunResult};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Draws the validation curves of runs, and beside them their test curves where there are any; points above `top`, in
/// nats, are left out.
///
/// # Errors
/// When a run has no curve, nothing lies below `top`, or the picture cannot be written.
pub fn compare(runs: &[(PathBuf, RunResult)], top: Option<f64>, file: &Path) -> Result<()> {
    for (path, run) in runs {
        if run.validation_curve.is_empty() {
            return Err(RunError::RunFolder {
                path: path.clone(),
                reason: "this result has no validation curve to draw: give runs that were validated".to_string(),
            }
            .into());
        }
    }
    let names = names(runs);
    let validation: Vec<_> = runs
        .iter()
        .map(|(_, run)| by_time(&run.validation_curve, top))
        .collect();
    let test: Vec<_> = runs.iter().map(|(_, run)| by_time(&run.test_curve, top)).collect();
    let mut panels = vec![panel("validation rows", &names, &validation)];
    if test.iter().any(|points| !points.is_empty()) {
        panels.push(panel("test rows", &names, &test));
    }
    training_curves(&panels, "negative log-likelihood over training time")?.save(file)?;
    Ok(())
}

/// Seconds and nats of every point; above `top` no number, which leaves a gap in the line.
fn by_time(curve: &[CurvePoint], top: Option<f64>) -> Vec<(f64, f64)> {
    let shown = |nll: &f64| top.is_none_or(|top| *nll <= top);
    curve
        .iter()
        .map(|point| (point.seconds, Some(point.nll).filter(shown).unwrap_or(f64::NAN)))
        .collect()
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
    // A run of which nothing is shown here keeps its place, so that colours mean the same run in every panel.
    let named = |(name, points): (&String, &'a Vec<(f64, f64)>)| {
        let shown = points.iter().any(|(_, nll)| nll.is_finite());
        Series::new(if shown { name.as_str() } else { "" }, points)
    };
    CurvePanel::new(names.iter().zip(curves).map(named).collect())
        .title(title)
        .labels("seconds of training", "nats")
        .x_scale(Scale::Log)
}
