//! A plain differential equation: one revolution of Kepler's orbit, `r'' = −r / |r|³`.
//!
//! The orbit of eccentricity e starts where it is nearest to the centre, is farthest at time π, and back at its start at
//! time 2π. An event finds the farthest point on the way; the saved states are found by dense output, between steps.

use crate::Outcome;
use ffjord::ode::{Crossing, Event, Method, SaveAt, Solver, Tolerance};
use std::f64::consts::TAU;

/// What a revolution came to.
#[derive(Debug)]
pub struct Revolution {
    /// The distance between start and end, 0 on the true orbit.
    pub closing: f64,
    /// When the orbit was farthest from the centre, truly π.
    pub farthest_at: f64,
    /// How far it was then, truly 1 + e.
    pub farthest: f64,
    /// The largest change of the energy at the saved times.
    pub energy_drift: f64,
}

/// The energy of a position and a velocity.
fn energy([x, y, u, v]: [f64; 4]) -> f64 {
    (u * u + v * v) / 2.0 - 1.0 / x.hypot(y)
}

/// One revolution with eccentricity `e` at this tolerance.
///
/// # Errors
/// When the solve fails.
pub fn run(e: f64, tolerance: f64) -> Outcome<Revolution> {
    let kepler = |_t: f64, [x, y, u, v]: &[f64; 4], dy: &mut [f64; 4]| {
        let cubed = x.hypot(*y).powi(3);
        *dy = [*u, *v, -x / cubed, -y / cubed];
    };
    let start = [1.0 - e, 0.0, 0.0, ((1.0 + e) / (1.0 - e)).sqrt()];
    let solver = Solver::new(Method::Vern7)
        .adaptive(Tolerance::new(tolerance, tolerance)?)
        .save_at(SaveAt::Times((0..=100).map(|i| TAU * f64::from(i) / 100.0).collect()));
    // r · r' is positive on the way out and negative on the way back.
    let turning = Event::new(|_, [x, y, u, v]: &[f64; 4]| x * u + y * v).crossing(Crossing::Falling);
    let solution = solver.solve_with_events(&kepler, &start, 0.0, TAU, &[turning])?;

    let farthest = solution.events.first().ok_or("the orbit does not turn")?;
    let drifts = solution
        .saved
        .iter()
        .map(|point| (energy(point.state) - energy(start)).abs());
    let revolution = Revolution {
        closing: (solution.state[0] - start[0]).hypot(solution.state[1] - start[1]),
        farthest_at: farthest.t,
        farthest: farthest.state[0].hypot(farthest.state[1]),
        energy_drift: drifts.fold(0.0, f64::max),
    };
    println!("{revolution:?}, {} evaluations", solution.stats.nfe);
    Ok(revolution)
}
