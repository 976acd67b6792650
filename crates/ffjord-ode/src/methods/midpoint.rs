//! The explicit mid-point rule, order 2, with Euler's method as the embedded estimate (Runge 1895).

use crate::tableau::{Embedded, Interpolation, Tableau};

pub(super) const TABLEAU: Tableau = Tableau {
    name: "midpoint",
    order: 2,
    c: &[0.0, 0.5],
    a: &[&[], &[0.5]],
    b: &[0.0, 1.0],
    embedded: Some(Embedded {
        order: 1,
        weights: &[-1.0, 1.0],
        damping: None,
    }),
    fsal: false,
    interpolation: Interpolation::CubicHermite,
};
