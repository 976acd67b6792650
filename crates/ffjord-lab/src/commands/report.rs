//! `report`: pages of HTML on runs and on the whole project.

use crate::error::{LabError, Result};
use crate::report;
use crate::terminal::say;
use crate::workspace;
use clap::Args;
use ffjord_files::write_atomic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(
    after_help = "A page holds all that it shows, pictures included: it is one file without scripts that can be sent \
                  and opened anywhere. Runs that are not finished have pages, too; what is missing is said in its place. \
                  `cargo xtask check RUN` before adds whether the model fits."
)]
pub struct Arguments {
    /// Run folders: one has a page of its own, several are set side by side; none makes the page of the whole project from
    /// the results that the workspace holds
    #[arg(value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Makes the page of a folder of results instead: its tables, results, run folders and pictures
    #[arg(long, value_name = "DIR", conflicts_with = "runs")]
    results: Option<PathBuf>,
    /// The page's file (default: RUN/report.html; of several runs comparison.html, of the project report.html, here)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When a folder holds no run or cannot be read, or the page cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (page, file) = match (arguments.runs.as_slice(), &arguments.results) {
        ([], None) => {
            let documented = workspace::root().join("docs/results");
            let page = report::folder(&documented, "FFJORD in Rust: results")?;
            (page, PathBuf::from("report.html"))
        }
        ([], Some(folder)) => {
            let page = report::folder(folder, &format!("Results in {}", folder.display()))?;
            (page, folder.join("report.html"))
        }
        ([run], _) => (report::run(run)?, run.join("report.html")),
        (runs, _) => (report::comparison(runs)?, PathBuf::from("comparison.html")),
    };
    let file = arguments.out.clone().unwrap_or(file);
    write(&file, &page)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a page, and says where it is.
pub(super) fn write(file: &Path, page: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(LabError::io("create", folder))?;
    }
    write_atomic(file, page.as_bytes())?;
    say!("{}", file.display());
    Ok(())
}
