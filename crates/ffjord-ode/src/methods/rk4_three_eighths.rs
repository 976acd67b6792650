//! Kutta's 3/8 rule, order 4 (Kutta 1901): the method torchdiffeq calls `rk4`.

use crate::tableau::{Interpolation, Tableau};

pub(super) const TABLEAU: Tableau = Tableau {
    name: "rk4_38",
    order: 4,
    c: &[0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0],
    a: &[&[], &[1.0 / 3.0], &[-1.0 / 3.0, 1.0], &[1.0, -1.0, 1.0]],
    b: &[1.0 / 8.0, 3.0 / 8.0, 3.0 / 8.0, 1.0 / 8.0],
    embedded: None,
    fsal: false,
    interpolation: Interpolation::CubicHermite,
};
