//! `reproduce`: a small version of everything, one command after the other.

use super::report::write;
use crate::error::{LabError, Result};
use crate::record::run_folders;
use crate::report;
use crate::reproduction::{Log, LoggedStep, Step, of_file, quick};
use crate::terminal::{columns, say};
use clap::Args;
use ffjord_run::Provenance;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The exit code of a process that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Arguments of `reproduce`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every step is a command of this program that can be run by itself; --list shows them. A step that fails is \
                  told, and the others go on. Started again, it leaves out what is done and goes on with what is not; \
                  reproduce.json in the folder keeps which. With the paper's settings everything takes weeks: its presets \
                  are those that `experiment --list` names without -fast or -quick."
)]
pub struct Arguments {
    /// Everything in a small version, within an hour on two cores
    #[arg(long, required_unless_present = "steps")]
    quick: bool,
    /// A list of one's own instead: a TOML file with [[steps]], each with `name`, `about` and `arguments`
    #[arg(long, value_name = "FILE", conflicts_with = "quick")]
    steps: Option<PathBuf>,
    /// Lists the steps, and which are done
    #[arg(long)]
    list: bool,
    /// The folder that all is written into (default: runs/reproduce)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the list or its log cannot be read, the program cannot be started again, or a page cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let steps = match &arguments.steps {
        Some(file) => of_file(file)?,
        None => quick()?,
    };
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from("runs/reproduce"));
    let mut log = Log::open(&out)?;
    if arguments.list {
        list(&steps, &out, &log);
        return Ok(ExitCode::SUCCESS);
    }
    std::fs::create_dir_all(&out).map_err(LabError::io("create", &out))?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    // The step at work is told by the terminal, too, and ends in its own way.
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;
    let mut failed = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let place = format!("[{}/{}] {}", index + 1, steps.len(), step.name);
        let arguments = step.arguments(&out);
        if log.is_done(&step.name, &arguments) {
            say!("{place}: done before");
            continue;
        }
        say!("\n{place}: {}\n  {}", step.about, arguments.join(" "));
        let ended = start(step, arguments)?;
        let interrupted = stop.load(Ordering::Relaxed) || ended.code == Some(i32::from(INTERRUPTED));
        let done = ended.done;
        log.add(ended)?;
        if interrupted {
            say!("\nstopped; the same command goes on from here");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        if !done {
            say!("{place}: failed, the others go on");
            failed.push(step.name.clone());
        }
    }
    pages(&out)?;
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    say!("failed: {}; the same command tries them again", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Runs a step in a process of its own, so that no fault of it ends the others.
fn start(step: &Step, arguments: Vec<String>) -> Result<LoggedStep> {
    let program = std::env::current_exe().map_err(LabError::io("find", Path::new("this program")))?;
    let clock = Instant::now();
    let status = Command::new(&program).args(&arguments).status();
    let status = status.map_err(LabError::io("start", &program))?;
    Ok(LoggedStep {
        name: step.name.clone(),
        arguments,
        done: status.success(),
        code: status.code(),
        seconds: clock.elapsed().as_secs(),
        provenance: Provenance::now(),
    })
}

/// A page of every run, and one of all.
fn pages(out: &Path) -> Result<()> {
    for run in run_folders(out)? {
        // A damaged folder costs its own page alone.
        match report::run(&run) {
            Ok(page) => write(&run.join("report.html"), &page)?,
            Err(error) => say!("{}: no page: {error}", run.display()),
        }
    }
    let title = "Reproduction: everything in small";
    write(&out.join("report.html"), &report::folder(out, title)?)
}

fn list(steps: &[Step], out: &Path, log: &Log) {
    let rows = steps.iter().map(|step| {
        let done = log.is_done(&step.name, &step.arguments(out));
        let state = if done { "done" } else { "" };
        vec![step.name.clone(), state.to_string(), step.about.clone()]
    });
    columns(&rows.collect::<Vec<_>>())
        .iter()
        .for_each(|line| say!("{line}"));
}
