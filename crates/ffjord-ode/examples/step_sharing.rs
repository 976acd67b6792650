//! What it costs to let the rows of a batch share their steps: a batch of equations that differ in stiffness, solved
//! together, in blocks, and row by row.

use ffjord_ode::{Method, Solver, Tolerance};

const ROWS: usize = 64;
const TOLERANCE: f64 = 1e-5;
const END: f64 = 2.0;

/// The rate of a row: from 1 to 1000, the same factor from row to row.
fn rate(row: usize) -> f64 {
    1000.0_f64.powf(row as f64 / (ROWS - 1) as f64)
}

/// Evaluations times rows, and the largest error, of solves of these rows together: `y' = −λ (y − cos t) − sin t` from
/// y(0) = 2, with the solution `cos t + exp(−λt)`.
fn solve(rows: &[usize]) -> Result<(usize, f64), Box<dyn std::error::Error>> {
    let rhs = |t: f64, y: &Vec<f64>, dy: &mut Vec<f64>| {
        for ((dy, y), &row) in dy.iter_mut().zip(y).zip(rows) {
            *dy = -rate(row) * (y - t.cos()) - t.sin();
        }
    };
    let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(TOLERANCE, TOLERANCE)?);
    let solution = solver.solve(&rhs, &vec![2.0; rows.len()], 0.0, END)?;
    let errors = rows.iter().zip(&solution.state);
    let largest = errors
        .map(|(&row, y)| (y - END.cos() - (-rate(row) * END).exp()).abs())
        .fold(0.0, f64::max);
    Ok((solution.stats.nfe * rows.len(), largest))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sorted: Vec<usize> = (0..ROWS).collect();
    // Easy and hard rows side by side, as a shuffled batch has them.
    let mixed: Vec<usize> = (0..ROWS).map(|i| (i * 37) % ROWS).collect();
    println!(
        "{:<27} {:>12} {:>12} {:>14}",
        "rows that share their steps", "NFE x rows", "of the whole", "largest error"
    );
    let whole = solve(&mixed)?.0;
    for (name, rows, width) in [
        ("whole batch", &mixed, ROWS),
        ("blocks of 16, mixed", &mixed, 16),
        ("blocks of 16, sorted", &sorted, 16),
        ("blocks of 4, mixed", &mixed, 4),
        ("per row", &mixed, 1),
    ] {
        let (mut evaluations, mut error) = (0, 0.0_f64);
        for block in rows.chunks(width) {
            let (cost, largest) = solve(block)?;
            evaluations += cost;
            error = error.max(largest);
        }
        let part = 100.0 * evaluations as f64 / whole as f64;
        println!("{name:<27} {evaluations:>12} {part:>10.1} % {error:>14.1e}");
    }
    Ok(())
}
