//! The integrals as a table, a picture and a file of numbers.

use super::{Integral, Quadrature};
use crate::error::Result;
use ffjord_files::write_atomic;
use ffjord_plot::{CurvePanel, Scale, Series, training_curves};
use ffjord_run::config::Precision;
use ffjord_run::{Provenance, RunFolder};
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// Writes `figure8.json`, `figure8.md` and `figure8.png` into a folder.
///
/// # Errors
/// When the run's configuration cannot be read, or a file cannot be written.
pub fn write(out: &Path, folder: &RunFolder, grid: Quadrature, integrals: &[Integral]) -> Result<()> {
    let config = folder.config()?;
    let report = json!({
        "figure": 8,
        "provenance": Provenance::now(),
        "config": config,
        "grid": grid,
        "integrals": integrals,
    });
    let text = format!("{}\n", serde_json::to_string_pretty(&report)?);
    write_atomic(out.join("figure8.json"), text.as_bytes())?;
    let mut table = String::from("| precision | tolerance | ∫p dx | error | NFE |\n|---|---|---|---|---|\n");
    for integral in integrals {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{}", row(integral));
    }
    write_atomic(out.join("figure8.md"), table.as_bytes())?;

    let points = |precision: Precision| -> Vec<(f64, f64)> {
        let of = integrals.iter().filter(|integral| integral.precision == precision);
        of.map(|integral| (integral.tolerance.log10(), integral.error.unwrap_or(f64::NAN)))
            .collect()
    };
    let (single, double) = (points(Precision::F32), points(Precision::F64));
    let panel = CurvePanel::new(vec![Series::new("f32", &single), Series::new("f64", &double)])
        .title("|∫p dx − 1|")
        .labels("log₁₀ tolerance", "error")
        .scale(Scale::Log);
    training_curves(&[panel], "")?.save(out.join("figure8.png"))?;
    Ok(())
}

/// A line of the table.
pub fn row(integral: &Integral) -> String {
    let precision = integral.precision.name();
    match (integral.integral, integral.error, integral.nfe) {
        (Some(mass), Some(error), Some(nfe)) => {
            format!(
                "| {precision} | {:e} | {mass:.10} | {error:.2e} | {nfe:.0} |",
                integral.tolerance
            )
        }
        _ => {
            let failure = integral.failure.as_deref().unwrap_or("failed");
            format!("| {precision} | {:e} | {failure} | – | – |", integral.tolerance)
        }
    }
}
