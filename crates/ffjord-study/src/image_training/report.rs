//! Runs beside each other: numbers, a table and a picture.

use super::ImageRun;
use crate::error::Result;
use ffjord_files::write_atomic;
use ffjord_plot::{CurvePanel, Series, training_curves};
use ffjord_run::Provenance;
use serde::Serialize;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// What is drawn against what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Axes {
    /// Bits per dimension over iterations (figure 4).
    BitsOverIterations,
    /// Forward evaluations an iteration over bits per dimension (figure 6).
    EvaluationsOverBits,
}

/// Writes `figureN.json`, `figureN.md` and `figureN.png` to a folder, of runs of this preset.
///
/// # Errors
/// When a file cannot be written, or nothing can be drawn.
pub fn write(out: &Path, number: u32, preset: &str, axes: Axes, runs: &[ImageRun]) -> Result<()> {
    let report = json!({
        "figure": number,
        "preset": preset,
        "axes": axes,
        "provenance": Provenance::now(),
        "runs": runs,
    });
    let text = format!("{}\n", serde_json::to_string_pretty(&report)?);
    write_atomic(out.join(format!("figure{number}.json")), text.as_bytes())?;
    write_atomic(
        out.join(format!("figure{number}.md")),
        table(number, preset, runs).as_bytes(),
    )?;
    let points: Vec<Vec<(f64, f64)>> = runs.iter().map(|run| drawn(run, axes)).collect();
    let series = runs.iter().zip(&points);
    let series = series.map(|(run, points)| Series::new(run.label.as_str(), points));
    let panel = CurvePanel::new(series.collect());
    let panel = match axes {
        Axes::BitsOverIterations => panel
            .title("training batches, means over parts of the run")
            .labels("iteration", "bits per dimension"),
        Axes::EvaluationsOverBits => panel
            .title("parts of the run, from right to left")
            .labels("bits per dimension of training batches", "forward evaluations"),
    };
    training_curves(&[panel], &format!("figure {number}: {preset}"))?.save(out.join(format!("figure{number}.png")))?;
    Ok(())
}

fn drawn(run: &ImageRun, axes: Axes) -> Vec<(f64, f64)> {
    // The first part has bits of weights that have learnt nothing, beside which nothing else could be told apart.
    let learnt = run.curve.iter().skip(run.curve.len() / 20);
    match axes {
        Axes::BitsOverIterations => learnt.map(|&(iteration, _, bits)| (iteration, bits)).collect(),
        Axes::EvaluationsOverBits => learnt.map(|&(_, evaluations, bits)| (bits, evaluations)).collect(),
    }
}

fn table(number: u32, preset: &str, runs: &[ImageRun]) -> String {
    let mut text = format!(
        "# Figure {number}\n\n`{preset}` with the settings in the table; bits per dimension and forward evaluations of \
         training batches, summed over the flow's blocks, are means over the last tenth of the run. Written by `cargo xtask \
         figure {number}`.\n\n| run | settings | iterations | bits per dimension | evaluations |\n|---|---|---|---|---|\n"
    );
    for run in runs {
        let settings: Vec<String> = run
            .settings
            .iter()
            .map(|setting| format!("`--set {setting}`"))
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.3} | {:.1} |",
            run.label,
            settings.join(" ").replace('|', "\\|"),
            run.iterations,
            run.bits,
            run.evaluations
        );
    }
    text
}
