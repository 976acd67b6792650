//! The curves, a table of where they begin and end, and the picture.

use crate::error::{Result, StudyError};
use ffjord_files::write_atomic;
use ffjord_plot::{CurvePanel, Series, training_curves};
use ffjord_run::{Provenance, RunFolder};
use ffjord_train::read_metrics;
use serde::Serialize;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// Iterations over which the picture's curves are smoothed.
const WINDOW: usize = 51;
/// Points of a curve that the report keeps at most.
const MOST_POINTS: usize = 500;

/// The evaluations of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatentRun {
    /// The latent dimension.
    pub latent: usize,
    /// Iterations done.
    pub iterations: u64,
    /// Forward evaluations an iteration, summed over the flow's blocks: mean over the first tenth of the run.
    pub at_first: f64,
    /// The same over the last tenth.
    pub at_last: f64,
    /// The negative bound of validation images at the end, in nats.
    pub validation: Option<f64>,
    /// Iteration and forward evaluations, means over equal parts of the run.
    pub curve: Vec<(f64, f64)>,
}

impl LatentRun {
    /// What the metrics of a run folder have.
    ///
    /// # Errors
    /// When they cannot be read, or the run did nothing.
    pub fn read(folder: &RunFolder, latent: usize) -> Result<Self> {
        let lines = read_metrics(folder.metrics())?;
        let of = |kind: &str, y: &str| -> Vec<(f64, f64)> {
            let of_kind = lines.iter().filter(|line| line["kind"] == kind);
            of_kind
                .filter_map(|line| Some((line["iteration"].as_f64()?, line[y].as_f64()?)))
                .collect()
        };
        let evaluations = of("train", "nfe_forward");
        let mean = |points: &[(f64, f64)]| points.iter().map(|(_, y)| y).sum::<f64>() / points.len() as f64;
        let tenth = evaluations.len().div_ceil(10);
        let Some(last) = evaluations.last() else {
            return Err(StudyError::Reference {
                path: folder.metrics(),
                reason: "it holds no iteration of training".to_string(),
            });
        };
        let part = evaluations.len().div_ceil(MOST_POINTS);
        Ok(Self {
            latent,
            iterations: last.0 as u64,
            at_first: mean(&evaluations[..tenth]),
            at_last: mean(&evaluations[evaluations.len() - tenth..]),
            validation: of("validation", "nll").last().map(|(_, nll)| *nll),
            curve: evaluations
                .chunks(part)
                .map(|points| (points[points.len() - 1].0, mean(points)))
                .collect(),
        })
    }
}

/// Writes `figure5.json`, `figure5.md` and `figure5.png` to a folder, of runs of a preset with these settings.
///
/// # Errors
/// When a file cannot be written.
pub fn write(out: &Path, preset: &str, settings: &[String], runs: &[LatentRun]) -> Result<()> {
    let report = json!({
        "figure": 5,
        "preset": preset,
        "settings": settings,
        "provenance": Provenance::now(),
        "runs": runs,
    });
    let text = format!("{}\n", serde_json::to_string_pretty(&report)?);
    write_atomic(out.join("figure5.json"), text.as_bytes())?;
    write_atomic(out.join("figure5.md"), table(preset, settings, runs).as_bytes())?;
    let series: Vec<Series<'_>> = runs
        .iter()
        .map(|run| Series::new(format!("{} latent dimensions", run.latent), &run.curve).smoothed(smoothing(&run.curve)))
        .collect();
    let panel = CurvePanel::new(series)
        .title("evaluations of the posterior's vector field in training")
        .labels("iteration", "NFE");
    training_curves(&[panel], &format!("figure 5: {preset}"))?.save(out.join("figure5.png"))?;
    Ok(())
}

/// A window that leaves something of a short curve.
fn smoothing(curve: &[(f64, f64)]) -> usize {
    WINDOW.min(curve.len() / 10).max(1)
}

fn table(preset: &str, settings: &[String], runs: &[LatentRun]) -> String {
    let settings: String = settings.iter().map(|setting| format!(" `--set {setting}`")).collect();
    let mut text = format!(
        "# Figure 5\n\nForward evaluations of the posterior's vector field an iteration, summed over the flow's blocks, \
         of `{preset}`{settings}. Written by `cargo xtask figure 5`.\n\n| latent dimension | iterations | NFE in the \
         first tenth | NFE in the last tenth | negative ELBO on validation images (nats) |\n|---|---|---|---|---|\n"
    );
    for run in runs {
        let validation = run.validation.map_or("–".to_string(), |nll| format!("{nll:.2}"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {validation} |",
            run.latent, run.iterations, run.at_first, run.at_last
        );
    }
    text
}
