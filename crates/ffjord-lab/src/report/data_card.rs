//! What is known of a run's data.

use super::page::{missing, pairs, text};
use crate::record::{Outcome, RunRecord};
use ffjord_data::manifest::Manifest;
use ffjord_data::{Benchmark, ImageSet};
use ffjord_run::DataSummary;
use ffjord_run::config::DataConfig;
use maud::{Markup, html};

/// Columns that are named at most.
const MOST_COLUMNS: usize = 64;

/// The section.
pub(super) fn section(record: &RunRecord) -> Markup {
    let split = record.outcome.as_ref().and_then(Outcome::split);
    html! {
        (what(&record.config.data))
        @if let Some(manifest) = manifest(&record.config.data) { (of_manifest(&manifest)) }
        @match split {
            Some((true, _)) => p {
                "The rows are those of the published split, so that results stand beside published ones."
            },
            Some((false, difference)) => p {
                "Not the published split, so that results cannot be compared with published ones"
                @if let Some(difference) = difference { ": " (difference) }
                "."
            },
            None => {},
        }
        @if let Some(outcome) = &record.outcome {
            @if let Some(read) = outcome.text("table.read") { p { (read) "." } }
            @for warning in outcome.texts("table.warnings") { p.soft { "Warning: " (warning) "." } }
        }
        @if let Some(why) = record.data.as_ref().and_then(DataSummary::no_density) { p { b { (why) "." } } }
        @match &record.data {
            Some(data) => (of_rows(data)),
            None => (missing("There is no data.json that says more of the rows.")),
        }
    }
}

fn what(data: &DataConfig) -> Markup {
    let title = data.title();
    html! {
        p {
            @match data {
                DataConfig::Toy { .. } => {
                    "The toy density " b { (title) } ", sampled anew for every batch; nothing is seen twice."
                }
                DataConfig::Image { .. } => { "A density read from the brightness of the picture " b { (title) } "." }
                DataConfig::Table(_) => { "A table of one's own, " b { (title) } "." }
                DataConfig::Images(_) => { "Images: " b { (title) } "." }
                _ => { "The tabular benchmark " b { (title) } "." }
            }
        }
    }
}

/// What comes with the program about published data.
fn manifest(data: &DataConfig) -> Option<Manifest> {
    let title = data.title();
    match data {
        DataConfig::Images(_) => title.parse::<ImageSet>().ok()?.manifest().ok(),
        DataConfig::Toy { .. } | DataConfig::Image { .. } | DataConfig::Table(_) => None,
        _ => title.parse::<Benchmark>().ok()?.manifest().ok(),
    }
}

fn of_manifest(manifest: &Manifest) -> Markup {
    let prepared = &manifest.prepared;
    pairs([
        ("title", text(&manifest.title)),
        ("to cite", text(&manifest.citation)),
        ("licence", text(&manifest.licence.name)),
        ("source", html! { a href=(manifest.source) { (manifest.source) } }),
        (
            "published split",
            html! {
                (prepared.train_rows) " for training, " (prepared.validation_rows) " for validation, "
                (prepared.test_rows) " for testing, of dimension " (prepared.dimension)
            },
        ),
        ("changes", text(&manifest.changes)),
    ])
}

fn of_rows(data: &DataSummary) -> Markup {
    let mut rows = vec![("dimension of a row", text(data.dimension.to_string()))];
    if let Some(image) = &data.image {
        let [channels, height, width] = image.shape;
        rows.push((
            "images",
            html! { (channels) " × " (height) " × " (width) " numbers of " (image.levels) " levels" },
        ));
    }
    if let Some(given) = &data.given {
        rows.push(("given", text(given.names.join(", "))));
    }
    if !data.left_out.is_empty() {
        rows.push(("columns left out", text(data.left_out.join(", "))));
    }
    html! { (pairs(rows)) (columns(data)) }
}

/// The columns with means and deviations.
fn columns(data: &DataSummary) -> Markup {
    let Some((means, deviations)) = data.scales.as_ref().filter(|(means, _)| means.len() <= MOST_COLUMNS) else {
        return html! {};
    };
    let name = |column: usize| match &data.names {
        Some(names) => names.get(column).cloned().unwrap_or_default(),
        None => format!("column {column}"),
    };
    let rows = means
        .iter()
        .zip(deviations)
        .enumerate()
        .map(|(column, (mean, deviation))| {
            let step = data.dequantized.get(column).copied().flatten();
            let noise = step.map_or("–".to_string(), |lattice| format!("{}", lattice.step));
            [name(column), format!("{mean:.6}"), format!("{deviation:.6}"), noise]
                .iter()
                .map(text)
                .collect()
        });
    html! {
        details {
            summary { "Columns: means and standard deviations that they were scaled by" }
            (super::page::table(&["column", "mean", "standard deviation", "noise over"], &rows.collect::<Vec<_>>()))
        }
    }
}
