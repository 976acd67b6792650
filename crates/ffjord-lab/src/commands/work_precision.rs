//! `work-precision`: error against evaluations for every method, and beside SciPy's solvers.

use crate::error::{LabError, Result};
use crate::terminal::say;
use clap::Args;
use ffjord_files::write_atomic;
use ffjord_run::Provenance;
use ffjord_study::work_precision::{ScipyTable, TrainedFlow, classical_curves, draw, markdown, scipy_markdown};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `work-precision`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A run folder whose model is the flow (default: a small one, trained here on the pinwheel)
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    /// The seed of that training and of the rows
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Writes every point, with commit and machine
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The folder for `work-precision.md` and `work-precision.png`
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When a model cannot be loaded, a reference solve fails, or a file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    // What is wrong with a run is found before the minutes that the problems take.
    let flow = match &arguments.run {
        Some(run) => TrainedFlow::open(run, arguments.seed)?,
        None => TrainedFlow::train(arguments.seed)?,
    };
    let mut curves = classical_curves()?;
    curves.extend(flow.curves()?);
    let rival = ScipyTable::measured()?;
    let compared = rival.compare()?;
    let table = format!(
        "{}Evaluations over those of SciPy {} at equal error, geometric means over the errors that both reach, with the \
         smallest and the largest:\n\n{}",
        markdown(&curves),
        rival.versions.scipy,
        scipy_markdown(&compared)
    );
    say!("{table}");
    std::fs::create_dir_all(&arguments.out).map_err(LabError::io("create", &arguments.out))?;
    let (text, picture) = (
        arguments.out.join("work-precision.md"),
        arguments.out.join("work-precision.png"),
    );
    write_atomic(&text, table.as_bytes())?;
    draw(&curves)?.save(&picture)?;
    say!("{}\n{}", text.display(), picture.display());
    if let Some(path) = &arguments.json {
        let report = json!({
            "provenance": Provenance::now(),
            "seed": arguments.seed,
            "flow": arguments.run.as_ref().map_or("trained in place".to_string(), |run| run.display().to_string()),
            "curves": curves,
            "scipy": { "versions": rival.versions, "compared": compared },
        });
        write_atomic(path, format!("{}\n", serde_json::to_string(&report)?).as_bytes())?;
        say!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
