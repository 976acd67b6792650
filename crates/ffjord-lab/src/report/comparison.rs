//! The page of several runs.

use super::curves::{self, Curves};
use super::page::{page, table, text};
use super::run::{section, title};
use super::{config, embed, origin, outcome};
use crate::error::Result;
use crate::record::{Metrics, Outcome, RunRecord};
use maud::{Markup, html};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The page that sets runs side by side, in the order that they are given in.
///
/// # Errors
/// When a folder holds no run, or its configuration or metrics cannot be read.
pub fn comparison(paths: &[PathBuf]) -> Result<String> {
    let records: Vec<RunRecord> = paths.iter().map(|path| RunRecord::open(path)).collect::<Result<_>>()?;
    let metrics: Vec<Metrics> = records
        .iter()
        .map(|record| Metrics::read(&record.folder.metrics()))
        .collect::<Result<_>>()?;
    let names = names(&records);
    let drawn: Vec<Curves<'_>> = names
        .iter()
        .zip(&metrics)
        .map(|(name, metrics)| Curves {
            name: name.clone(),
            metrics,
        })
        .collect();
    let configs: Vec<_> = records.iter().map(|record| &record.config).collect();
    let head = html! {
        h1 { (records.len()) " runs side by side" }
        p.soft { (names.join("; ")) }
    };
    let sections = [
        section("results", "Results", results(&names, &records, &metrics)),
        section("curves", "Training", curves::of_runs(&drawn)),
        section(
            "differences",
            "Differences of configuration",
            config::differences(&names, &configs),
        ),
        section("pictures", "Pictures", pictures(&names, &records)),
        section("repetition", "Repetition", repetition(&names, &records)),
    ];
    Ok(page("Comparison of runs", &head, &sections))
}

/// Preset and seed, or paths where these are not enough.
fn names(records: &[RunRecord]) -> Vec<String> {
    let titles: Vec<String> = records.iter().map(title).collect();
    let distinct = titles.iter().collect::<BTreeSet<_>>().len() == titles.len();
    match distinct {
        true => titles,
        false => records
            .iter()
            .map(|record| record.path().display().to_string())
            .collect(),
    }
}

fn results(names: &[String], records: &[RunRecord], metrics: &[Metrics]) -> Markup {
    let header = [
        "run",
        "state",
        "kind",
        "test",
        "at a tighter tolerance",
        "Gaussian",
        "NFE",
        "iterations",
        "seconds",
        "machine",
        "commit",
    ];
    let or_none = |value: Option<String>| text(value.unwrap_or_else(|| "–".to_string()));
    let rows = names.iter().zip(records).zip(metrics).map(|((name, record), metrics)| {
        let outcome = record.outcome.as_ref();
        let number = |key: &str| outcome.and_then(|outcome| outcome.number(key));
        let (iterations, seconds) = metrics.done();
        let origin = record.provenance();
        vec![
            text(name),
            text(record.state.name()),
            text(record.kind()),
            html! { span.number { (or_none(outcome.and_then(Outcome::measure).map(|measure| measure.to_string()))) } },
            or_none(outcome.and_then(outcome::tighter)),
            or_none(number("gaussian_nll").map(|nll| format!("{nll:.3}"))),
            or_none(
                outcome
                    .and_then(Outcome::evaluations)
                    .map(|evaluations| format!("{evaluations:.0}")),
            ),
            text(format!(
                "{}",
                number("training.iterations").unwrap_or(iterations as f64)
            )),
            text(format!("{:.0}", number("training.seconds").unwrap_or(seconds))),
            or_none(origin.as_ref().map(|origin| origin.hardware.clone())),
            or_none(origin.and_then(|origin| origin.commit)),
        ]
    });
    table(&header, &rows.collect::<Vec<_>>())
}

fn pictures(names: &[String], records: &[RunRecord]) -> Markup {
    html! {
        @for (name, record) in names.iter().zip(records) {
            h3 { (name) }
            @let paths = embed::pictures(&record.folder.plots());
            @if paths.is_empty() { p.soft { "There are no pictures of this run." } }
            div.figures {
                @for path in paths.iter().filter(|path| path.file_stem().is_some_and(|stem| stem != "training")) {
                    (embed::file(path, &embed::caption(path)))
                }
            }
        }
    }
}

fn repetition(names: &[String], records: &[RunRecord]) -> Markup {
    html! {
        @for (name, record) in names.iter().zip(records) {
            h3 { (name) }
            @match origin::command(record) {
                Some(command) => pre { (command) },
                None => p.soft { "The preset was not recorded: config.json holds all settings." },
            }
        }
    }
}
