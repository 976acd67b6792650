//! Initial-value problems with closed forms.

use ffjord_ode::{Method, Solution, SolveError, Solver};

/// dy/dt = f(t, y) with its solution.
#[derive(Clone, Copy)]
pub struct Problem {
    pub name: &'static str,
    pub rhs: fn(f64, &[f64], &mut [f64]),
    pub exact: fn(f64) -> Vec<f64>,
    pub span: (f64, f64),
}

/// y' = −y.
pub const DECAY: Problem = Problem {
    name: "decay",
    rhs: |_, y, dy| dy[0] = -y[0],
    exact: |t| vec![(-t).exp()],
    span: (0.0, 5.0),
};

/// y'' = −y.
pub const HARMONIC: Problem = Problem {
    name: "harmonic",
    rhs: |_, y, dy| dy.copy_from_slice(&[y[1], -y[0]]),
    exact: |t| vec![t.sin(), t.cos()],
    span: (0.0, 10.0),
};

/// y' = y (1 − y).
pub const LOGISTIC: Problem = Problem {
    name: "logistic",
    rhs: |_, y, dy| dy[0] = y[0] * (1.0 - y[0]),
    exact: |t| vec![1.0 / (1.0 + 9.0 * (-t).exp())],
    span: (0.0, 8.0),
};

/// y' = y cos t.
pub const COSINE: Problem = Problem {
    name: "cosine",
    rhs: |t, y, dy| dy[0] = y[0] * t.cos(),
    exact: |t| vec![t.sin().exp()],
    span: (0.0, 10.0),
};

/// y' = −50 (y − cos t) − sin t: a smooth solution between steep neighbours (Prothero and Robinson).
pub const TRACKING: Problem = Problem {
    name: "tracking",
    rhs: |t, y, dy| dy[0] = -50.0 * (y[0] - t.cos()) - t.sin(),
    exact: |t| vec![t.cos()],
    span: (0.0, 2.0),
};

/// A Kepler orbit of eccentricity 1/2, once around.
pub const ORBIT: Problem = Problem {
    name: "orbit",
    rhs: |_, y, dy| {
        let cube = (y[0] * y[0] + y[1] * y[1]).powf(1.5);
        dy.copy_from_slice(&[y[2], y[3], -y[0] / cube, -y[1] / cube]);
    },
    exact: |t| {
        const E: f64 = 0.5;
        // Kepler's equation for the eccentric anomaly, by Newton's iteration.
        let anomaly = (0..50).fold(t, |a, _| a - (a - E * a.sin() - t) / (1.0 - E * a.cos()));
        let (sin, cos) = anomaly.sin_cos();
        let (minor, distance) = ((1.0 - E * E).sqrt(), 1.0 - E * cos);
        vec![cos - E, minor * sin, -sin / distance, minor * cos / distance]
    },
    span: (0.0, 2.0 * std::f64::consts::PI),
};

/// [`COSINE`] from its end to its start.
pub const COSINE_BACK: Problem = Problem {
    name: "cosine, backwards",
    span: (10.0, 0.0),
    ..COSINE
};

pub const ALL: [Problem; 7] = [DECAY, HARMONIC, LOGISTIC, COSINE, TRACKING, ORBIT, COSINE_BACK];

impl Problem {
    pub fn initial(&self) -> Vec<f64> {
        (self.exact)(self.span.0)
    }

    pub fn solve(&self, solver: &Solver) -> Result<Solution<Vec<f64>>, SolveError<std::convert::Infallible>> {
        let rhs = |t: f64, y: &Vec<f64>, dy: &mut Vec<f64>| (self.rhs)(t, y, dy);
        solver.solve(&rhs, &self.initial(), self.span.0, self.span.1)
    }

    /// The same solve with states in f32.
    pub fn solve_f32(&self, solver: &Solver) -> Result<Solution<Vec<f32>>, SolveError<std::convert::Infallible>> {
        let rhs = |t: f64, y: &Vec<f32>, dy: &mut Vec<f32>| {
            let wide: Vec<f64> = y.iter().map(|&y| f64::from(y)).collect();
            let mut slope = vec![0.0; wide.len()];
            (self.rhs)(t, &wide, &mut slope);
            dy.iter_mut().zip(slope).for_each(|(dy, slope)| *dy = slope as f32);
        };
        let y0: Vec<f32> = self.initial().iter().map(|&y| y as f32).collect();
        solver.solve(&rhs, &y0, self.span.0, self.span.1)
    }

    /// Largest error of `y` at time `t`.
    pub fn error(&self, t: f64, y: &[f64]) -> f64 {
        largest_difference(y, &(self.exact)(t))
    }
}

/// The methods that take fixed steps.
pub fn fixed_order() -> impl Iterator<Item = Method> {
    Method::ALL.into_iter().filter(|method| method.has_fixed_order())
}

pub fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Slope of log(error) against log(h), by least squares.
pub fn measured_order(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(h, error)| (h.ln(), error.ln())).collect();
    let n = logs.len() as f64;
    let (x, y) = logs.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let (xy, xx) = logs.iter().fold((0.0, 0.0), |(a, b), (u, v)| {
        (a + (u - x) * (v - y), b + (u - x) * (u - x))
    });
    xy / xx
}
