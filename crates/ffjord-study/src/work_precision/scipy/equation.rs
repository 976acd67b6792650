//! The equations that both solve; `tables/measure_scipy.py` has them a second time.

use serde::{Deserialize, Serialize};

/// An equation `dy/dt = f(y)`; its initial state and its end are in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Equation {
    /// Predator and prey.
    #[serde(rename = "Lotka-Volterra")]
    LotkaVolterra,
    /// Lorenz' attractor.
    Lorenz,
    /// A planet on an orbit of eccentricity 0.5.
    Kepler,
    /// Van der Pol's oscillator with μ = 1000.
    #[serde(rename = "van der Pol")]
    VanDerPol,
    /// Robertson's reaction.
    Robertson,
    /// High irradiance responses of a plant.
    #[serde(rename = "HIRES")]
    Hires,
    /// The Oregonator, a model of the Belousov–Zhabotinskii reaction.
    Oregonator,
    /// 25 reactions of 20 gases in polluted air.
    #[serde(rename = "pollution")]
    Pollution,
    /// Akzo Nobel's chemical process, its algebraic equation put into the others.
    #[serde(rename = "Akzo Nobel")]
    AkzoNobel,
}

impl Equation {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LotkaVolterra => "Lotka–Volterra",
            Self::Lorenz => "Lorenz",
            Self::Kepler => "Kepler",
            Self::VanDerPol => "van der Pol",
            Self::Robertson => "Robertson",
            Self::Hires => "HIRES",
            Self::Oregonator => "Oregonator",
            Self::Pollution => "pollution",
            Self::AkzoNobel => "Akzo Nobel",
        }
    }

    /// Writes f(y), which has as many components as the problem.
    pub(super) fn rhs(self, y: &[f64], dy: &mut [f64]) {
        match self {
            Self::LotkaVolterra => dy.copy_from_slice(&[y[0] * (1.5 - y[1]), y[1] * (y[0] - 3.0)]),
            Self::Lorenz => dy.copy_from_slice(&[
                10.0 * (y[1] - y[0]),
                y[0] * (28.0 - y[2]) - y[1],
                y[0] * y[1] - 8.0 * y[2] / 3.0,
            ]),
            Self::Kepler => {
                let cube = (y[0] * y[0] + y[1] * y[1]).powf(1.5);
                dy.copy_from_slice(&[y[2], y[3], -y[0] / cube, -y[1] / cube]);
            }
            Self::VanDerPol => dy.copy_from_slice(&[y[1], 1000.0 * (1.0 - y[0] * y[0]) * y[1] - y[0]]),
            Self::Robertson => {
                let (slow, fast, back) = (0.04 * y[0], 3e7 * y[1] * y[1], 1e4 * y[1] * y[2]);
                dy.copy_from_slice(&[-slow + back, slow - back - fast, fast]);
            }
            Self::Hires => hires(y, dy),
            Self::Oregonator => dy.copy_from_slice(&[
                77.27 * (y[1] + y[0] * (1.0 - 8.375e-6 * y[0] - y[1])),
                (y[2] - (1.0 + y[0]) * y[1]) / 77.27,
                0.161 * (y[0] - y[2]),
            ]),
            Self::Pollution => pollution(y, dy),
            Self::AkzoNobel => akzo_nobel(y, dy),
        }
    }
}

fn hires(y: &[f64], dy: &mut [f64]) {
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
}

fn pollution(y: &[f64], dy: &mut [f64]) {
    let r = [
        0.35 * y[0],
        26.6 * y[1] * y[3],
        1.23e4 * y[4] * y[1],
        8.6e-4 * y[6],
        8.2e-4 * y[6],
        1.5e4 * y[6] * y[5],
        1.3e-4 * y[8],
        2.4e4 * y[8] * y[5],
        1.65e4 * y[10] * y[1],
        9e3 * y[10] * y[0],
        0.022 * y[12],
        1.2e4 * y[9] * y[1],
        1.88 * y[13],
        1.63e4 * y[0] * y[5],
        4.8e6 * y[2],
        3.5e-4 * y[3],
        0.0175 * y[3],
        1e8 * y[15],
        4.44e11 * y[15],
        1.24e3 * y[16] * y[5],
        2.1 * y[18],
        5.78 * y[18],
        0.0474 * y[0] * y[3],
        1.78e3 * y[18] * y[0],
        3.12 * y[19],
    ];
    dy.copy_from_slice(&[
        -r[0] - r[9] - r[13] - r[22] - r[23] + r[1] + r[2] + r[8] + r[10] + r[11] + r[21] + r[24],
        -r[1] - r[2] - r[8] - r[11] + r[0] + r[20],
        -r[14] + r[0] + r[16] + r[18] + r[21],
        -r[1] - r[15] - r[16] - r[22] + r[14],
        -r[2] + 2.0 * r[3] + r[5] + r[6] + r[12] + r[19],
        -r[5] - r[7] - r[13] - r[19] + r[2] + 2.0 * r[17],
        -r[3] - r[4] - r[5] + r[12],
        r[3] + r[4] + r[5] + r[6],
        -r[6] - r[7],
        -r[11] + r[6] + r[8],
        -r[8] - r[9] + r[7] + r[10],
        r[8],
        -r[10] + r[9],
        -r[12] + r[11],
        r[13],
        -r[17] - r[18] + r[15],
        -r[19],
        r[19],
        -r[20] - r[21] - r[23] + r[22] + r[24],
        -r[24] + r[23],
    ]);
}

fn akzo_nobel(y: &[f64], dy: &mut [f64]) {
    let root = y[1].max(0.0).sqrt();
    let r1 = 18.7 * y[0].powi(4) * root;
    let r2 = 0.58 * y[2] * y[3];
    let r3 = 0.58 / 34.4 * y[0] * y[4];
    let r4 = 0.09 * y[0] * y[3] * y[3];
    let r5 = 0.42 * (115.83 * y[0] * y[3]).powi(2) * root;
    let inflow = 3.3 * (0.9 / 737.0 - y[1]);
    dy.copy_from_slice(&[
        -2.0 * r1 + r2 - r3 - r4,
        -0.5 * r1 - r4 - 0.5 * r5 + inflow,
        r1 - r2 + r3,
        -r2 + r3 - 2.0 * r4,
        r2 - r3 + r5,
    ]);
}
