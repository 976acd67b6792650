//! The comparison as a Markdown table a benchmark.

use super::comparison::{Comparison, Measured};
use super::published::PublishedLikelihood;
use std::fmt::Write;

const HEADER: &str = "| model | published | ours | seeds | test rows | data | preset | training | hardware | commit |\n\
                      |---|---|---|---|---|---|---|---|---|---|\n";

/// One table a benchmark, with a line for every set of runs, and `not run` where there is none.
pub fn markdown(cells: &[Comparison]) -> String {
    let mut text = String::from(
        "# Table 2, tabular benchmarks\n\nTest negative log-likelihood in nats, lower is better. Ours: mean ± standard \
         error over test rows; with several seeds the mean over them, ± its standard error over seeds. Seconds are those \
         of training alone. Flows that start with maps fitted to the training rows (`model.start`) see on POWER that half of \
         the line of active power is empty, up to 0.69 nats which are no better model (docs/tabular.md). Written by \
         `cargo xtask table 2`.\n",
    );
    let mut dataset = "";
    for cell in cells {
        if cell.dataset != dataset {
            dataset = &cell.dataset;
            // Writing to a string cannot fail.
            let _ = write!(text, "\n## {}\n\n{HEADER}", dataset.to_uppercase());
        }
        let head = format!("| {} ({}) | {}", cell.title, cell.source, published(cell.published));
        if cell.ours.is_empty() {
            let _ = writeln!(text, "{head} | not run | – | – | – | – | – | – | – |");
        }
        for ours in &cell.ours {
            let _ = writeln!(text, "{head} | {}", measured(ours));
        }
    }
    text
}

fn published(published: Option<PublishedLikelihood>) -> String {
    match published {
        Some(PublishedLikelihood {
            nll,
            error: Some(error),
        }) => format!("{nll:.2} ± {error:.2}"),
        Some(PublishedLikelihood { nll, error: None }) => format!("{nll:.2}"),
        None => "–".to_string(),
    }
}

fn measured(ours: &Measured) -> String {
    let likelihood = match ours.standard_error_over_seeds {
        Some(over_seeds) => format!(
            "{:.3} ± {over_seeds:.3} (over rows ± {:.3})",
            ours.nll, ours.standard_error
        ),
        None => format!("{:.3} ± {:.3}", ours.nll, ours.standard_error),
    };
    let seeds: Vec<String> = ours.seeds.iter().map(ToString::to_string).collect();
    let settings: String = ours
        .settings
        .iter()
        .map(|setting| format!(" `--set {setting}`"))
        .collect();
    let (from, before) = match &ours.from {
        Some(from) => (
            format!(" `--from {}`", from.display()),
            " after that of the first weights",
        ),
        None => (String::new(), ""),
    };
    let cells = [
        likelihood,
        format!("{} ({})", ours.seeds.len(), seeds.join(", ")),
        ours.rows.to_string(),
        ours.data.clone(),
        format!("`{}`{from}{settings}", ours.preset),
        format!("{:.0} s{before}", ours.training_seconds),
        ours.hardware.join("; "),
        ours.commits.join("; "),
    ];
    // A bar would end the cell.
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("{} |", cells.join(" | "))
}
