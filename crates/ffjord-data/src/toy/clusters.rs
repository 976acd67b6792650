//! Mixtures of Gaussians, straight and bent.

use std::f64::consts::{FRAC_PI_4, TAU};

use rand::Rng;

use super::noise;

/// Eight Gaussians of standard deviation 0.5 on a circle of radius 4, all divided by 1.414.
pub(super) fn eight_gaussians<R: Rng + ?Sized>(rng: &mut R) -> [f64; 2] {
    let (sin, cos) = (f64::from(rng.random_range(0..8_u32)) * FRAC_PI_4).sin_cos();
    // The original's divisor, not √2.
    [cos, sin].map(|centre| (4.0 * centre + noise(0.5, rng)) / 1.414)
}

/// Five Gaussians at radius 1 with radial deviation 0.3 and tangential 0.1, each turned by its fifth of a circle and by
/// a further ¼ eʳ that grows with the radius r and bends it into a blade; scaled by 2.
pub(super) fn pinwheel<R: Rng + ?Sized>(rng: &mut R) -> [f64; 2] {
    const BLADES: u32 = 5;
    const BEND: f64 = 0.25;
    let radial = 1.0 + noise(0.3, rng);
    let tangential = noise(0.1, rng);
    let blade = f64::from(rng.random_range(0..BLADES));
    let (sin, cos) = (TAU * blade / f64::from(BLADES) + BEND * radial.exp()).sin_cos();
    // A row vector times the rotation matrix: the turn is clockwise.
    [
        2.0 * (radial * cos + tangential * sin),
        2.0 * (tangential * cos - radial * sin),
    ]
}
