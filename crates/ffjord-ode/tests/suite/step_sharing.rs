//! What it costs that rows share their steps.

use ffjord_ode::{Method, Solver, Tolerance};

/// y' = −λ (y − cos t) − sin t for every rate λ; returns the evaluations.
fn evaluations(rates: &[f64]) -> usize {
    let rhs = |t: f64, y: &Vec<f64>, dy: &mut Vec<f64>| {
        for ((dy, y), rate) in dy.iter_mut().zip(y).zip(rates) {
            *dy = -rate * (y - t.cos()) - t.sin();
        }
    };
    let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-5, 1e-5).unwrap());
    solver.solve(&rhs, &vec![2.0; rates.len()], 0.0, 2.0).unwrap().stats.nfe
}

const RATES: [f64; 8] = [1.0, 900.0, 3.0, 300.0, 10.0, 100.0, 30.0, 1.5];

/// Evaluations times rows of solves of so many rows together.
fn cost(width: usize) -> usize {
    RATES.chunks(width).map(|block| evaluations(block) * block.len()).sum()
}

#[test]
fn the_fewer_rows_share_their_steps_the_fewer_evaluations_they_take() {
    let [whole, halves, pairs, single] = [8, 4, 2, 1].map(cost);
    assert!(single < pairs && pairs < halves && halves < whole);
    // One stiff row makes all rows take its steps.
    assert!(whole > 3 * single, "{whole} and {single}");
}
