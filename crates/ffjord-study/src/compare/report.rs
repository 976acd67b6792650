//! Comparisons as tables.

use super::Comparison;
use crate::bench::format_seconds;
use std::fmt::Write as _;

/// The columns' names.
pub fn header() -> String {
    format!(
        "{:<18} {:<17} {:<22} {:>10} {:>10} {:>8} {:>15} {:>11} {:>11} {:>9} {:>9}",
        "workload",
        "solver",
        "beside",
        "here",
        "there",
        "ratio",
        "in one round",
        "NFE here",
        "there",
        "MB here",
        "there"
    )
}

/// The line of one comparison.
pub fn row(c: &Comparison) -> String {
    let (low, high) = c.ratio_range;
    format!(
        "{:<18} {:<17} {:<22} {:>10} {:>10} {:>7.2}x {:>15} {:>11} {:>11} {:>9} {:>9}",
        c.workload,
        c.solver,
        c.rival,
        format_seconds(c.seconds),
        format_seconds(c.rival_seconds),
        c.ratio,
        format!("{low:.2} to {high:.2}"),
        evaluations(Some(c.evaluations)),
        evaluations(c.rival_evaluations),
        megabytes(c.peak_memory_mb),
        megabytes(c.rival_peak_memory_mb),
    )
}

/// All comparisons as a Markdown table.
pub fn markdown(comparisons: &[Comparison]) -> String {
    let mut table = String::from(
        "| workload | solver | beside | seconds here | seconds there | times faster | in one round | NFE here | NFE \
         there | MB here | MB there |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for c in comparisons {
        let (low, high) = c.ratio_range;
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {:.2} | {low:.2} to {high:.2} | {} | {} | {} | {} |",
            c.workload,
            c.solver,
            c.rival,
            format_seconds(c.seconds),
            format_seconds(c.rival_seconds),
            c.ratio,
            evaluations(Some(c.evaluations)),
            evaluations(c.rival_evaluations),
            megabytes(c.peak_memory_mb),
            megabytes(c.rival_peak_memory_mb),
        );
    }
    table
}

fn megabytes(peak: Option<f64>) -> String {
    peak.map_or("–".to_string(), |peak| format!("{peak:.0}"))
}

fn evaluations(counts: Option<(f64, f64)>) -> String {
    counts.map_or("–".to_string(), |(forward, backward)| {
        format!("{forward:.0} + {backward:.0}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_as_many_cells_as_the_header() {
        let comparison = Comparison {
            workload: "W1, batch 100".to_string(),
            solver: "dopri5".to_string(),
            rival: "diffrax",
            versions: "1".to_string(),
            seconds: 0.002,
            rival_seconds: 0.008,
            ratio: 4.0,
            ratio_range: (3.5, 4.5),
            evaluations: (14.0, 12.0),
            rival_evaluations: None,
            loss: 1.0,
            rival_loss: 1.0,
            gradient_norm: 1.0,
            rival_gradient_norm: 1.0,
            peak_memory_mb: Some(512.3),
            rival_peak_memory_mb: None,
        };
        let table = markdown(&[comparison]);
        let cells: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(cells, [12, 12, 12]);
        assert!(
            table.contains("| 2.00 ms | 8.00 ms | 4.00 | 3.50 to 4.50 | 14 + 12 | – | 512 | – |"),
            "{table}"
        );
    }
}
