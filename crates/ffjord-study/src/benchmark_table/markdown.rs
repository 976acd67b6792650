//! The comparison as a Markdown table a benchmark or set of images.

use super::comparison::{Comparison, Measured};
use super::published::PublishedLikelihood;
use std::fmt::Write;

const HEADER: &str = "| model | published | ours | seeds | test rows | data | preset | training | hardware | commit |\n\
                      |---|---|---|---|---|---|---|---|---|---|\n";

/// One table a benchmark or set of images of table 2, with a line for every set of runs, and `not run` where there is none.
pub fn markdown(cells: &[Comparison]) -> String {
    let mut text = String::from(
        "# Table 2, tables and images\n\nTest negative log-likelihood, of tables in nats, of images in bits per dimension; lower is \
         better. Ours: mean ± standard \
         error over test rows; with several seeds the mean over them, ± its standard error over seeds. Seconds are those \
         of training alone. Flows that start with maps fitted to the training rows (`model.start`) see on POWER that half of \
         the line of active power is empty, up to 0.69 nats which are no better model (docs/tabular.md). Written by \
         `cargo xtask table 2`.\n",
    );
    tables(&mut text, cells, &|dataset| match dataset {
        "mnist" => "MNIST (bits per dimension)".to_string(),
        "cifar10" => "CIFAR-10 (bits per dimension)".to_string(),
        other => other.to_uppercase(),
    });
    text
}

/// One table a set of images of table 3, likewise.
pub fn markdown_3(cells: &[Comparison]) -> String {
    let mut text = String::from(
        "# Table 3, variational autoencoders\n\nNegative evidence lower bound of test images with one latent state each \
         and, for continuous flows, the exact trace: nats an image, of the Frey Faces bits per dimension; lower is better. \
         Ours: mean ± standard error over test images; with several seeds the mean over them, ± its standard error over \
         seeds. Seconds are those of training alone. Presets that end in `-fast` train for a fraction of the paper's \
         epochs. Written by `cargo xtask table 3`.\n",
    );
    tables(&mut text, cells, &|dataset| match dataset {
        "frey" => "FREY (bits per dimension)".to_string(),
        other => format!("{} (nats)", other.to_uppercase()),
    });
    text
}

fn tables(text: &mut String, cells: &[Comparison], title: &dyn Fn(&str) -> String) {
    let mut dataset = "";
    for cell in cells {
        if cell.dataset != dataset {
            dataset = &cell.dataset;
            // Writing to a string cannot fail.
            let _ = write!(text, "\n## {}\n\n{HEADER}", title(dataset));
        }
        let head = format!("| {} ({}) | {}", cell.title, cell.source, published(cell.published));
        if cell.ours.is_empty() {
            let _ = writeln!(text, "{head} | not run | – | – | – | – | – | – | – |");
        }
        for ours in &cell.ours {
            let _ = writeln!(text, "{head} | {}", measured(ours));
        }
    }
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
