//! Measurements as lines of a table.

use super::Measurement;

/// The columns' names.
pub fn header() -> String {
    format!(
        "{:<18} {:<17} {:>10} {:>10} {:>9} {:>10} {:>12} {:>8} {:>8} {:>8} {:>10} {:>11} {:>11}",
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
        "allocated",
        "likelihood",
        "samples"
    )
}

/// The line of one measurement.
pub fn row(m: &Measurement) -> String {
    format!(
        "{:<18} {:<17} {:>10} {:>10} {:>9} {:>10} {:>12} {:>8.1} {:>8} {:>8} {:>10} {:>11} {:>11}",
        m.workload,
        m.solver,
        format_seconds(m.iteration_seconds),
        format_seconds(m.fastest_iteration_seconds),
        format!("{:.0}+{:.0}", m.forward_evaluations, m.backward_evaluations),
        format_seconds(m.evaluation_seconds),
        format_seconds(m.reverse_evaluation_seconds),
        m.gflops,
        m.ceiling_fraction
            .map_or("-".to_string(), |part| format!("{:.1} %", 100.0 * part)),
        m.peak_memory_mb.map_or("-".to_string(), |mb| format!("{mb:.0} MB")),
        format!("{:.2} MB", m.allocated_mb),
        format_seconds(m.likelihood_seconds),
        format_seconds(m.sampling_seconds),
    )
}

/// Seconds with a unit that fits them.
pub fn format_seconds(value: f64) -> String {
    match value {
        value if value < 1e-3 => format!("{:.1} µs", value * 1e6),
        value if value < 1.0 => format!("{:.2} ms", value * 1e3),
        value => format!("{value:.2} s"),
    }
}
