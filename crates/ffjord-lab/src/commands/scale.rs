//! `scale`: what training in many processes costs.

use crate::error::{LabError, Result};
use crate::terminal::say;
use clap::Args;
use ffjord_files::write_atomic;
use ffjord_run::Provenance;
use ffjord_study::bench::load_average;
use ffjord_study::scale::{Settings, Subject, draw, markdown, run as run_study};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `scale`.
#[derive(Debug, Args)]
#[command(
    after_help = "Measured are runs in 1 to 4 processes on this machine; what is drawn beyond follows from a model of an \
                        iteration's time and is no measurement. docs/scale.md says which model."
)]
pub struct Arguments {
    /// A small table and few iterations, within a minute: it shows how it goes, its numbers mean little
    #[arg(long)]
    quick: bool,
    /// What else ran on this machine, as a word for the result
    #[arg(long, value_name = "TEXT", default_value = "")]
    beside: String,
    /// Writes everything that was measured and drawn, with commit and machine
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The folder for `scale.png`
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When the program cannot be started or fails, or a file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = std::env::current_exe().map_err(LabError::io("find", Path::new("this program")))?;
    let (settings, subjects) = match arguments.quick {
        true => (
            Settings {
                program,
                iterations: 6,
                ranks: 2,
                messages: 20,
            },
            vec![Subject::small()],
        ),
        false => (
            Settings {
                program,
                iterations: 32,
                ranks: 4,
                messages: 200,
            },
            Subject::all(),
        ),
    };
    let before = load_average();
    let scaling = run_study(&settings, &subjects, |line| say!("{line}"))?;
    say!("\n{}", markdown(&scaling));
    std::fs::create_dir_all(&arguments.out).map_err(LabError::io("create", &arguments.out))?;
    let picture = arguments.out.join("scale.png");
    draw(&scaling)?.save(&picture)?;
    say!("{}", picture.display());
    if let Some(path) = &arguments.json {
        let report = json!({
            "provenance": Provenance::now(),
            "quick": arguments.quick,
            "beside": arguments.beside,
            "load_average": { "before": before, "after": load_average() },
            "scaling": scaling,
        });
        write_atomic(path, format!("{}\n", serde_json::to_string_pretty(&report)?).as_bytes())?;
        say!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
