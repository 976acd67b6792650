//! `robustness`: what the program does where things go wrong, as numbers.

use crate::error::{LabError, Result};
use crate::terminal::say;
use crate::workspace;
use clap::Args;
use ffjord_files::write_atomic;
use ffjord_run::Provenance;
use ffjord_study::bench::load_average;
use ffjord_study::robustness::{Settings, Verdict, names, run as run_checks, table};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `robustness`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every check starts this program on small work in a temporary folder, which is removed afterwards. \
                        Exit codes: 0 when everything is as it has to be, 1 when something is not."
)]
pub struct Arguments {
    /// Fewer tries, within two minutes
    #[arg(long)]
    quick: bool,
    /// How often a training run is killed (default: 200, with --quick 30)
    #[arg(long, value_name = "N")]
    kills: Option<NonZeroUsize>,
    /// The seed of the moments and places
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Only checks whose name contains this, such as `kill` or `folder`
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    /// What else ran on this machine, as a word for the result
    #[arg(long, value_name = "TEXT", default_value = "")]
    beside: String,
    /// Writes the result, with commit and machine
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Arguments {
    fn settings(&self, program: PathBuf) -> Settings {
        let quick = self.quick;
        Settings {
            program,
            kills: self.kills.map_or(if quick { 30 } else { 200 }, usize::from),
            damages: if quick { 1 } else { 4 },
            rows: if quick { [10_000, 100_000] } else { [100_000, 1_000_000] },
            columns: if quick { 200 } else { 2_000 },
            pairs: if quick { 4 } else { 20 },
            seed: self.seed,
            seeds: workspace::root().join("fuzz/seeds"),
            only: self.only.clone(),
        }
    }
}

/// Runs the command; fails if a check is not ok.
///
/// # Errors
/// When no check has such a name, the program cannot be started, or a file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if !names().any(|name| name.contains(&arguments.only)) {
        return Err(LabError::UnknownCheck {
            given: arguments.only.clone(),
            accepted: names().collect::<Vec<_>>().join(", "),
        });
    }
    let program = std::env::current_exe().map_err(LabError::io("find", Path::new("this program")))?;
    let settings = arguments.settings(program);
    let before = load_average();
    let checks = run_checks(&settings, |check| {
        say!(
            "{}: {} ({:.0} s)\n  {}",
            check.name,
            check.verdict.name(),
            check.seconds,
            check.outcome_line()
        );
    })?;
    say!("\n{}", table(&checks));
    if let Some(path) = &arguments.json {
        let report = json!({
            "provenance": Provenance::now(),
            "quick": arguments.quick,
            "seed": arguments.seed,
            "only": arguments.only,
            "beside": arguments.beside,
            "load_average": { "before": before, "after": load_average() },
            "checks": checks,
        });
        write_atomic(path, format!("{}\n", serde_json::to_string_pretty(&report)?).as_bytes())?;
        say!("{}", path.display());
    }
    let all_right = checks.iter().all(|check| check.verdict != Verdict::NotOk);
    Ok(if all_right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
