//! `figure 1` and `2`: densities of two dimensions, along the path of a flow and beside those of Glow.

use super::experiment;
use crate::error::{LabError, Result};
use crate::pictures::{along_the_path, densities_beside_data};
use crate::terminal::say;
use crate::workspace::default_cache;
use ffjord_files::write_atomic;
use ffjord_run::{Provenance, RunFolder, RunResult};
use ffjord_train::Alone;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Moments of figure 1.
const MOMENTS: usize = 5;
/// The densities of figure 2.
const DATA: [&str; 3] = ["8gaussians", "checkerboard", "2spirals"];
/// What is compared on each: a variant, its name in the picture, and what the paper has different; its Glow has a hundred
/// layers.
const MODELS: [(&str, &str, &[&str]); 2] = [("fast", "FFJORD", &[]), ("glow", "Glow", &["model.blocks=100"])];
/// A minute or two instead of many.
const QUICK: &[&str] = &[
    "training.iterations=500",
    "training.validate_every=250",
    "evaluation.frames=0",
];

/// Figure 1: density and samples of a run along its path; without one, of the eight Gaussians, which are trained.
///
/// # Errors
/// When a run cannot be trained or loaded or is none of two dimensions, or the picture cannot be written.
pub(super) fn path(run: Option<&Path>, out: &Path, quick: bool) -> Result<ExitCode> {
    std::fs::create_dir_all(out).map_err(LabError::io("create", out))?;
    let folder = match run {
        Some(run) => RunFolder::existing(run)?,
        None => match trained(
            "toy-8gaussians-fast",
            &settings(&[], quick),
            &out.join("run"),
            &mut None,
        )? {
            Ok(folder) => folder,
            Err(code) => return Ok(code),
        },
    };
    let file = out.join("figure1.png");
    along_the_path(&folder, MOMENTS, &file)?;
    say!("{}", file.display());
    Ok(ExitCode::SUCCESS)
}

/// Figure 2: data beside the densities of FFJORD and of Glow, each trained unless it is in `out` already.
///
/// # Errors
/// As [`path`].
pub(super) fn beside_glow(out: &Path, quick: bool) -> Result<ExitCode> {
    std::fs::create_dir_all(out).map_err(LabError::io("create", out))?;
    let (mut rows, mut report, mut stop) = (Vec::new(), Vec::new(), None);
    for data in DATA {
        let mut row = Vec::new();
        for (variant, name, own) in MODELS {
            let (preset, settings) = (format!("toy-{data}-{variant}"), settings(own, quick));
            let folder = match trained(&preset, &settings, &out.join(&preset), &mut stop)? {
                Ok(folder) => folder,
                Err(code) => return Ok(code),
            };
            let result = RunResult::open(folder.path())?;
            let likelihood = result.test.likelihood;
            say!(
                "{preset}: {:.3} ± {:.3} nats after {} iterations, {:.0} s",
                likelihood.nll,
                likelihood.standard_error,
                result.training.iterations,
                result.training.seconds
            );
            report.push(json!({
                "preset": preset,
                "settings": settings,
                "nll": likelihood.nll,
                "standard_error": likelihood.standard_error,
                "iterations": result.training.iterations,
                "seconds": result.training.seconds,
            }));
            row.push((folder, format!("{name}, {:.2} nats", likelihood.nll)));
        }
        rows.push(row);
    }
    let report = json!({ "figure": 2, "provenance": Provenance::now(), "runs": report });
    let text = format!("{}\n", serde_json::to_string_pretty(&report)?);
    write_atomic(out.join("figure2.json"), text.as_bytes())?;
    let file = out.join("figure2.png");
    densities_beside_data(&rows, &default_cache(), &file)?;
    say!("{}", file.display());
    Ok(ExitCode::SUCCESS)
}

/// What `--set` changes of a preset; the small forms leave a flow as its preset has it.
fn settings(own: &[&str], quick: bool) -> Vec<String> {
    let settings = if quick { QUICK } else { own };
    settings.iter().map(ToString::to_string).collect()
}

/// A run of a preset in a folder, trained if it is not there; the exit code of one that did not come to its end. All runs of a
/// process share what Ctrl-C sets.
fn trained(
    preset: &str,
    settings: &[String],
    folder: &Path,
    stop: &mut Option<Arc<AtomicBool>>,
) -> Result<std::result::Result<RunFolder, ExitCode>> {
    if !folder.join("result.json").is_file() {
        let mut arguments = experiment::Arguments::train(preset, folder.to_path_buf());
        arguments.set(settings.iter().cloned());
        let code = experiment::run_until(&arguments, &Alone, stop)?;
        if code != ExitCode::SUCCESS {
            return Ok(Err(code));
        }
    }
    Ok(Ok(RunFolder::existing(folder)?))
}
