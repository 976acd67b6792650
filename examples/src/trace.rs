//! A trace estimator of one's own: probes that are signed columns of a Hadamard matrix.
//!
//! Probe k of a row has the entries `s_i (−1)^(number of ones that i and k share in binary)` with random signs s,
//! drawn once a row. Each by itself is a probe of independent signs, so the mean of `vᵀ J v` over any number of them
//! is an estimate without bias. D of them, D a power of two, are at right angles to each other, and their mean is the
//! trace itself.

use crate::{Outcome, Trained, moons};
use ffjord::flow::{Cnf, Flow, SolveSettings, TraceMode, TraceVectors};
use ffjord::ode::{Method, Solver};
use ffjord::trace::rand::{Rng, RngCore};
use ffjord::trace::{Probes, TraceError};
use std::sync::Arc;

/// So many probes a row; their weight is that of a mean unless [`TraceVectors::weight`] says otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Hadamard(pub usize);

impl TraceVectors for Hadamard {
    fn draw(&self, rows: usize, dimension: usize, rng: &mut dyn RngCore) -> Result<Probes<f64>, TraceError> {
        let signs: Vec<f64> = (0..rows * dimension)
            .map(|_| if rng.random() { 1.0 } else { -1.0 })
            .collect();
        let entry = |probe: usize, column: usize| {
            if (probe & column).count_ones().is_multiple_of(2) {
                1.0
            } else {
                -1.0
            }
        };
        let vectors = (0..self.0)
            .flat_map(|probe| {
                signs
                    .iter()
                    .enumerate()
                    .map(move |(at, sign)| sign * entry(probe, at % dimension))
            })
            .collect();
        Probes::from_vectors(self.0, rows, dimension, vectors)
    }
}

/// Trains a flow whose training passes estimate the trace with one such probe a row.
///
/// # Errors
/// When training fails.
pub fn train() -> Outcome<Trained> {
    let solve = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(4));
    let training = solve.clone().trace(TraceMode::Own(Arc::new(Hadamard(1))));
    let cnf = Cnf::builder(2)
        .hidden([32, 32])
        .training(training)
        .evaluation(solve)
        .build()?;
    moons::train(&Flow::over_normal(cnf)?)
}
