//! Measurements as a table on the terminal.

use super::Measurement;
use crate::terminal::say;

/// Prints the columns' names.
pub fn print_header() {
    say!(
        "{:<18} {:<17} {:>10} {:>10} {:>9} {:>10} {:>12} {:>8} {:>8} {:>8} {:>11} {:>11}",
        "workload",
        "solver",
        "iteration",
        "fastest",
        "NFE",
        "evaluation",
        "with reverse",
        "GFLOP/s",
        "ceiling",
        "memory",
        "likelihood",
        "samples"
    );
}

/// Prints one measurement.
pub fn print_row(m: &Measurement) {
    say!(
        "{:<18} {:<17} {:>10} {:>10} {:>9} {:>10} {:>12} {:>8.1} {:>6.1} % {:>8} {:>11} {:>11}",
        m.workload,
        m.solver,
        seconds(m.iteration_seconds),
        seconds(m.fastest_iteration_seconds),
        format!("{:.0}+{:.0}", m.forward_evaluations, m.backward_evaluations),
        seconds(m.evaluation_seconds),
        seconds(m.reverse_evaluation_seconds),
        m.gflops,
        100.0 * m.ceiling_fraction,
        m.peak_memory_mb.map_or("-".to_string(), |mb| format!("{mb:.0} MB")),
        seconds(m.likelihood_seconds),
        seconds(m.sampling_seconds),
    );
}

fn seconds(value: f64) -> String {
    match value {
        value if value < 1e-3 => format!("{:.1} µs", value * 1e6),
        value if value < 1.0 => format!("{:.2} ms", value * 1e3),
        value => format!("{value:.2} s"),
    }
}
