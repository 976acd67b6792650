//! What a run came to: its numbers, baselines beside them, and whether the model fits.

use super::embed;
use super::page::{missing, pairs, table, text};
use crate::record::{Outcome, RunRecord};
use ffjord_run::config::{DataConfig, ModelKind};
use ffjord_study::benchmark_table::PublishedTable;
use ffjord_study::fit::{Fit, Level, sentences};
use maud::{Markup, html};
use serde::Deserialize;
use std::path::Path;

/// The numbers of a finished run.
pub(super) fn numbers(record: &RunRecord) -> Markup {
    let Some(outcome) = &record.outcome else {
        return missing("There is no result yet: the run is not finished.");
    };
    let mut rows = Vec::new();
    let mut add = |name: &'static str, value: Option<String>| rows.extend(value.map(|value| (name, text(value))));
    let nats = outcome.nats();
    add(
        nats.map_or("test NLL", |measure| measure.name),
        nats.map(|measure| measure.to_string()),
    );
    add(
        "in bits per dimension",
        outcome.bits().map(|measure| measure.to_string()),
    );
    add("importance-weighted test NLL", importance(outcome));
    add("reconstruction and divergence", bound_terms(outcome));
    add("test rows", outcome.rows().map(|rows| format!("{rows}")));
    add(
        "evaluations of a test solve",
        outcome.evaluations().map(|evaluations| format!("{evaluations:.0}")),
    );
    add("trace", outcome.text("test.trace").map(String::from));
    add("at a tighter tolerance", tighter(outcome));
    add(
        "∫p dx on the picture's grid",
        outcome.number("density_integral").map(|mass| format!("{mass:.5}")),
    );
    add(
        "latent dimensions in use",
        outcome.number("latent.active").map(|active| format!("{active}")),
    );
    add("iterations", iterations(outcome));
    add(
        "seconds of training",
        outcome
            .number("training.seconds")
            .map(|seconds| format!("{seconds:.1}")),
    );
    add(
        "memory at most",
        outcome
            .number("training.peak_memory_mb")
            .map(|megabytes| format!("{megabytes:.0} MB")),
    );
    pairs(rows)
}

/// What the same rows came to at a hundredth of the tolerance.
pub(super) fn tighter(outcome: &Outcome) -> Option<String> {
    if let Some(failure) = outcome.text("test.tighter.failure") {
        return Some(format!("the solve failed: {failure}"));
    }
    let (rows, rtol) = (
        outcome.number("test.tighter.rows")?,
        outcome.number("test.tighter.rtol")?,
    );
    let difference = outcome.number("test.tighter.difference")?;
    Some(format!(
        "the first {rows} rows differ by {difference:.1e} nats at {rtol:.0e}, in double precision"
    ))
}

fn importance(outcome: &Outcome) -> Option<String> {
    let (nll, samples) = (
        outcome.number("test.importance.nll")?,
        outcome.number("test.importance.samples")?,
    );
    let error = outcome.number("test.importance.standard_error").unwrap_or(f64::NAN);
    Some(format!(
        "{nll:.4} ± {error:.4} nats, with {samples} latent states for each image"
    ))
}

fn bound_terms(outcome: &Outcome) -> Option<String> {
    let (first, second) = (
        outcome.number("test.bound.reconstruction")?,
        outcome.number("test.bound.divergence")?,
    );
    Some(format!("{first:.3} and {second:.3} nats"))
}

fn iterations(outcome: &Outcome) -> Option<String> {
    let done = outcome.number("training.iterations")?;
    let ended = outcome
        .text("training.ended")
        .map_or(String::new(), |how| format!(", ended {how}"));
    let failed = outcome.number("training.failed_iterations").unwrap_or_default();
    Some(format!("{done}{ended}, {failed} failed"))
}

/// What a test likelihood is to be seen beside.
pub(super) fn baselines(record: &RunRecord) -> Markup {
    let outcome = record.outcome.as_ref();
    let number = |key: &str| outcome.and_then(|outcome| outcome.number(key));
    let unit = outcome
        .and_then(Outcome::measure)
        .map_or("nats", |measure| measure.unit);
    let mut rows = Vec::new();
    let mut add = |name: String, value: String, from: String| {
        rows.push(vec![text(name), text(value), text(from)]);
    };
    if let Some(measure) = outcome.and_then(Outcome::measure) {
        add("this run".to_string(), measure.to_string(), "test rows".to_string());
    }
    if let Some(gaussian) = number("gaussian_nll") {
        let name = "Gaussian with full covariance".to_string();
        add(name, format!("{gaussian:.4} nats"), "the same rows".to_string());
    }
    if let Some(start) = number("start_nll") {
        let name = "the maps that the flow starts with".to_string();
        add(name, format!("{start:.4} nats"), "the same rows".to_string());
    }
    let published = published(record);
    for (title, source, value) in &published {
        add(title.clone(), format!("{value} {unit}"), source.clone());
    }
    if rows.is_empty() {
        return missing("There is nothing to compare with.");
    }
    let other_rows = outcome
        .and_then(Outcome::split)
        .is_some_and(|(published, _)| !published);
    html! {
        (table(&["model", "NLL", "of"], &rows))
        @if other_rows && !published.is_empty() {
            p.soft { "Published numbers are of the published split, which this run's rows are not." }
        }
    }
}

/// Models, sources and published numbers on the run's data.
fn published(record: &RunRecord) -> Vec<(String, String, String)> {
    let is_vae = record.config.model.kind == ModelKind::Vae;
    let published = if is_vae {
        PublishedTable::table_3()
    } else {
        PublishedTable::table_2()
    };
    let Ok(published) = published else { return Vec::new() };
    let title = match &record.config.data {
        DataConfig::MinibooneReduced(_) => "miniboone".to_string(),
        data => data.title(),
    };
    // The paper's short names.
    let title = match title.as_str() {
        "frey-faces" => "frey",
        "caltech101-silhouettes" => "caltech",
        other => other,
    };
    let models = published.models.iter();
    models
        .filter_map(|model| {
            let number = model.published.get(title)?;
            let error = number.error.map_or(String::new(), |error| format!(" ± {error:.2}"));
            Some((
                model.title.clone(),
                model.source.clone(),
                format!("{:.2}{error}", number.nll),
            ))
        })
        .collect()
}

#[derive(Deserialize)]
struct Checked {
    fit: Fit,
}

/// Whether the model fits, as `check` found it.
pub(super) fn fit(record: &RunRecord) -> Markup {
    let folder = record.path();
    let file = folder.join("check.json");
    let Ok(contents) = std::fs::read_to_string(&file) else {
        if record.config.model.kind == ModelKind::Vae {
            return missing("Autoencoders have a bound and no density, so that this is not checked.");
        }
        return html! {
            p.soft {
                "This was not checked: " code { "cargo xtask check " (folder.display()) }
                " compares the model with rows that it was not trained on."
            }
        };
    };
    match serde_json::from_str::<Checked>(&contents) {
        Ok(Checked { fit }) => of_fit(fit, &folder.join("check.png")),
        Err(error) => missing(format!("{}: this file cannot be read: {error}", file.display())),
    }
}

fn of_fit(mut fit: Fit, picture: &Path) -> Markup {
    // Eleven regions are a table rather than eleven sentences.
    let levels = std::mem::take(&mut fit.levels);
    let percent = |share: f64| text(format!("{:.2} %", 100.0 * share));
    let row = |level: &Level| {
        vec![
            percent(level.expected),
            percent(level.observed),
            percent(level.standard_error),
        ]
    };
    html! {
        ul { @for sentence in sentences(&fit) { li { (sentence) "." } } }
        @if !levels.is_empty() {
            p { "The densest region with so much of the model's mass should hold as much of the rows:" }
            (table(&["of the mass", "of the rows", "± by chance"], &levels.iter().map(row).collect::<Vec<_>>()))
        }
        @if picture.is_file() { div.figures { (embed::file(picture, "noise, regions of high density, worst rows")) } }
    }
}
