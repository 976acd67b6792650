//! A ball that falls and bounces: every flight ends with a terminal event, and the next begins where it was located.

use ffjord_ode::{Crossing, Event, Method, Outcome, Solver, Tolerance};

/// Acceleration of gravity, and the part of its speed that the ball keeps.
const GRAVITY: f64 = 9.81;
const BOUNCE: f64 = 0.8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Height and velocity.
    let fall = |_t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -GRAVITY];
    let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-9, 1e-9)?);
    let events = [
        Event::new(|_, y: &[f64; 2]| y[0])
            .crossing(Crossing::Falling)
            .terminal(),
        Event::new(|_, y: &[f64; 2]| y[1]).crossing(Crossing::Falling),
    ];
    let (mut t, mut state) = (0.0, [1.0, 0.0]);
    println!("{:>8} {:>10} {:>10}", "t", "bounce", "top before");
    for bounce in 1..=8 {
        let flight = solver.solve_with_events(&fall, &state, t, t + 10.0, &events)?;
        if flight.outcome != Outcome::Event(0) {
            return Err("the ball does not come down".into());
        }
        let top = flight.events.iter().find(|point| point.event == 1);
        let height = top.map_or(state[0], |point| point.state[0]);
        println!("{:>8.4} {bounce:>10} {height:>10.4}", flight.t);
        (t, state) = (flight.t, [0.0, -BOUNCE * flight.state[1]]);
    }
    Ok(())
}
