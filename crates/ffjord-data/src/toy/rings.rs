//! Concentric circles.

use std::f64::consts::TAU;

use rand::Rng;

use super::noise;

/// scikit-learn's `make_circles(factor=0.5, noise=0.08)`, scaled by 3.
pub(super) fn circles<R: Rng + ?Sized>(rng: &mut R) -> [f64; 2] {
    let radius = if rng.random::<bool>() { 1.0 } else { 0.5 };
    on_circle(radius, rng).map(|coordinate| 3.0 * (coordinate + noise(0.08, rng)))
}

/// Four circles of radius ¼, ½, ¾ and 1, scaled by 3; the noise of 0.08 is added after the scaling.
pub(super) fn rings<R: Rng + ?Sized>(rng: &mut R) -> [f64; 2] {
    let radius = f64::from(rng.random_range(1..=4_u32)) / 4.0;
    on_circle(radius, rng).map(|coordinate| 3.0 * coordinate + noise(0.08, rng))
}

fn on_circle<R: Rng + ?Sized>(radius: f64, rng: &mut R) -> [f64; 2] {
    let (sin, cos) = rng.random_range(0.0..TAU).sin_cos();
    [radius * cos, radius * sin]
}
