//! The numbers of Radau IIA of order 5 and of its transformation (Hairer and Wanner II, IV.8).

const SQRT6: f64 = 2.449_489_742_783_178;

/// Stage times.
pub(super) const C: [f64; 3] = [(4.0 - SQRT6) / 10.0, (4.0 + SQRT6) / 10.0, 1.0];

/// Weights of the stage increments in the error estimate, before the filter.
pub(super) const E: [f64; 3] = [(-13.0 - 7.0 * SQRT6) / 3.0, (-13.0 + 7.0 * SQRT6) / 3.0, -1.0 / 3.0];

/// The real eigenvalue of the inverse of the stage matrix, 3 + 3^(2/3) − 3^(1/3).
pub(super) const REAL: f64 = 3.637_834_252_744_496;

/// One of the complex pair, 3 + (3^(1/3) − 3^(2/3)) / 2 − i (3^(5/6) + 3^(7/6)) / 2.
pub(super) const COMPLEX: (f64, f64) = (2.681_082_873_627_752, -3.050_430_199_247_410_7);

/// From the transformed increments to those of the stages.
pub(super) const T: [[f64; 3]; 3] = [
    [
        0.094_438_762_488_975_24,
        -0.141_255_295_020_954_2,
        0.030_029_194_105_147_42,
    ],
    [
        0.250_213_122_965_333_3,
        0.204_129_352_293_799_94,
        -0.382_942_112_757_261_9,
    ],
    [1.0, 1.0, 0.0],
];

/// Back again.
pub(super) const T_INVERSE: [[f64; 3]; 3] = [
    [4.178_718_591_551_905, 0.327_682_820_761_062_4, 0.523_376_445_499_449_5],
    [
        -4.178_718_591_551_905,
        -0.327_682_820_761_062_4,
        0.476_623_554_500_550_5,
    ],
    [0.502_872_634_945_786_8, -2.571_926_949_855_605, 0.596_039_204_828_224_9],
];

/// From the stage increments to the coefficients of θ, θ² and θ³ of the collocation polynomial.
pub(super) const POLYNOMIAL: [[f64; 3]; 3] = [
    [
        13.0 / 3.0 + 7.0 * SQRT6 / 3.0,
        -23.0 / 3.0 - 22.0 * SQRT6 / 3.0,
        10.0 / 3.0 + 5.0 * SQRT6,
    ],
    [
        13.0 / 3.0 - 7.0 * SQRT6 / 3.0,
        -23.0 / 3.0 + 22.0 * SQRT6 / 3.0,
        10.0 / 3.0 - 5.0 * SQRT6,
    ],
    [1.0 / 3.0, -8.0 / 3.0, 10.0 / 3.0],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transformation_diagonalises_the_inverse_stage_matrix() {
        // From the polynomial: h times its slope at the stages is A⁻¹ times the increments.
        let slope = |i: usize, j: usize| {
            let powers = [1.0, 2.0 * C[i], 3.0 * C[i] * C[i]];
            (0..3).map(|k| powers[k] * POLYNOMIAL[j][k]).sum::<f64>()
        };
        let (re, im) = COMPLEX;
        // T⁻¹ A⁻¹ T = diag(REAL, [re −im; im re]) in the signs of the complex equation.
        let expected = [[REAL, 0.0, 0.0], [0.0, re, -im], [0.0, im, re]];
        for (row, expected) in expected.iter().enumerate() {
            for (column, expected) in expected.iter().enumerate() {
                let mut found = 0.0;
                for (i, left) in T_INVERSE[row].iter().enumerate() {
                    for (j, right) in T.iter().enumerate() {
                        found += left * slope(i, j) * right[column];
                    }
                }
                assert!((found - expected).abs() < 1e-12, "{row}, {column}: {found}, {expected}");
            }
        }
    }
}
