//! Curves, most of them with noise around.

use std::f64::consts::PI;

use rand::Rng;

use super::noise;

/// The first and third coordinate of scikit-learn's `make_swiss_roll(noise=1)`, divided by 5.
pub(super) fn swiss_roll<R: Rng + ?Sized>(rng: &mut R) -> [f64; 2] {
    let t = 1.5 * PI * (1.0 + 2.0 * rng.random::<f64>());
    [t * t.cos(), t * t.sin()].map(|coordinate| (coordinate + noise(1.0, rng)) / 5.0)
}

/// scikit-learn's `make_moons(noise=0.1)`, scaled by 2 and moved by (−1, −0.2).
pub(super) fn moons<R: Rng + ?Sized>(rng: &mut R) -> [f64; 2] {
    let upper = rng.random::<bool>();
    let (sin, cos) = (PI * rng.random::<f64>()).sin_cos();
    let [x, y] = if upper { [cos, sin] } else { [1.0 - cos, 0.5 - sin] };
    [2.0 * (x + noise(0.1, rng)) - 1.0, 2.0 * (y + noise(0.1, rng)) - 0.2]
}

/// Two arms of one and a half turns, point-symmetric to each other, with uniform and Gaussian noise.
pub(super) fn two_spirals<R: Rng + ?Sized>(rng: &mut R) -> [f64; 2] {
    // The root makes the density along the arm uniform.
    let angle = rng.random::<f64>().sqrt() * 3.0 * PI;
    let (sin, cos) = angle.sin_cos();
    let arm = [-cos * angle, sin * angle].map(|coordinate| coordinate + 0.5 * rng.random::<f64>());
    let side = if rng.random::<bool>() { 1.0 } else { -1.0 };
    arm.map(|coordinate| side * coordinate / 3.0 + noise(0.1, rng))
}

/// The line y = x for x uniform in [−2.5, 2.5).
pub(super) fn line<R: Rng + ?Sized>(rng: &mut R) -> [f64; 2] {
    let x = rng.random_range(-2.5..2.5);
    [x, x]
}

/// The curve the original calls `cos`, y = 2.5 sin x, for x uniform in [−2.5, 2.5).
pub(super) fn cos<R: Rng + ?Sized>(rng: &mut R) -> [f64; 2] {
    let x: f64 = rng.random_range(-2.5..2.5);
    [x, 2.5 * x.sin()]
}
