//! `runs`: lists run folders.

use crate::error::{LabError, Result};
use crate::record::{Measure, Metrics, Outcome, RunRecord, run_folders};
use crate::terminal::{columns, say};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `runs`.
#[derive(Debug, Args)]
#[command(
    after_help = "A run is running while a process has its folder, finished when it has a result, and interrupted \
                  otherwise: `experiment … --resume` goes on with it. What is damaged has a line that says why. Nothing is \
                  written."
)]
pub struct Arguments {
    /// Run folders, or folders that they lie in (default: runs)
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Writes comma-separated values, with whole numbers and paths
    #[arg(long)]
    csv: bool,
}

/// Runs the command.
///
/// # Errors
/// When a folder that was named cannot be listed.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folders = match arguments.folders.as_slice() {
        [] => vec![PathBuf::from("runs")],
        given => given.to_vec(),
    };
    let mut rows = Vec::new();
    for folder in &folders {
        // Without any run yet there is no folder of runs either.
        if arguments.folders.is_empty() && !folder.exists() {
            continue;
        }
        rows.extend(run_folders(folder)?.iter().map(|path| Row::of(path)));
    }
    match arguments.csv {
        true => csv(&rows),
        false => {
            text(&rows);
            Ok(())
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

/// A run in the list.
struct Row {
    path: PathBuf,
    /// The run, or why it cannot be read.
    run: std::result::Result<Listed, String>,
}

struct Listed {
    record: RunRecord,
    iterations: u64,
    seconds: f64,
}

impl Row {
    fn of(path: &Path) -> Self {
        let run = Listed::of(path).map_err(|error| error.to_string());
        Self {
            path: path.to_path_buf(),
            run,
        }
    }
}

impl Listed {
    fn of(path: &Path) -> Result<Self> {
        let record = RunRecord::open(path)?;
        let outcome = record.outcome.as_ref();
        let of_result = outcome.and_then(|outcome| {
            let iterations = outcome.number("training.iterations")?;
            Some((iterations as u64, outcome.number("training.seconds")?))
        });
        let (iterations, seconds) = match of_result {
            Some(done) => done,
            None => Metrics::tail(&record.folder.metrics())?.done(),
        };
        Ok(Self {
            record,
            iterations,
            seconds,
        })
    }

    fn planned(&self) -> u64 {
        self.record.config.training.options.iterations
    }

    /// The test result, of finished runs.
    fn measure(&self) -> Option<Measure> {
        self.record.outcome.as_ref().and_then(Outcome::measure)
    }

    fn evaluations(&self) -> Option<f64> {
        self.record.outcome.as_ref().and_then(Outcome::evaluations)
    }

    /// Commit and date.
    fn origin(&self) -> (Option<String>, Option<String>) {
        let origin = self.record.provenance();
        origin.map_or((None, None), |origin| (origin.commit, Some(origin.date)))
    }

    fn state(&self) -> &'static str {
        self.record.state.name()
    }
}

const NONE: &str = "–";

fn text(rows: &[Row]) {
    let header = [
        "run",
        "preset",
        "kind",
        "dataset",
        "state",
        "iterations",
        "seconds",
        "test",
        "NFE",
        "commit",
        "date",
    ];
    let mut table = vec![header.map(String::from).to_vec()];
    let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_string());
    for Row { path, run } in rows {
        let mut line = vec![path.display().to_string()];
        match run {
            Ok(run) => {
                let (commit, date) = run.origin();
                line.extend([
                    or_none(run.record.preset().map(String::from)),
                    run.record.kind(),
                    run.record.config.data.title(),
                    run.state().to_string(),
                    format!("{}/{}", run.iterations, run.planned()),
                    format!("{:.0}", run.seconds),
                    or_none(run.measure().map(|measure| measure.to_string())),
                    or_none(run.evaluations().map(|evaluations| format!("{evaluations:.0}"))),
                    or_none(commit),
                    or_none(date),
                ]);
            }
            Err(reason) => line.push(format!("cannot be read: {reason}")),
        }
        table.push(line);
    }
    columns(&table).iter().for_each(|line| say!("{line}"));
    for (path, damaged) in rows
        .iter()
        .filter_map(|row| Some((&row.path, &row.run.as_ref().ok()?.record.damaged)))
    {
        damaged.iter().for_each(|reason| say!("{}: {reason}", path.display()));
    }
    if rows.is_empty() {
        say!("there are no run folders here: `cargo xtask experiment NAME` makes one");
    }
}

fn csv(rows: &[Row]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "run",
        "preset",
        "kind",
        "dataset",
        "state",
        "iterations",
        "iterations_planned",
        "seconds",
        "measure",
        "value",
        "standard_error",
        "unit",
        "nfe",
        "commit",
        "date",
        "problem",
    ])?;
    let number = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
    for Row { path, run } in rows {
        let path = path.display().to_string();
        match run {
            Ok(run) => {
                let (commit, date) = run.origin();
                let measure = run.measure();
                writer.write_record([
                    path,
                    run.record.preset().unwrap_or_default().to_string(),
                    run.record.kind(),
                    run.record.config.data.title(),
                    run.state().to_string(),
                    run.iterations.to_string(),
                    run.planned().to_string(),
                    run.seconds.to_string(),
                    measure.map_or("", |measure| measure.name).to_string(),
                    number(measure.map(|measure| measure.value)),
                    number(measure.and_then(|measure| measure.standard_error)),
                    measure.map_or("", |measure| measure.unit).to_string(),
                    number(run.evaluations()),
                    commit.unwrap_or_default(),
                    date.unwrap_or_default(),
                    run.record.damaged.join("; "),
                ])?;
            }
            Err(reason) => {
                let mut line = vec![String::new(); 16];
                line[0] = path;
                line[4] = "unreadable".to_string();
                line[15] = reason.clone();
                writer.write_record(&line)?;
            }
        }
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| LabError::Csv(error.into_error().into()))?;
    say!("{}", String::from_utf8_lossy(&bytes).trim_end());
    Ok(())
}
