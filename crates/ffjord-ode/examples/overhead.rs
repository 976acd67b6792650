//! What a method costs beside the evaluations of the right-hand side: nanoseconds an evaluation on two equations.
//!
//! `cargo run --release -p ffjord-ode --example overhead`

use std::{hint::black_box, time::Instant};

use ffjord_ode::{Method, Solver, Tolerance};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // An evaluation takes a nanosecond: all that is measured is the method.
    let harmonic = |_t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -y[0]];
    let tolerance = Tolerance::new(1e-9, 1e-9)?;
    for method in [
        Method::Dopri5,
        Method::Tsit5,
        Method::Vern7,
        Method::Dopri8,
        Method::Adams,
    ] {
        let solver = Solver::new(method).adaptive(tolerance);
        let mut best = f64::INFINITY;
        let mut evaluations = 0;
        for _ in 0..20 {
            let start = Instant::now();
            let solution = solver.solve(&harmonic, black_box(&[0.0, 1.0]), 0.0, 200.0)?;
            evaluations = black_box(&solution).stats.nfe;
            best = best.min(start.elapsed().as_nanos() as f64 / evaluations as f64);
        }
        println!("{method:8} {best:8.1} ns an evaluation ({evaluations} evaluations)");
    }
    Ok(())
}
