//! `table`: a table of the paper beside the results of our runs.

use crate::error::{LabError, Result};
use crate::terminal::say;
use crate::workspace;
use clap::Args;
use ffjord_files::write_atomic;
use ffjord_run::{RunError, RunResult};
use ffjord_study::benchmark_table::{PublishedTable, Selection, compare, markdown};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `table`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The table's number in the paper: 2, test likelihoods of the tabular benchmarks
    number: u32,
    /// One benchmark alone
    #[arg(long, value_name = "NAME")]
    row: Option<String>,
    /// One model alone
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// A folder of results: files, or run folders; may be given several times (default: docs/results of the workspace, and
    /// runs)
    #[arg(long, value_name = "DIR")]
    results: Vec<PathBuf>,
    /// The folder for table2.md and table2.json (default: docs/results of the workspace for the whole table; a part is
    /// printed only)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When there is no such table, row or model, or a file cannot be read or written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.number != 2 {
        return Err(LabError::UnknownTable {
            given: arguments.number,
        });
    }
    let selection = Selection {
        row: arguments.row.clone(),
        model: arguments.model.clone(),
    };
    let table = PublishedTable::table_2()?.select(&selection)?;
    let documented = workspace::root().join("docs/results");
    let folders = match arguments.results.as_slice() {
        [] => vec![documented.clone(), PathBuf::from("runs")],
        given => given.to_vec(),
    };
    let mut results = Vec::new();
    for folder in &folders {
        // A folder that was asked for by name and is not there is a mistake, not an absence of results.
        if !arguments.results.is_empty() && !folder.is_dir() {
            return Err(RunError::RunFolder {
                path: folder.clone(),
                reason: "there is no such folder: give one that holds results or run folders".to_string(),
            }
            .into());
        }
        results.extend(RunResult::collect(folder)?);
    }
    // Paths inside the workspace are the same on every machine.
    for (path, _) in &mut results {
        if let Ok(inside) = path.strip_prefix(workspace::root()) {
            *path = inside.to_path_buf();
        }
    }
    let cells = compare(&table, &results);
    let text = markdown(&cells);
    say!("{}", text.trim_end());
    let whole = selection == Selection::default();
    let Some(out) = arguments.out.clone().or_else(|| whole.then_some(documented)) else {
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(&out).map_err(LabError::io("create", &out))?;
    write_atomic(out.join("table2.md"), text.as_bytes())?;
    let report = json!({ "table": 2, "unit": "nats", "cells": cells });
    let report = format!("{}\n", serde_json::to_string_pretty(&report)?);
    write_atomic(out.join("table2.json"), report.as_bytes())?;
    say!("\n{}", out.join("table2.md").display());
    Ok(ExitCode::SUCCESS)
}
