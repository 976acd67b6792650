//! Euler's method (1768), order 1.

use crate::tableau::{Interpolation, Tableau};

pub(super) const TABLEAU: Tableau = Tableau {
    name: "euler",
    order: 1,
    c: &[0.0],
    a: &[&[]],
    b: &[1.0],
    embedded: None,
    fsal: false,
    interpolation: Interpolation::CubicHermite,
};
