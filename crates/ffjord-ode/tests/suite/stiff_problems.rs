//! Stiff problems with published solutions: Mazzia and Magherini, *Test Set for Initial Value Problem Solvers*, release
//! 2.4 (2008), after Hairer and Wanner II, IV.10.

use ffjord_ode::{Solution, SolveError, Solver};

/// dy/dt = f(t, y) with its solution at the end.
#[derive(Clone, Copy)]
pub struct StiffProblem {
    pub name: &'static str,
    pub rhs: fn(&[f64], &mut [f64]),
    pub initial: &'static [f64],
    pub end: f64,
    pub expected: &'static [f64],
    /// Absolute tolerance beside a relative one of 1.
    pub atol: f64,
}

/// Van der Pol's oscillator with μ = 1000, a little more than a period.
pub const VAN_DER_POL: StiffProblem = StiffProblem {
    name: "van der Pol",
    rhs: |y, dy| dy.copy_from_slice(&[y[1], 1000.0 * (1.0 - y[0] * y[0]) * y[1] - y[0]]),
    initial: &[2.0, 0.0],
    end: 2000.0,
    expected: &[1.706167732170469, -8.928097010248257e-4],
    atol: 1e-3,
};

/// Robertson's reaction: rate constants 0.04, 3e7 and 1e4.
pub const ROBERTSON: StiffProblem = StiffProblem {
    name: "Robertson",
    rhs: |y, dy| {
        let (slow, fast, back) = (0.04 * y[0], 3e7 * y[1] * y[1], 1e4 * y[1] * y[2]);
        dy.copy_from_slice(&[-slow + back, slow - back - fast, fast]);
    },
    initial: &[1.0, 0.0, 0.0],
    end: 1e11,
    expected: &[2.083340149701255e-8, 8.333360770334713e-14, 0.999999979166505],
    atol: 1e-8,
};

/// High irradiance responses of a plant: eight reactions.
pub const HIRES: StiffProblem = StiffProblem {
    name: "HIRES",
    rhs: |y, dy| {
        let pair = 280.0 * y[5] * y[7];
        dy.copy_from_slice(&[
            -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
            1.71 * y[0] - 8.75 * y[1],
            -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
            8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
            -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6],
            -pair + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
            pair - 1.81 * y[6],
            -pair + 1.81 * y[6],
        ]);
    },
    initial: &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057],
    end: 321.8122,
    expected: &[
        0.7371312573325668e-3,
        0.1442485726316185e-3,
        0.5888729740967575e-4,
        0.1175651343283149e-2,
        0.2386356198831331e-2,
        0.6238968252742796e-2,
        0.2849998395185769e-2,
        0.2850001604814231e-2,
    ],
    atol: 1e-4,
};

/// The Oregonator, a model of the Belousov–Zhabotinskii reaction.
pub const OREGONATOR: StiffProblem = StiffProblem {
    name: "Oregonator",
    rhs: |y, dy| {
        dy.copy_from_slice(&[
            77.27 * (y[1] + y[0] * (1.0 - 8.375e-6 * y[0] - y[1])),
            (y[2] - (1.0 + y[0]) * y[1]) / 77.27,
            0.161 * (y[0] - y[2]),
        ]);
    },
    initial: &[1.0, 2.0, 3.0],
    end: 360.0,
    expected: &[1.000814870318523, 1228.178521549917, 132.0554942846706],
    atol: 1e-2,
};

impl StiffProblem {
    pub fn solve(&self, solver: &Solver) -> Result<Solution<Vec<f64>>, SolveError<std::convert::Infallible>> {
        let rhs = |_: f64, y: &Vec<f64>, dy: &mut Vec<f64>| (self.rhs)(y, dy);
        solver.solve(&rhs, &self.initial.to_vec(), 0.0, self.end)
    }

    /// Largest relative error of a component at the end.
    pub fn error(&self, y: impl IntoIterator<Item = f64>) -> f64 {
        let pairs = y.into_iter().zip(self.expected);
        pairs
            .map(|(y, expected)| ((y - expected) / expected).abs())
            .fold(0.0, f64::max)
    }
}
