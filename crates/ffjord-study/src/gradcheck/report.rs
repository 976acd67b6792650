//! The comparison as a table.

use super::measurement::Check;
use std::fmt::Write;

/// A line for every adjoint, below what was compared.
pub fn table(check: &Check) -> String {
    let mut table = format!(
        "{} rows in double precision, {} threads; {} fixed steps against {} of dopri5",
        check.rows, check.threads, check.fixed_steps, check.reference_steps
    );
    // Writing to a string cannot fail.
    let _ = write!(
        table,
        "\n{:<13} {:<16} {:>15} {:>14} {:>9} {:>10} {:>9}",
        "adjoint", "method", "error, solution", "error, steps", "NFE", "seconds", "memory"
    );
    for adjoint in &check.adjoints {
        let _ = write!(
            table,
            "\n{:<13} {:<16} {:>15.1e} {:>14} {:>9} {:>10.4} {:>6.2} MB",
            adjoint.adjoint,
            adjoint.method,
            adjoint.error_of_solution.largest(),
            format!(
                "{:.1e}{}",
                adjoint.error_of_steps.largest(),
                if adjoint.passes { "" } else { " FAILED" }
            ),
            format!("{:.0}+{:.0}", adjoint.forward_evaluations, adjoint.backward_evaluations),
            adjoint.seconds,
            adjoint.peak_memory_mb,
        );
    }
    table
}
