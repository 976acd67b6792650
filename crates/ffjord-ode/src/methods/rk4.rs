//! The classical fourth-order method (Kutta 1901).

use crate::tableau::{Interpolation, Tableau};

pub(super) const TABLEAU: Tableau = Tableau {
    name: "rk4",
    order: 4,
    c: &[0.0, 0.5, 0.5, 1.0],
    a: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    b: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    embedded: None,
    fsal: false,
    interpolation: Interpolation::CubicHermite,
};
