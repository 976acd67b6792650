//! A neural ODE: a network learns the equation of a damped pendulum from where the pendulum is a little later.
//!
//! The gradient of every solve is that of an adjoint; the network's own derivatives are written by hand.
//!
//! `cargo run --release -p ffjord-ode --example neural_ode`

use std::convert::Infallible;

use ffjord_ode::{
    Method, Solver, System, Tolerance,
    adjoint::{Adjoint, AdjointMethod, DifferentiableSystem},
};

/// Hidden units.
const HIDDEN: usize = 16;
/// Pendulums observed, and the time between the two observations of each.
const ROWS: usize = 64;
const TIME: f64 = 1.0;
const ITERATIONS: i32 = 1000;

/// `dy/dt = V tanh(W y + b)` for every row `[2]` of a state `[ROWS, 2]`; θ = (W, b, V) unit by unit, `[HIDDEN, 5]`.
struct Network {
    theta: Vec<f64>,
}

/// Rows and their hidden units.
struct Tape {
    y: Vec<f64>,
    hidden: Vec<f64>,
}

impl Network {
    /// The units' weights: into it, its bias, out of it.
    fn units(&self) -> impl Iterator<Item = &[f64]> {
        self.theta.chunks_exact(5)
    }
}

impl System<Vec<f64>> for Network {
    type Error = Infallible;

    fn rhs(&self, t: f64, y: &Vec<f64>, dy: &mut Vec<f64>) -> Result<(), Infallible> {
        self.linearize(t, y, dy).map(drop)
    }
}

impl DifferentiableSystem<Vec<f64>> for Network {
    type Tape = Tape;
    type Gradient = Vec<f64>;

    fn zero_gradient(&self) -> Result<Vec<f64>, Infallible> {
        Ok(vec![0.0; self.theta.len()])
    }

    fn linearize(&self, _t: f64, y: &Vec<f64>, dy: &mut Vec<f64>) -> Result<Tape, Infallible> {
        let mut hidden = Vec::with_capacity(y.len() / 2 * HIDDEN);
        for (y, dy) in y.chunks_exact(2).zip(dy.chunks_exact_mut(2)) {
            dy.fill(0.0);
            for unit in self.units() {
                let h = (unit[0] * y[0] + unit[1] * y[1] + unit[2]).tanh();
                dy[0] += unit[3] * h;
                dy[1] += unit[4] * h;
                hidden.push(h);
            }
        }
        Ok(Tape { y: y.clone(), hidden })
    }

    fn pullback(
        &self,
        tape: Tape,
        v: &Vec<f64>,
        grad_y: &mut Vec<f64>,
        gradient: &mut Vec<f64>,
    ) -> Result<f64, Infallible> {
        let rows = tape.y.chunks_exact(2).zip(tape.hidden.chunks_exact(HIDDEN));
        for ((y, hidden), (v, grad)) in rows.zip(v.chunks_exact(2).zip(grad_y.chunks_exact_mut(2))) {
            grad.fill(0.0);
            for ((unit, h), slope) in self.units().zip(hidden).zip(gradient.chunks_exact_mut(5)) {
                let inner = (unit[3] * v[0] + unit[4] * v[1]) * (1.0 - h * h);
                grad[0] += unit[0] * inner;
                grad[1] += unit[1] * inner;
                let of_unit = [inner * y[0], inner * y[1], inner, v[0] * h, v[1] * h];
                slope.iter_mut().zip(of_unit).for_each(|(sum, part)| *sum += part);
            }
        }
        // The network does not look at the time.
        Ok(0.0)
    }
}

/// Adam, with a rate that falls to 0.
fn step(theta: &mut [f64], gradient: &[f64], moments: &mut [(f64, f64)], iteration: i32) {
    let rate = 0.03 * (1.0 - f64::from(iteration) / f64::from(ITERATIONS));
    let bias = |decay: f64| 1.0 - decay.powi(iteration + 1);
    for ((theta, slope), (mean, square)) in theta.iter_mut().zip(gradient).zip(moments) {
        *mean += 0.1 * (slope - *mean);
        *square += 0.01 * (slope * slope - *square);
        *theta -= rate * (*mean / bias(0.9)) / ((*square / bias(0.99)).sqrt() + 1e-8);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Angle and angular velocity of every pendulum.
    let pendulum = |_t: f64, y: &Vec<f64>, dy: &mut Vec<f64>| {
        for (y, dy) in y.chunks_exact(2).zip(dy.chunks_exact_mut(2)) {
            (dy[0], dy[1]) = (y[1], -y[0].sin() - 0.2 * y[1]);
        }
    };
    // Starts on a lattice of angles and velocities, and where the pendulums are one unit of time later.
    let place = |i: usize, side: usize| 2.0 * (i as f64 / (side - 1) as f64) - 1.0;
    let starts: Vec<f64> = (0..ROWS)
        .flat_map(|row| [2.0 * place(row / 8, 8), 2.0 * place(row % 8, 8)])
        .collect();
    let accurate = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-10, 1e-10)?);
    let ends = accurate.solve(&pendulum, &starts, 0.0, TIME)?.state;

    let weights = |i: usize| (1.7 * i as f64 + 0.3).sin() * 0.5;
    let mut network = Network {
        theta: (0..5 * HIDDEN).map(weights).collect(),
    };
    let mut moments = vec![(0.0, 0.0); network.theta.len()];
    let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-4, 1e-4)?);
    let adjoint: AdjointMethod = "checkpointed".parse()?;
    println!("{:>9}  mean squared error of the end", "iteration");
    for iteration in 0..=ITERATIONS {
        let (solution, record) = adjoint.forward(&solver, &network, &starts, 0.0, TIME)?;
        let misses: Vec<f64> = solution.state.iter().zip(&ends).map(|(y, end)| y - end).collect();
        let error = misses.iter().map(|miss| miss * miss).sum::<f64>() / misses.len() as f64;
        if iteration % 200 == 0 {
            println!("{iteration:>9}  {error:.2e}");
        }
        let cotangent = misses.iter().map(|miss| 2.0 * miss / misses.len() as f64).collect();
        let gradient = adjoint.backward(&network, record, &cotangent)?.gradient;
        step(&mut network.theta, &gradient, &mut moments, iteration);
    }

    println!("\n{:>9} {:>10} {:>10}", "t", "angle", "learned");
    for t in 1..=6 {
        let start = vec![1.5, 0.3];
        let t = f64::from(t);
        let true_end = accurate.solve(&pendulum, &start, 0.0, t)?.state;
        let learned = accurate.solve(&network, &start, 0.0, t)?.state;
        println!("{t:>9.1} {:>10.4} {:>10.4}", true_end[0], learned[0]);
    }
    Ok(())
}
