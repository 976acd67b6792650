//! A checkerboard.

use rand::Rng;

/// Uniform on the eight squares of side 2 in [−4, 4]² where ⌊x/2⌋ + ⌊y/2⌋ is even.
pub(super) fn checkerboard<R: Rng + ?Sized>(rng: &mut R) -> [f64; 2] {
    let x: f64 = rng.random_range(-2.0..2.0);
    let row = if rng.random::<bool>() { 0.0 } else { -2.0 };
    let y = rng.random::<f64>() + row + x.floor().rem_euclid(2.0);
    [2.0 * x, 2.0 * y]
}
