//! The non-stiff problems of DETEST (Hull, Enright, Fellen and Sedgwick, SIAM J. Numer. Anal. 9(4), 1972), t from 0 to 20.

/// dy/dt = f(t, y) from t = 0 to t = 20.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Its name in DETEST; the letter is the class.
    pub name: &'static str,
    /// Writes f(t, y).
    pub rhs: fn(f64, &[f64], &mut [f64]),
    /// The initial state.
    pub y0: Vec<f64>,
}

impl Problem {
    /// The end of the solve, which starts at 0.
    pub fn end(&self) -> f64 {
        20.0
    }
}

/// Single equations (A), small systems (B), moderate systems (C), orbits of growing eccentricity (D), and equations of
/// higher order (E).
pub fn problems() -> Vec<Problem> {
    let problem = |name, y0: &[f64], rhs| Problem {
        name,
        rhs,
        y0: y0.to_vec(),
    };
    vec![
        problem("A1", &[1.0], |_, y, dy| dy[0] = -y[0]),
        problem("A2", &[1.0], |_, y, dy| dy[0] = -0.5 * y[0].powi(3)),
        problem("A3", &[1.0], |t, y, dy| dy[0] = y[0] * t.cos()),
        problem("A4", &[1.0], |_, y, dy| dy[0] = 0.25 * y[0] * (1.0 - y[0] / 20.0)),
        problem("A5", &[4.0], |t, y, dy| dy[0] = (y[0] - t) / (y[0] + t)),
        problem("B1", &[1.0, 3.0], |_, y, dy| {
            dy.copy_from_slice(&[2.0 * (y[0] - y[0] * y[1]), y[0] * y[1] - y[1]]);
        }),
        problem("B2", &[2.0, 0.0, 1.0], |_, y, dy| {
            dy.copy_from_slice(&[y[1] - y[0], y[0] - 2.0 * y[1] + y[2], y[1] - y[2]]);
        }),
        problem("B3", &[1.0, 0.0, 0.0], |_, y, dy| {
            dy.copy_from_slice(&[-y[0], y[0] - y[1] * y[1], y[1] * y[1]]);
        }),
        problem("B4", &[3.0, 0.0, 0.0], |_, y, dy| {
            let radius = y[0].hypot(y[1]);
            dy.copy_from_slice(&[-y[1] - y[0] * y[2] / radius, y[0] - y[1] * y[2] / radius, y[0] / radius]);
        }),
        problem("B5", &[0.0, 1.0, 1.0], |_, y, dy| {
            dy.copy_from_slice(&[y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1]]);
        }),
        problem("C1", &first_of(10), |_, y, dy| chain(y, dy, |_| 1.0)),
        problem("C2", &first_of(10), |_, y, dy| chain(y, dy, |i| i as f64 + 1.0)),
        problem("C3", &first_of(10), |_, y, dy| diffusion(y, dy)),
        problem("C4", &first_of(51), |_, y, dy| diffusion(y, dy)),
        problem("C5", &OUTER_PLANETS, |_, y, dy| outer_planets(y, dy)),
        problem("D1", &orbit(0.1), |_, y, dy| two_bodies(y, dy)),
        problem("D2", &orbit(0.3), |_, y, dy| two_bodies(y, dy)),
        problem("D3", &orbit(0.5), |_, y, dy| two_bodies(y, dy)),
        problem("D4", &orbit(0.7), |_, y, dy| two_bodies(y, dy)),
        problem("D5", &orbit(0.9), |_, y, dy| two_bodies(y, dy)),
        problem("E1", &[0.671396707141803, 0.09540051444747446], |t, y, dy| {
            let x = t + 1.0;
            dy.copy_from_slice(&[y[1], -(y[1] / x + (1.0 - 0.25 / (x * x)) * y[0])]);
        }),
        problem("E2", &[2.0, 0.0], |_, y, dy| {
            dy.copy_from_slice(&[y[1], (1.0 - y[0] * y[0]) * y[1] - y[0]]);
        }),
        problem("E3", &[0.0, 0.0], |t, y, dy| {
            dy.copy_from_slice(&[y[1], y[0].powi(3) / 6.0 - y[0] + 2.0 * (2.78535 * t).sin()]);
        }),
        problem("E4", &[30.0, 0.0], |_, y, dy| {
            dy.copy_from_slice(&[y[1], 0.032 - 0.4 * y[1] * y[1]])
        }),
        problem("E5", &[0.0, 0.0], |t, y, dy| {
            dy.copy_from_slice(&[y[1], (1.0 + y[1] * y[1]).sqrt() / (25.0 - t)]);
        }),
    ]
}

fn first_of(n: usize) -> Vec<f64> {
    (0..n).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect()
}

/// A chain of radioactive decays with these rates; what reaches its end stays.
fn chain(y: &[f64], dy: &mut [f64], rate: impl Fn(usize) -> f64) {
    let last = y.len() - 1;
    for i in 0..=last {
        let gain = if i > 0 { rate(i - 1) * y[i - 1] } else { 0.0 };
        dy[i] = gain - if i < last { rate(i) * y[i] } else { 0.0 };
    }
}

fn diffusion(y: &[f64], dy: &mut [f64]) {
    for i in 0..y.len() {
        let left = if i > 0 { y[i - 1] } else { 0.0 };
        dy[i] = left - 2.0 * y[i] + y.get(i + 1).unwrap_or(&0.0);
    }
}

/// Position and velocity at the nearest point of an orbit.
fn orbit(eccentricity: f64) -> Vec<f64> {
    vec![
        1.0 - eccentricity,
        0.0,
        0.0,
        ((1.0 + eccentricity) / (1.0 - eccentricity)).sqrt(),
    ]
}

fn two_bodies(y: &[f64], dy: &mut [f64]) {
    let cube = y[0].hypot(y[1]).powi(3);
    dy.copy_from_slice(&[y[2], y[3], -y[0] / cube, -y[1] / cube]);
}

/// Positions, then velocities, of Jupiter, Saturn, Uranus, Neptune and Pluto.
const OUTER_PLANETS: [f64; 30] = [
    3.42947415189,
    3.35386959711,
    1.35494901715,
    6.64145542550,
    5.97156957878,
    2.18231499728,
    11.2630437207,
    14.6952576794,
    6.27960525067,
    -30.1552268759,
    1.65699966404,
    1.43785752721,
    -21.1238353380,
    28.4465098142,
    15.3882659679,
    -0.557160570446,
    0.505696783289,
    0.230578543901,
    -0.415570776342,
    0.365682722812,
    0.169143213293,
    -0.325325669158,
    0.189706021964,
    0.0877265322780,
    -0.0240476254170,
    -0.287659532608,
    -0.117219543175,
    -0.176860753121,
    -0.216393453025,
    -0.0148647893090,
];

/// Motion about the sun, with the planets' pulls on each other and on the sun.
fn outer_planets(y: &[f64], dy: &mut [f64]) {
    const GRAVITY: f64 = 2.95912208286;
    const SUN: f64 = 1.00000597682;
    const MASSES: [f64; 5] = [
        0.000954786104043,
        0.000285583733151,
        0.0000437273164546,
        0.0000517759138449,
        0.00000277777777778,
    ];
    let (positions, velocities) = y.split_at(15);
    let (positions, _) = positions.as_chunks::<3>();
    let cube = |v: [f64; 3]| v.iter().map(|x| x * x).sum::<f64>().powf(1.5);
    dy[..15].copy_from_slice(velocities);
    for (j, own) in positions.iter().enumerate() {
        let mut pull = own.map(|x| -(SUN + MASSES[j]) * x / cube(*own));
        for (k, other) in positions.iter().enumerate().filter(|&(k, _)| k != j) {
            let apart: [f64; 3] = std::array::from_fn(|i| other[i] - own[i]);
            for i in 0..3 {
                pull[i] += MASSES[k] * (apart[i] / cube(apart) - other[i] / cube(*other));
            }
        }
        for i in 0..3 {
            dy[15 + 3 * j + i] = GRAVITY * pull[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_five_problems_a_class_and_their_slopes_are_finite() {
        let problems = problems();
        assert_eq!(problems.len(), 25);
        for problem in &problems {
            let mut slope = vec![f64::NAN; problem.y0.len()];
            (problem.rhs)(0.0, &problem.y0, &mut slope);
            assert!(slope.iter().all(|slope| slope.is_finite()), "{}", problem.name);
        }
    }

    #[test]
    fn what_should_be_constant_is() {
        let sum = |name: &str| {
            let problem = problems().into_iter().find(|problem| problem.name == name).unwrap();
            let y: Vec<f64> = (0..problem.y0.len()).map(|i| 0.3 + (i as f64).sin()).collect();
            let mut slope = vec![0.0; y.len()];
            (problem.rhs)(1.0, &y, &mut slope);
            slope.iter().sum::<f64>()
        };
        // Mass, in the reactions and in the chains.
        for name in ["B2", "B3", "C1", "C2"] {
            assert!(sum(name).abs() < 1e-13, "{name}");
        }
    }
}
