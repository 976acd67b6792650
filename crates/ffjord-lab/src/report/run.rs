//! The page of one run.

use super::page::{Section, page, table, text, tiles};
use super::{config, curves, data_card, embed, origin, outcome};
use crate::error::Result;
use crate::record::{Metrics, Outcome, RunRecord};
use crate::references::references;
use ffjord_run::RunState;
use ffjord_run::config::ModelKind;
use maud::{Markup, html};
use std::path::Path;

/// Validations and failures in the page's tables, at most.
const MOST_LINES: usize = 200;

/// The page of a run, whatever state it is in.
///
/// # Errors
/// When the folder holds no run, or its configuration or metrics cannot be read.
pub fn run(path: &Path) -> Result<String> {
    let record = RunRecord::open(path)?;
    let metrics = Metrics::read(&record.folder.metrics())?;
    let title = title(&record);
    let head = html! {
        h1 { (title) " " span.state { (record.state.name()) } }
        p { (record.config.description) "." }
        (summary(&record, &metrics))
    };
    let sections = [
        section("result", "Result", outcome::numbers(&record)),
        section("baselines", "Baselines", outcome::baselines(&record)),
        section("fit", "Is it a good fit?", outcome::fit(&record)),
        section("curves", "Training", training(&record, &metrics)),
        section("pictures", "Pictures", pictures(&record)),
        section("data", "Data", data_card::section(&record)),
        section(
            "configuration",
            "Configuration",
            config::all(&record.config, &record.settings()),
        ),
        section("origin", "Machine, commit, repetition", origin::section(&record)),
        section("works", "Works to cite", works(&record)?),
    ];
    Ok(page(&title, &head, &sections))
}

pub(super) fn section(id: &'static str, title: &'static str, body: Markup) -> Section {
    Section { id, title, body }
}

/// Preset and seed, or the folder's name.
pub(super) fn title(record: &RunRecord) -> String {
    match record.preset() {
        Some(preset) => format!("{preset}, seed {}", record.config.seed),
        None => record.path().display().to_string(),
    }
}

fn summary(record: &RunRecord, metrics: &Metrics) -> Markup {
    let outcome = record.outcome.as_ref();
    let mut shown = Vec::new();
    let mut tile = |name: &str, value: Option<String>| shown.extend(value.map(|value| (name.to_string(), value)));
    let measure = outcome.and_then(Outcome::measure);
    tile(
        measure.map_or("test", |measure| measure.name),
        measure.map(|measure| measure.to_string()),
    );
    if measure.is_none() {
        let best = metrics.validations.iter().filter(|line| line.nll.is_finite());
        let best = best.min_by(|a, b| a.nll.total_cmp(&b.nll));
        tile(
            "best validation so far",
            best.map(|line| format!("{:.4} ± {:.4} nats", line.nll, line.standard_error)),
        );
    }
    let gaussian = outcome.and_then(|outcome| outcome.number("gaussian_nll"));
    tile("Gaussian", gaussian.map(|nll| format!("{nll:.3} nats")));
    let planned = record.config.training.options.iterations;
    let finished = matches!(record.state, RunState::Finished);
    let done = outcome.and_then(|outcome| outcome.number("training.iterations"));
    let done = done.map_or(metrics.done().0, |done| done as u64);
    let so_far = if finished || done == planned {
        format!("{done}")
    } else {
        format!("{done} of {planned}")
    };
    tile("iterations", Some(so_far));
    let seconds = outcome.and_then(|outcome| outcome.number("training.seconds"));
    tile(
        "training",
        Some(format!("{:.0} s", seconds.unwrap_or(metrics.done().1))),
    );
    let evaluations = outcome.and_then(Outcome::evaluations);
    tile(
        "evaluations of a test solve",
        evaluations.map(|evaluations| format!("{evaluations:.0}")),
    );
    tiles(&shown)
}

fn training(record: &RunRecord, metrics: &Metrics) -> Markup {
    let measure = match record.config.model.kind {
        ModelKind::Vae => "negative bound",
        _ => "negative log-likelihood",
    };
    let number = |value: f64| text(format!("{value:.4}"));
    let validations: Vec<Vec<Markup>> = last(&metrics.validations)
        .iter()
        .map(|line| {
            vec![
                text(line.iteration.to_string()),
                text(format!("{:.1}", line.seconds)),
                text(format!("{:.4} ± {:.4}", line.nll, line.standard_error)),
                line.test_nll.map_or_else(|| text("–"), number),
                text(if line.best { "best so far" } else { "" }),
            ]
        })
        .collect();
    let failures: Vec<Vec<Markup>> = last(&metrics.failures)
        .iter()
        .map(|line| vec![text(line.iteration.to_string()), text(&line.cause)])
        .collect();
    html! {
        (curves::of_run(metrics, measure))
        @if !validations.is_empty() {
            details {
                summary { "All validations (" (metrics.validations.len()) ")" }
                (table(&["iteration", "seconds", "NLL in nats", "test rows", ""], &validations))
            }
        }
        @if !failures.is_empty() {
            details {
                summary { "All failures (" (metrics.failures.len()) ")" }
                (table(&["iteration", "cause"], &failures))
            }
        }
        @if metrics.unread > 0 {
            p.soft { (metrics.unread) " lines of metrics.jsonl could not be understood and are left out." }
        }
    }
}

fn works(record: &RunRecord) -> Result<Markup> {
    let references = references(&record.config)?;
    Ok(html! {
        details {
            summary { (references.len()) " entries of BibTeX for what the run used" }
            pre { @for reference in &references { "% " (reference.used.join(", ")) "\n" (reference.bibtex) "\n\n" } }
        }
    })
}

fn last<T>(all: &[T]) -> &[T] {
    &all[all.len().saturating_sub(MOST_LINES)..]
}

/// The pictures of `plots/` but the curves, which the page has drawn for itself.
fn pictures(record: &RunRecord) -> Markup {
    let mut paths = embed::pictures(&record.folder.plots());
    paths.retain(|path| path.file_stem().is_some_and(|stem| stem != "training"));
    if paths.is_empty() {
        return html! {
            p.soft {
                "There are no pictures: finished runs have them, and " code { "cargo xtask plot " (record.path().display()) }
                " draws them of others."
            }
        };
    }
    html! {
        div.figures.large { @for path in &paths { (embed::file(path, &embed::caption(path))) } }
    }
}
