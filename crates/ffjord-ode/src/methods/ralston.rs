//! Ralston's second-order method, of least error bound among those of two stages, with Euler's method as the embedded
//! estimate (A. Ralston, Math. Comp. 16, 1962).

use crate::tableau::{Embedded, Interpolation, Tableau};

pub(super) const TABLEAU: Tableau = Tableau {
    name: "ralston",
    order: 2,
    c: &[0.0, 2.0 / 3.0],
    a: &[&[], &[2.0 / 3.0]],
    b: &[0.25, 0.75],
    embedded: Some(Embedded {
        order: 1,
        weights: &[-0.75, 0.75],
        damping: None,
    }),
    fsal: false,
    interpolation: Interpolation::CubicHermite,
};
