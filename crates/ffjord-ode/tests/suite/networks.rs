//! Small systems with parameters and hand-written reverse products.

use std::{cell::Cell, convert::Infallible};

use ffjord_ode::{System, adjoint::DifferentiableSystem};

/// Dimension of the state.
pub const D: usize = 3;

/// `dy/dt = tanh(W y + b + c sin t)`, θ = (W row by row, b, c); counts what is asked of it.
pub struct Network {
    pub theta: Vec<f64>,
    pub evaluations: Cell<usize>,
    pub pullbacks: Cell<usize>,
}

impl Network {
    pub fn new() -> Self {
        let theta = (0..D * D + 2 * D).map(|i| (1.7 * i as f64 + 0.3).sin()).collect();
        Self::with(theta)
    }

    pub fn with(theta: Vec<f64>) -> Self {
        Self {
            theta,
            evaluations: Cell::new(0),
            pullbacks: Cell::new(0),
        }
    }

    fn count(counter: &Cell<usize>) {
        counter.set(counter.get() + 1);
    }
}

#[derive(Debug)]
pub struct Tape {
    t: f64,
    y: Vec<f64>,
    f: Vec<f64>,
}

impl System<Vec<f64>> for Network {
    type Error = Infallible;

    fn rhs(&self, t: f64, y: &Vec<f64>, dy: &mut Vec<f64>) -> Result<(), Infallible> {
        Self::count(&self.evaluations);
        let (w, biases) = self.theta.split_at(D * D);
        for i in 0..D {
            let product: f64 = w[i * D..(i + 1) * D].iter().zip(y).map(|(w, y)| w * y).sum();
            dy[i] = (product + biases[i] + biases[D + i] * t.sin()).tanh();
        }
        Ok(())
    }
}

impl DifferentiableSystem<Vec<f64>> for Network {
    type Tape = Tape;
    type Gradient = Vec<f64>;

    fn zero_gradient(&self) -> Result<Vec<f64>, Infallible> {
        Ok(vec![0.0; self.theta.len()])
    }

    fn linearize(&self, t: f64, y: &Vec<f64>, dy: &mut Vec<f64>) -> Result<Tape, Infallible> {
        self.rhs(t, y, dy)?;
        Ok(Tape {
            t,
            y: y.clone(),
            f: dy.clone(),
        })
    }

    fn pullback(
        &self,
        tape: Tape,
        v: &Vec<f64>,
        grad_y: &mut Vec<f64>,
        gradient: &mut Vec<f64>,
    ) -> Result<f64, Infallible> {
        Self::count(&self.pullbacks);
        let mut along_time = 0.0;
        grad_y.fill(0.0);
        for i in 0..D {
            let pre = v[i] * (1.0 - tape.f[i] * tape.f[i]);
            for j in 0..D {
                grad_y[j] += self.theta[i * D + j] * pre;
                gradient[i * D + j] += pre * tape.y[j];
            }
            gradient[D * D + i] += pre;
            gradient[D * D + D + i] += pre * tape.t.sin();
            along_time += pre * self.theta[D * D + D + i] * tape.t.cos();
        }
        Ok(along_time)
    }
}
