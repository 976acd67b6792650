//! An explicit Runge–Kutta method of one's own: the 5(4) pair of Cash and Karp (ACM TOMS 16(3), 1990).
//!
//! [`Tableau::new`] checks the numbers, order conditions included; a static of the result is a [`Method`] like any
//! other.

use crate::{Outcome, Trained, moons};
use ffjord::flow::{Cnf, Flow, SolveSettings};
use ffjord::ode::{Embedded, Method, SetupError, Solver, Tableau, Tolerance};
use std::sync::LazyLock;

const B: [f64; 6] = [37.0 / 378.0, 0.0, 250.0 / 621.0, 125.0 / 594.0, 0.0, 512.0 / 1771.0];

static CASH_KARP: LazyLock<Result<Tableau, SetupError>> = LazyLock::new(|| {
    let method = Tableau::new(
        "cash_karp",
        5,
        &[0.0, 0.2, 0.3, 0.6, 1.0, 0.875],
        &[
            &[],
            &[0.2],
            &[0.075, 0.225],
            &[0.3, -0.9, 1.2],
            &[-11.0 / 54.0, 2.5, -70.0 / 27.0, 35.0 / 27.0],
            &[
                1631.0 / 55296.0,
                175.0 / 512.0,
                575.0 / 13824.0,
                44275.0 / 110592.0,
                253.0 / 4096.0,
            ],
        ],
        &B,
    )?;
    method.with_embedded(Embedded {
        order: 4,
        weights: &[
            B[0] - 2825.0 / 27648.0,
            0.0,
            B[2] - 18575.0 / 48384.0,
            B[3] - 13525.0 / 55296.0,
            -277.0 / 14336.0,
            B[5] - 0.25,
        ],
        damping: None,
    })
});

/// The method.
///
/// # Errors
/// When the coefficients are not those of such a pair.
pub fn method() -> Result<Method, SetupError> {
    CASH_KARP.as_ref().map(Method::from).map_err(Clone::clone)
}

/// Trains a flow whose every solve takes steps of this method.
///
/// # Errors
/// When training fails.
pub fn train() -> Outcome<Trained> {
    let solver = Solver::new(method()?).adaptive(Tolerance::new(1e-3, 1e-3)?);
    let solve = SolveSettings::new(solver);
    let cnf = Cnf::builder(2)
        .hidden([32, 32])
        .training(solve.clone())
        .evaluation(solve)
        .build()?;
    moons::train(&Flow::over_normal(cnf)?)
}
