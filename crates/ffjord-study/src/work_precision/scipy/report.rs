//! The comparison as tables.

use super::{Comparison, Equation};
use std::fmt::Write;

/// A table for equations that are not stiff and one for those that are: our evaluations over SciPy's at equal error, means
/// and ranges.
pub fn scipy_markdown(comparisons: &[Comparison]) -> String {
    let (stiff, other): (Vec<&Comparison>, Vec<&Comparison>) = comparisons.iter().partition(|found| found.stiff);
    [other, stiff].map(|part| table(&part)).join("\n")
}

fn table(comparisons: &[&Comparison]) -> String {
    let mut problems: Vec<Equation> = Vec::new();
    let mut columns: Vec<(&str, &str, &str)> = Vec::new();
    for comparison in comparisons {
        if !problems.contains(&comparison.problem) {
            problems.push(comparison.problem);
        }
        let column = (comparison.method, comparison.next_step, comparison.rival.as_str());
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let mut text = String::from("| problem |");
    for (method, next_step, rival) in &columns {
        let steps = match *next_step {
            "by_error" => ", by error",
            "predicted" => ", predicted",
            _ => "",
        };
        // Writing to a string cannot fail.
        let _ = write!(text, " `{method}`{steps} / {rival} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(columns.len()));
    for problem in problems {
        let tuned = comparisons
            .iter()
            .any(|comparison| comparison.problem == problem && comparison.tuned);
        let _ = write!(text, "| {}{} |", problem.name(), if tuned { " (tuned on)" } else { "" });
        for &(method, next_step, rival) in &columns {
            let found = comparisons
                .iter()
                .find(|c| c.problem == problem && c.method == method && c.next_step == next_step && c.rival == rival);
            let _ = write!(
                text,
                " {} |",
                found.map_or("–".to_string(), |comparison| cell(comparison))
            );
        }
        text.push('\n');
    }
    text
}

/// Mean, smallest and largest ratio.
fn cell(comparison: &Comparison) -> String {
    let Some(mean) = comparison.mean() else {
        return "–".to_string();
    };
    let least = comparison.ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = comparison.ratios.iter().copied().fold(0.0, f64::max);
    format!("{mean:.2} ({least:.2}–{most:.2})")
}
