//! Stiff methods on problems with published solutions: evaluations for an error.
//!
//! `cargo run --release -p ffjord-ode --example stiff`

#[path = "../tests/suite/stiff_problems.rs"]
mod stiff_problems;

use ffjord_ode::{Method, Solver, Tolerance};
use stiff_problems::{HIRES, OREGONATOR, ROBERTSON, VAN_DER_POL};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "{:<12} {:<9} {:>7} {:>10} {:>12} {:>9} {:>9}",
        "problem", "method", "rtol", "error", "evaluations", "accepted", "rejected"
    );
    for problem in [VAN_DER_POL, ROBERTSON, HIRES, OREGONATOR] {
        for method in [Method::KenCarp4, Method::Radau5] {
            for exponent in [3, 4, 5, 6, 7, 8, 9] {
                let rtol = 10.0_f64.powi(-exponent);
                let solver = Solver::new(method).adaptive(Tolerance::new(rtol, rtol * problem.atol)?);
                match problem.solve(&solver) {
                    Ok(solution) => println!(
                        "{:<12} {:<9} {rtol:>7.0e} {:>10.1e} {:>12} {:>9} {:>9}",
                        problem.name,
                        method.name(),
                        problem.error(solution.state),
                        solution.stats.nfe,
                        solution.stats.accepted,
                        solution.stats.rejected
                    ),
                    Err(error) => println!("{:<12} {:<9} {rtol:>7.0e} {error}", problem.name, method.name()),
                }
            }
        }
    }
    Ok(())
}
