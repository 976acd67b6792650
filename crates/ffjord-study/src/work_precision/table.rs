//! Curves as a table.

use super::Curve;
use ffjord_ode::Method;
use std::fmt::Write;

/// Errors whose cost is tabulated.
const TARGETS: [f64; 3] = [1e-3, 1e-6, 1e-9];

/// The classes of problems: the first letters of their names, and what they are.
pub const CLASSES: [(&str, &str); 6] = [
    ("A", "A: single equations"),
    ("B", "B: small systems"),
    ("C", "C: moderate systems"),
    ("D", "D: orbits"),
    ("E", "E: higher order"),
    ("CNF", "trained flow"),
];

/// A table for each error: evaluations of every method for every class, geometric means over its problems.
pub fn markdown(curves: &[Curve]) -> String {
    let mut text = String::new();
    for target in TARGETS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "Evaluations for an error below {target:e}:\n");
        let heads: Vec<&str> = CLASSES.iter().map(|(_, title)| *title).collect();
        let _ = writeln!(
            text,
            "| method | {} |\n|---|{}",
            heads.join(" | "),
            "---|".repeat(heads.len())
        );
        for method in Method::ALL {
            let cells = CLASSES.map(|(class, _)| cell(curves, method, class, target));
            if cells.iter().any(|cell| cell != "–") {
                let _ = writeln!(text, "| `{method}` | {} |", cells.join(" | "));
            }
        }
        text.push('\n');
    }
    text
}

/// The curves of a method on the problems of a class.
pub fn of_class<'a>(curves: &'a [Curve], method: Method, class: &'a str) -> impl Iterator<Item = &'a Curve> {
    curves
        .iter()
        .filter(move |curve| curve.method == method.name() && in_class(&curve.problem, class))
}

fn in_class(problem: &str, class: &str) -> bool {
    match class {
        "CNF" => problem == class,
        _ => problem != "CNF" && problem.starts_with(&class[..1]),
    }
}

/// The geometric mean of the costs, or a dash where a problem's error was not reached.
fn cell(curves: &[Curve], method: Method, class: &str, target: f64) -> String {
    let costs: Option<Vec<f64>> = of_class(curves, method, class)
        .map(|curve| curve.cost(target))
        .collect();
    match costs {
        Some(costs) if !costs.is_empty() => {
            let mean = costs.iter().map(|cost| cost.ln()).sum::<f64>() / costs.len() as f64;
            format!("{:.0}", mean.exp())
        }
        _ => "–".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work_precision::ladder::Point;

    #[test]
    fn cells_are_geometric_means_and_say_what_was_not_reached() {
        let point = |nfe, error| Point {
            tolerance: None,
            steps: None,
            nfe,
            error,
        };
        let curve = |problem: &str, nfe| Curve {
            problem: problem.to_string(),
            method: "rk4",
            // The first is small by luck.
            points: vec![point(1.0, 1e-5), point(2.0, 1.0), point(nfe, 1e-4)],
        };
        let curves = [curve("A1", 100.0), curve("A2", 400.0), curve("CNF", 30.0)];
        let text = markdown(&curves);
        assert!(text.contains("| `rk4` | 200 | – | – | – | – | 30 |"), "{text}");
        assert_eq!(text.matches("`rk4`").count(), 1, "1e-6 was not reached: {text}");
    }
}
