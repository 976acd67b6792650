//! The page of a folder of results: of the whole project, or of all that a reproduction has made.

use super::embed;
use super::markdown::markdown;
use super::origin::quoted;
use super::page::{missing, page, table, text};
use super::run::section;
use crate::error::{LabError, Result};
use crate::record::{Outcome, RunRecord};
use crate::reproduction::{Log, LoggedStep};
use crate::workspace;
use maud::{Markup, html};
use std::path::{Path, PathBuf};

/// Folders are looked into to this depth.
const DEPTH: usize = 4;

/// What lies in a folder.
#[derive(Default)]
struct Found {
    /// Tables that studies have written.
    documents: Vec<PathBuf>,
    pictures: Vec<PathBuf>,
    results: Vec<(PathBuf, Outcome)>,
    /// Run folders without a result, and why.
    unfinished: Vec<(PathBuf, String)>,
}

/// The page of a folder: its tables, results, and pictures.
///
/// # Errors
/// When the folder cannot be listed.
pub fn folder(folder: &Path, title: &str) -> Result<String> {
    std::fs::read_dir(folder).map_err(LabError::io("list", folder))?;
    let mut found = Found::default();
    gather(folder, DEPTH, &mut found);
    // The paper's tables first.
    found
        .documents
        .sort_by_key(|path| (!embed::caption(path).starts_with("table"), path.clone()));
    let head = html! {
        h1 { (title) }
        p.soft {
            (found.results.len()) " results, " (found.documents.len()) " tables, " (found.pictures.len()) " pictures in "
            code { (inside(workspace::root(), folder)) }
        }
    };
    let steps = Log::open(folder).map(|log| log.steps).unwrap_or_default();
    let mut sections = vec![
        section("results", "Results", results(folder, &found)),
        section("tables", "Tables and studies", documents(&found)),
        section("figures", "Figures", figures(folder, &found)),
    ];
    if !steps.is_empty() {
        sections.insert(0, section("steps", "What was run", run_steps(&steps)));
    }
    Ok(page(title, &head, &sections))
}

fn gather(folder: &Path, depth: usize, found: &mut Found) {
    let is_run = folder.join("config.json").is_file();
    if is_run {
        let result = folder.join("result.json");
        match (result.is_file(), Outcome::open(&result)) {
            (true, Ok(outcome)) => found.results.push((folder.to_path_buf(), outcome)),
            (true, Err(error)) => found.unfinished.push((folder.to_path_buf(), error.to_string())),
            (false, _) => {
                let state = RunRecord::open(folder);
                let state = state.map_or_else(|error| error.to_string(), |record| record.state.name().to_string());
                found.unfinished.push((folder.to_path_buf(), state));
            }
        }
        found.pictures.extend(embed::pictures(&folder.join("plots")));
        found
            .pictures
            .extend(Some(folder.join("check.png")).filter(|path| path.is_file()));
        return;
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    found.pictures.extend(embed::pictures(folder));
    for path in &paths {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            Some("md") if path.file_stem().is_some_and(|stem| stem != "README") => found.documents.push(path.clone()),
            Some("json") => {
                let outcome = Outcome::open(path).ok();
                let outcome = outcome.filter(|outcome| outcome.preset().is_some() && outcome.nats().is_some());
                found.results.extend(outcome.map(|outcome| (path.clone(), outcome)));
            }
            _ if path.is_dir() && depth > 1 => gather(path, depth - 1, found),
            _ => {}
        }
    }
}

/// The steps of a reproduction: what came of them, and their commands.
fn run_steps(steps: &[LoggedStep]) -> Markup {
    let row = |step: &LoggedStep| {
        let outcome = match (step.done, step.code) {
            (true, _) => "done".to_string(),
            (false, Some(code)) => format!("failed with exit code {code}"),
            (false, None) => "ended by a signal".to_string(),
        };
        let commit = step.provenance.commit.as_deref().unwrap_or("–");
        vec![
            text(&step.name),
            text(outcome),
            text(step.seconds.to_string()),
            text(commit),
            text(&step.provenance.hardware),
            html! { code { "cargo xtask " (step.arguments.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")) } },
        ]
    };
    let total: u64 = steps.iter().map(|step| step.seconds).sum();
    html! {
        p { "All steps together took " (total) " seconds." }
        (table(&["step", "outcome", "seconds", "commit", "machine", "command"], &steps.iter().map(row).collect::<Vec<_>>()))
    }
}

/// A path below the folder.
fn inside(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}

fn results(folder: &Path, found: &Found) -> Markup {
    let header = [
        "run",
        "preset",
        "test",
        "rows",
        "split",
        "iterations",
        "seconds",
        "NFE",
        "Gaussian",
        "commit",
        "date",
    ];
    let or_none = |value: Option<String>| text(value.unwrap_or_else(|| "–".to_string()));
    let row = |(path, outcome): &(PathBuf, Outcome)| {
        let number = |key: &str, digits: usize| or_none(outcome.number(key).map(|number| format!("{number:.digits$}")));
        let origin = outcome.provenance();
        vec![
            text(inside(folder, path).trim_end_matches(".json")),
            or_none(outcome.preset().map(String::from)),
            html! { span.number { (or_none(outcome.measure().map(|measure| measure.to_string()))) } },
            or_none(outcome.rows().map(|rows| rows.to_string())),
            or_none(outcome.split().map(|(published, difference)| match published {
                true => "published".to_string(),
                false => difference.unwrap_or("other").to_string(),
            })),
            number("training.iterations", 0),
            number("training.seconds", 0),
            or_none(outcome.evaluations().map(|evaluations| format!("{evaluations:.0}"))),
            number("gaussian_nll", 3),
            or_none(origin.as_ref().and_then(|origin| origin.commit.clone())),
            or_none(origin.map(|origin| origin.date)),
        ]
    };
    let unfinished = |(path, state): &(PathBuf, String)| vec![text(inside(folder, path)), text(state)];
    html! {
        @if found.results.is_empty() { (missing("There are no results.")) } @else {
            (table(&header, &found.results.iter().map(row).collect::<Vec<_>>()))
        }
        @if !found.unfinished.is_empty() {
            h3 { "Runs without a result" }
            (table(&["run", "state"], &found.unfinished.iter().map(unfinished).collect::<Vec<_>>()))
        }
    }
}

fn documents(found: &Found) -> Markup {
    html! {
        @if found.documents.is_empty() { (missing("There are no tables.")) }
        @for path in &found.documents {
            @match std::fs::read_to_string(path) {
                Ok(contents) => div.document {
                    // Some begin with their table.
                    @if !contents.starts_with('#') { h3 { (embed::caption(path)) } }
                    (markdown(&contents))
                },
                Err(error) => (missing(format!("{}: this file cannot be read: {error}", path.display()))),
            }
        }
    }
}

fn figures(folder: &Path, found: &Found) -> Markup {
    // Two folders may have pictures of one name.
    let caption = |path: &Path| {
        let place = inside(folder, path.parent().unwrap_or(folder)).replace("/plots", "");
        match place.as_str() {
            "" => embed::caption(path),
            place => format!("{place}: {}", embed::caption(path)),
        }
    };
    html! {
        @if found.pictures.is_empty() { (missing("There are no pictures.")) }
        div.figures.large { @for path in &found.pictures { (embed::file(path, &caption(path))) } }
    }
}
