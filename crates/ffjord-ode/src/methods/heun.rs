//! Heun's second-order method, the explicit trapezoid, with Euler's method as the embedded estimate.

use crate::tableau::{Embedded, Interpolation, Tableau};

pub(super) const TABLEAU: Tableau = Tableau {
    name: "heun",
    order: 2,
    c: &[0.0, 1.0],
    a: &[&[], &[1.0]],
    b: &[0.5, 0.5],
    embedded: Some(Embedded {
        order: 1,
        weights: &[-0.5, 0.5],
        damping: None,
    }),
    fsal: false,
    interpolation: Interpolation::CubicHermite,
};
