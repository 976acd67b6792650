//! `table`: a table of the paper beside the results of our runs.

use crate::error::{LabError, Result};
use crate::terminal::say;
use crate::workspace;
use clap::Args;
use ffjord_files::write_atomic;
use ffjord_run::vae::VaeResult;
use ffjord_run::{RunError, RunResult};
use ffjord_study::benchmark_table::{PublishedTable, Selection, bounds_as_results, compare, markdown, markdown_3};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `table`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The table's number in the paper: 2, test likelihoods of the tabular benchmarks, or 3, bounds of variational
    /// autoencoders
    number: u32,
    /// One row alone: of table 2 a benchmark, of table 3 a model
    #[arg(long, value_name = "NAME")]
    row: Option<String>,
    /// Of table 2: one model alone
    #[arg(long, value_name = "NAME", conflicts_with = "column")]
    model: Option<String>,
    /// One column alone: of table 2 a model, of table 3 a set of images
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// A folder of results: files, or run folders; may be given several times (default: docs/results of the workspace, and
    /// runs)
    #[arg(long, value_name = "DIR")]
    results: Vec<PathBuf>,
    /// The folder for tableN.md and tableN.json (default: docs/results of the workspace for the whole table; a part is
    /// printed only)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When there is no such table, row or model, or a file cannot be read or written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let column = arguments.column.clone().or_else(|| arguments.model.clone());
    let (table, selection) = match arguments.number {
        2 => {
            let (row, model) = (arguments.row.clone(), column);
            (PublishedTable::table_2()?, Selection { row, model })
        }
        // As printed in the paper, where the sets of images are columns.
        3 => {
            let (row, model) = (column, arguments.row.clone());
            (PublishedTable::table_3()?, Selection { row, model })
        }
        given => return Err(LabError::UnknownTable { given }),
    };
    let table = table.select(&selection)?;
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
        match arguments.number {
            3 => results.extend(bounds_as_results(VaeResult::collect(folder)?)),
            _ => results.extend(RunResult::collect(folder)?),
        }
    }
    // Paths inside the workspace are the same on every machine.
    for (path, _) in &mut results {
        if let Ok(inside) = path.strip_prefix(workspace::root()) {
            *path = inside.to_path_buf();
        }
    }
    let cells = compare(&table, &results);
    let (text, unit) = match arguments.number {
        3 => (markdown_3(&cells), "nats; frey: bits per dimension"),
        _ => (markdown(&cells), "nats"),
    };
    say!("{}", text.trim_end());
    let whole = selection == Selection::default();
    let Some(out) = arguments.out.clone().or_else(|| whole.then_some(documented)) else {
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(&out).map_err(LabError::io("create", &out))?;
    let name = format!("table{}", arguments.number);
    write_atomic(out.join(format!("{name}.md")), text.as_bytes())?;
    let report = json!({ "table": arguments.number, "unit": unit, "cells": cells });
    let report = format!("{}\n", serde_json::to_string_pretty(&report)?);
    write_atomic(out.join(format!("{name}.json")), report.as_bytes())?;
    say!("\n{}", out.join(format!("{name}.md")).display());
    Ok(ExitCode::SUCCESS)
}
