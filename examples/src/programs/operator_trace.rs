//! The trace of a function of an operator that is known by its products alone: `tr exp(−t A)`, the heat that is left
//! of unit heats at every point of a line after time t.
//!
//! A is the second-difference matrix of n points, whose eigenvalues `2 − 2 cos(kπ/(n + 1))` give the exact trace. After a
//! while few of them count, which estimators that look for a subspace make use of.

use crate::Outcome;
use ffjord::trace::{
    FunctionOf, FunctionOperator, HutchPlusPlus, Hutchinson, LanczosQuadrature, ProbeDistribution, TraceEstimate,
    TraceEstimator, XTrace,
};
use ffjord::train::{Purpose, Streams};
use std::f64::consts::PI;

const POINTS: usize = 200;
const TIME: f64 = 20.0;
/// Products with A for one with exp(−t A).
const STEPS: usize = 30;

/// An estimate of the trace beside the exact one.
#[derive(Debug)]
pub struct Estimate {
    /// Which estimator.
    pub name: &'static str,
    /// The estimate.
    pub trace: f64,
    /// Its standard error, by its own account.
    pub standard_error: f64,
    /// The exact trace.
    pub exact: f64,
}

/// `A v`: 2 on the diagonal, −1 beside it.
fn second_differences(vectors: &[f64], products: &mut [f64]) {
    for (v, out) in vectors.chunks_exact(POINTS).zip(products.chunks_exact_mut(POINTS)) {
        let at = |i: Option<usize>| i.and_then(|i| v.get(i)).copied().unwrap_or(0.0);
        for (i, out) in out.iter_mut().enumerate() {
            *out = 2.0 * v[i] - at(i.checked_sub(1)) - at(Some(i + 1));
        }
    }
}

/// Estimates the trace in four ways.
///
/// # Errors
/// When an estimator refuses its settings.
pub fn run() -> Outcome<Vec<Estimate>> {
    let eigenvalues = (1..=POINTS).map(|k| 2.0 - 2.0 * (PI * k as f64 / (POINTS + 1) as f64).cos());
    let exact = eigenvalues.map(|eigenvalue| (-TIME * eigenvalue).exp()).sum();

    let operator = FunctionOperator::new(1, POINTS, second_differences);
    let heat = FunctionOf::new(&operator, STEPS, |eigenvalue| (-TIME * eigenvalue).exp())?;
    let (mut rng, distribution) = (Streams::new(0).rng(Purpose::Test, 0, 0), ProbeDistribution::Rademacher);
    let (probes, products) = (60, 60);
    // Quadrature takes functions of A for what they are, with no product of exp(−t A) with a vector.
    let quadrature = LanczosQuadrature {
        distribution,
        probes,
        steps: STEPS,
    };
    let drawn = quadrature.draw(1, POINTS, &mut rng)?;
    let estimates: [(&str, TraceEstimate); 4] = [
        (
            "Hutchinson",
            Hutchinson { distribution, probes }.draw_and_estimate(&heat, &mut rng)?,
        ),
        (
            "Hutch++",
            HutchPlusPlus { distribution, products }.draw_and_estimate(&heat, &mut rng)?,
        ),
        ("XTrace", XTrace { products }.draw_and_estimate(&heat, &mut rng)?),
        (
            "Lanczos quadrature",
            quadrature.trace_of(&operator, &drawn, |x| (-TIME * x).exp())?,
        ),
    ];
    let mut found = Vec::new();
    println!("tr exp(-tA) = {exact:.4}");
    for (name, estimate) in estimates {
        let standard_error = estimate.standard_error().ok_or("one probe has no standard error")?[0];
        println!("{name:<20}{:>10.4} ± {standard_error:.4}", estimate.trace[0]);
        found.push(Estimate {
            name,
            trace: estimate.trace[0],
            standard_error,
            exact,
        });
    }
    Ok(found)
}
