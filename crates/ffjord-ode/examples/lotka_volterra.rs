//! The predator–prey equation of Lotka and Volterra: its orbit, and what every method takes for it.

use ffjord_ode::{Method, SaveAt, Solver, Tolerance};

/// Growth 1.5 − predators of the prey, prey − 3 of the predators.
fn lotka_volterra(_t: f64, y: &[f64; 2], dy: &mut [f64; 2]) {
    let [prey, predators] = *y;
    *dy = [prey * (1.5 - predators), predators * (prey - 3.0)];
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (y0, end) = ([10.0, 5.0], 5.0);
    let accurate = Solver::new(Method::Tsit5).adaptive(Tolerance::new(1e-12, 1e-12)?);
    let times = (0..=20).map(|i| end * f64::from(i) / 20.0).collect();
    let orbit = accurate
        .clone()
        .save_at(SaveAt::Times(times))
        .solve(&lotka_volterra, &y0, 0.0, end)?;
    println!("{:>6} {:>10} {:>10}", "t", "prey", "predators");
    for point in &orbit.saved {
        println!("{:>6.2} {:>10.4} {:>10.4}", point.t, point.state[0], point.state[1]);
    }

    println!(
        "\n{:<10} {:>6} {:>9} {:>9} {:>10}",
        "method", "nfe", "accepted", "rejected", "error"
    );
    for method in Method::ALL {
        let solver = if method.is_adaptive() {
            Solver::new(method).adaptive(Tolerance::new(1e-6, 1e-6)?)
        } else {
            Solver::new(method).fixed_steps(500)
        };
        let solution = solver.solve(&lotka_volterra, &y0, 0.0, end)?;
        let error = solution
            .state
            .iter()
            .zip(&orbit.state)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        let stats = solution.stats;
        println!(
            "{method:<10} {:>6} {:>9} {:>9} {error:>10.1e}",
            stats.nfe, stats.accepted, stats.rejected
        );
    }
    Ok(())
}
