//! The collocation polynomial of the three stages, and the matrices of their equations.

use super::coefficients::{C, COMPLEX, POLYNOMIAL, REAL, T, T_INVERSE};
use crate::dense::{Complex, Lu, Matrix};

/// The stage increments z₁, z₂, z₃, or their transforms.
pub(super) type Stages = [Vec<f64>; 3];

/// Sums of the three vectors with the rows of `matrix` as weights.
pub(super) fn transform(matrix: &[[f64; 3]; 3], stages: &Stages) -> Stages {
    matrix.map(|row| {
        let entries = stages[0].iter().zip(&stages[1]).zip(&stages[2]);
        entries
            .map(|((a, b), c)| row[0] * a + row[1] * b + row[2] * c)
            .collect()
    })
}

/// The iteration matrices' factors for one step size and Jacobian.
#[derive(Debug, Clone)]
pub(super) struct Factors {
    pub(super) h: f64,
    real: Lu<f64>,
    complex: Lu<Complex>,
}

impl Factors {
    /// Factors `γ/h M − J` and `(α + iβ)/h M − J`; `None` if they are singular.
    pub(super) fn new(h: f64, jacobian: &Matrix, mass: Option<&Matrix>) -> Option<Self> {
        let n = jacobian.size();
        let entries = (0..n).flat_map(|row| (0..n).map(move |column| (row, column)));
        let mass = |row, column| match mass {
            Some(mass) => mass[(row, column)],
            None => f64::from(u8::from(row == column)),
        };
        let real = entries.clone().map(|(i, j)| REAL / h * mass(i, j) - jacobian[(i, j)]);
        let complex = entries.map(|(i, j)| Complex {
            re: COMPLEX.0 / h * mass(i, j) - jacobian[(i, j)],
            im: COMPLEX.1 / h * mass(i, j),
        });
        Some(Self {
            h,
            real: Lu::new(n, real.collect())?,
            complex: Lu::new(n, complex.collect())?,
        })
    }

    /// Replaces b by `(γ/h M − J)⁻¹ b`.
    pub(super) fn solve_real(&self, b: &mut [f64]) {
        self.real.solve(b);
    }

    /// The correction of the transformed increments `w` where the stages' slopes are `slopes`.
    pub(super) fn correction(&self, slopes: &Stages, w: &Stages, mass: Option<&Matrix>) -> Stages {
        let [mut first, second, third] = transform(&T_INVERSE, slopes);
        let times_mass = |w: &[f64]| mass.map_or_else(|| w.to_vec(), |mass| mass.times(w));
        let [w0, w1, w2] = [&w[0], &w[1], &w[2]].map(|w| times_mass(w));
        first.iter_mut().zip(&w0).for_each(|(r, w)| *r -= REAL / self.h * w);
        self.real.solve(&mut first);
        let (re, im) = (COMPLEX.0 / self.h, COMPLEX.1 / self.h);
        let mut pair: Vec<Complex> = (0..second.len())
            .map(|i| Complex {
                re: second[i] - (re * w1[i] - im * w2[i]),
                im: third[i] - (re * w2[i] + im * w1[i]),
            })
            .collect();
        self.complex.solve(&mut pair);
        [
            first,
            pair.iter().map(|x| x.re).collect(),
            pair.iter().map(|x| x.im).collect(),
        ]
    }
}

/// The increments that `w` stands for.
pub(super) fn increments(w: &Stages) -> Stages {
    transform(&T, w)
}

/// The collocation polynomial of an accepted step, a guess for the next one.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) h: f64,
    /// Coefficients of θ, θ² and θ³.
    pub(super) polynomial: Stages,
}

/// Coefficients of θ, θ² and θ³ of the polynomial through the stage increments.
pub(super) fn polynomial(z: &Stages) -> Stages {
    let transposed = [0, 1, 2].map(|power| POLYNOMIAL.map(|row| row[power]));
    transform(&transposed, z)
}

impl Past {
    /// The stage increments of a step of size `h` from the polynomial's end, if it went on.
    pub(super) fn extrapolate(&self, h: f64) -> Stages {
        let weights = C.map(|c| {
            let theta = 1.0 + c * h / self.h;
            [theta - 1.0, theta * theta - 1.0, theta * theta * theta - 1.0]
        });
        transform(&weights, &self.polynomial)
    }
}
